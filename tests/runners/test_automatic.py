"""What ``--backend auto`` comes to: in a new run, in one that is there, and where a package is missing."""

from __future__ import annotations

import re
import sys
import tomllib

import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from noiseproof.errors import ModelError, RunError, pip_install
from noiseproof.runners import automatic
from noiseproof.store import read_run
from tests.asking import redraw

needs_both = pytest.mark.needs("onnxruntime", "onnxscript")


@pytest.fixture(autouse=True)
def processor(monkeypatch):
    """What the rule sees: one of the same instructions on every machine."""

    def has(capability):
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)

    has("AVX2")
    return has


@pytest.fixture
def long(monkeypatch):
    """However small a run is, it is worth an export."""
    monkeypatch.setattr(automatic, "WORTH", 1.0)


def backend_of(run) -> str:
    return run.manifest.meaning["backend"]


class Branching(nn.Module):
    """No fixed graph: what is computed hangs on the numbers."""

    def forward(self, x):
        x = x.flatten(1)[:, :3]
        return x + 1 if float(x.sum()) > 0 else x


class Otherwise(nn.Module):
    """A graph can be had of it, but of another function."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(16, 3)

    def forward(self, x):
        scores = self.fc(x.flatten(1))
        return -scores if torch.compiler.is_exporting() else scores


def test_operations_are_those_of_the_layers_and_nothing_is_left_on_the_module():
    base = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Flatten(), nn.Linear(4 * 6 * 6, 5), nn.ReLU()).eval()
    assert automatic._operations(base, (2, 8, 8)) == 2 * (4 * 6 * 6 * 2 * 9 + 5 * 4 * 6 * 6)
    assert automatic._operations(base, (2, 9, 9)) == 0  # it does not fit, which it will say when it draws
    assert not any(part._forward_hooks for part in base)


def test_a_short_run_is_not_worth_an_export(certified, monkeypatch):
    monkeypatch.setattr(automatic, "installed", lambda name: pytest.fail("it was not asked what is installed"))
    assert backend_of(certified()) == "torch"


@pytest.mark.parametrize(
    ("capability", "here", "backend"),
    [
        ("AVX2", {"onnxruntime", "openvino"}, "onnxruntime"),
        ("AVX512", {"onnxruntime", "openvino"}, "openvino"),
        ("AVX512", {"onnxruntime"}, "onnxruntime"),
        ("DEFAULT", {"openvino"}, "openvino"),
    ],
)
@pytest.mark.needs("onnxruntime", "onnxscript", "openvino")
def test_the_order_is_that_of_the_processor(capability, here, backend, certified, processor, monkeypatch, long):
    processor(capability)
    monkeypatch.setattr(automatic, "installed", lambda name: name in here)
    assert backend_of(certified(limit=1)) == backend


@needs_both
def test_a_long_run_takes_the_first_of_the_order_and_keeps_it(
    certified, as_set, data, model, tmp_path, monkeypatch, long
):
    from noiseproof.engine import onnxruntime

    exports, export = [], onnxruntime._exported
    monkeypatch.setattr(onnxruntime, "_exported", lambda *given: exports.append(given) or export(*given))
    run = certified(limit=3)
    assert backend_of(run) == "onnxruntime"
    assert len(exports) == 1  # what was made to know is what draws
    assert run.state.sessions[0]["backend"].startswith("onnxruntime ")
    # what was asked is auto, which a settings file leaves out
    assert "backend" not in tomllib.loads((tmp_path / "run" / "settings.toml").read_text())
    assert as_set(run) == as_set(certified("torch", limit=3, backend="torch"))
    # the same line goes on with what the folder has, however little is left to do, and is replayed with it
    monkeypatch.setattr(automatic, "WORTH", float("inf"))
    more = certified(limit=5)
    assert backend_of(more) == "onnxruntime"
    assert as_set(more) == as_set(certified("torch", limit=5, backend="torch"))
    with pytest.raises(RunError, match="precision is 'fp32', not 'bf16'"):
        certified(limit=5, precision="bf16")
    assert redraw(tmp_path / "run", 1, model=model, data=data).differing == 0
    assert len(exports) == 3


def test_a_folder_that_torch_drew_goes_on_with_torch(certified, as_set, monkeypatch, long):
    certified(limit=2, backend="torch")
    assert backend_of(certified(limit=4)) == "torch"
    with pytest.raises(RunError, match="precision is 'fp32', not 'bf16'"):
        certified(limit=4, precision="bf16")


@needs_both
def test_a_folder_whose_backend_is_gone_says_what_to_install_or_do(certified, data, tmp_path, monkeypatch, long):
    certified(limit=2)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    says = "run is drawn by onnxruntime and goes on with nothing else: .*" + re.escape(pip_install("fast"))
    with pytest.raises(ModelError, match=f"{says}.*; or choose another --out"):
        certified(limit=3)
    with pytest.raises(ModelError, match=re.escape(pip_install("fast"))) as error:
        redraw(tmp_path / "run", 1, data=data)
    assert "--model" not in str(error.value)  # no model would help
    assert len(read_run(tmp_path / "run").records) == 2


def test_where_nothing_is_installed_a_long_run_is_told_what_it_misses(certified, monkeypatch, caplog, long):
    monkeypatch.setattr(automatic, "installed", lambda name: False)
    assert backend_of(certified(limit=1)) == "torch"
    assert pip_install("fast") in caplog.text


@needs_both
@pytest.mark.parametrize(
    ("module", "why"),
    [(Branching(), "the base classifier cannot be exported to ONNX"), (Otherwise(), "onnxruntime gives other scores")],
)
def test_a_module_that_is_no_graph_or_another_function_as_one_is_drawn_by_torch(
    module, why, certified, caplog, monkeypatch
):
    monkeypatch.setattr(automatic, "WORTH", 0.0)
    run = certified(limit=1, model=module.eval().requires_grad_(False))
    assert backend_of(run) == "torch"
    assert f"draws are made by torch: {why}" in caplog.text


@needs_both
@pytest.mark.parametrize(
    "changes", [{"precision": "bf16"}, {"model": lambda x: x.reshape(len(x), -1)[:, :3], "model_id": "f"}]
)
def test_other_precisions_and_functions_are_torch_s(changes, certified, long):
    assert backend_of(certified(limit=1, **changes)) == "torch"

"""Runs on other backends: the same counts, their own meaning and record."""

from __future__ import annotations

import importlib
import json
import re
import sys

import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from noiseproof import verify
from noiseproof.asked import Compute
from noiseproof.cli.main import run as command_line
from noiseproof.errors import ModelError, RunError, pip_install
from noiseproof.store import read_run


def needs(name: str) -> object:
    return pytest.param(name, marks=pytest.mark.needs(name))


OTHERS = [needs("onnxruntime"), needs("openvino")]


class Stop(Exception):
    """A soft interrupt."""


def normed() -> nn.Module:
    torch.manual_seed(0)
    base = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3))
    base[1].running_mean.normal_()
    return base.eval()


@pytest.mark.parametrize("name", OTHERS)
def test_another_backend_gives_the_counts_and_says_so(name, certified, as_set, tmp_path, caplog):
    whole = as_set(certified("torch", limit=3))
    run = certified("other", limit=3, backend=name)
    assert as_set(run) == whole
    assert run.manifest.meaning["backend"] == name
    (session,) = run.state.sessions
    assert session["backend"].startswith(f"{name} ")
    assert session["disagreement"] == {"rows": 512, "differing": 0}
    assert session["settings"]["backend"] == name
    assert verify(tmp_path / "other").records == 3
    assert "in fp32 votes as torch in fp32 on all but 0 of 512 noisy inputs" in caplog.text
    assert "disagreement" not in read_run(tmp_path / "torch").state.sessions[0]
    with pytest.raises(RunError, match=f"another meaning: backend is 'torch', not '{name}'"):
        certified("torch", limit=4, backend=name)
    lines = (tmp_path / "other" / "journal.jsonl").read_text().count("\n")
    assert as_set(certified("other", limit=3, backend=name, workers=2)) == whole
    assert (tmp_path / "other" / "journal.jsonl").read_text().count("\n") == lines + 1


def test_bf16_is_compared_with_fp32_at_the_start(certified):
    (session,) = certified(limit=1, precision="bf16", model=normed()).state.sessions
    assert session["disagreement"]["rows"] == 512
    assert 0 <= session["disagreement"]["differing"] < 50


def test_a_missing_backend_does_not_claim_the_folder(certified, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ModelError, match=re.escape(pip_install("openvino"))):
        certified(backend="openvino")
    with pytest.raises(ValueError, match="unknown backend 'openvin'; did you mean 'openvino'"):
        certified(backend="openvin")
    assert not (tmp_path / "run").exists()


def test_the_command_line_says_a_missing_backend_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "openvino", None)
    model = tmp_path / "model.py"
    model.write_text("from torch import nn\nbase = nn.Sequential(nn.Flatten(), nn.Linear(784, 10)).eval()\n")
    options = ["--num-classes", "10", "--data", "fashion-mnist-small", "--sigma", "0.5", "--out", str(tmp_path / "run")]
    for verb in ("certify", "predict"):
        said = command_line([verb, "--model", f"{model}:base", *options, "--backend", "openvino"])
        error = capsys.readouterr().err
        assert said == 1
        assert error.startswith(f"noiseproof: backend openvino needs openvino: {pip_install('openvino')}")
        assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_folding_is_in_the_record_and_the_caller_s_module_is_as_it_was(certified):
    base = normed()
    strides = {name: tensor.stride() for name, tensor in base.state_dict().items()}
    (session,) = certified(limit=1, model=base).state.sessions
    assert session["backend"] == f"torch {torch.__version__} folded"
    assert [type(part).__name__ for part in base] == ["Conv2d", "BatchNorm2d", "ReLU", "Flatten", "Linear"]
    assert {name: tensor.stride() for name, tensor in base.state_dict().items()} == strides


def test_a_run_begun_before_folding_is_verified_and_goes_on(certified, as_set, tmp_path, monkeypatch):
    """Its meaning is the same; an input that was half drawn is begun anew, as with any other environment."""
    from noiseproof.engine import choose, prepare

    whole = as_set(certified("whole", model=normed()))
    seen = []

    def stop(progress):
        seen.append(progress)
        if len(seen) == 6:
            raise Stop

    with monkeypatch.context() as patch:
        patch.setattr(choose, "prepared", lambda base, **options: prepare.Prepared(base, channels_last=False, folded=0))
        with pytest.raises(Stop):
            certified(progress=stop, model=normed())
    assert read_run(tmp_path / "run").state.open
    assert verify(tmp_path / "run").unfinished > 0
    run = certified(model=normed())
    assert [session["backend"] for session in run.state.sessions] == [
        f"torch {torch.__version__}",
        f"torch {torch.__version__} folded",
    ]
    assert as_set(run) == whole
    assert '"is":"restart"' in (tmp_path / "run" / "journal.jsonl").read_text()
    assert verify(tmp_path / "run").records == 8


@pytest.mark.parametrize("name", [needs("torch"), *OTHERS])
def test_a_forward_pass_that_raises_stops_the_run_and_what_was_appended_stays(
    name, certified, as_set, tmp_path, monkeypatch
):
    from noiseproof.engine.pooled import PooledBackend

    whole = as_set(certified("whole", backend=name))
    plain, calls = PooledBackend._vote, []

    def breaks(self, space, segments, tally):
        calls.append(segments)
        if len(calls) > 80:
            raise RuntimeError("the worker died")
        return plain(self, space, segments, tally)

    with monkeypatch.context() as patch:
        patch.setattr(PooledBackend, "_vote", breaks)
        with pytest.raises(RuntimeError, match="the worker died"):
            certified(backend=name, workers=2)
    before = read_run(tmp_path / "run").state
    assert before.records
    assert verify(tmp_path / "run").records == len(before.records) < 8
    run = certified(backend=name)
    assert as_set(run) == whole
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["meaning"]["backend"] == name


def test_several_devices_give_the_counts_of_one_and_are_named(certified, as_set, monkeypatch):
    cpu, resolve = torch.device("cpu"), importlib.import_module("noiseproof.runners.resolve")
    one = as_set(certified("one", limit=3))
    monkeypatch.setattr(resolve, "choose_devices", lambda text: (cpu, cpu))
    run = certified("two", limit=3)
    assert as_set(run) == one
    assert run.state.sessions[0]["devices"] == ["cpu", "cpu"]
    with pytest.raises(ValueError, match="device must be a single one here, got 'cuda:0,cuda:1'; give cpu"):
        resolve.device_of(Compute(device="cuda:0,cuda:1"))
    assert resolve.device_of(Compute(device="cuda")) == cpu

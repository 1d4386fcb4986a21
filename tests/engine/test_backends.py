"""Every backend, one list of laws: the votes of torch, whatever the packing and the workers, in constant memory."""

from __future__ import annotations

import re
import sys

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from noiseproof.engine import Drawn, Engine, Finished, Segment, Task
from noiseproof.engine.choose import backend_for
from noiseproof.engine.contract import BACKENDS
from noiseproof.engine.disagreement import disagreement
from noiseproof.engine.require import check_available
from noiseproof.errors import ModelError, pip_install
from noiseproof.noises import Gaussian, Words
from noiseproof.procedures import Certify

SHAPE = (3, 8, 8)
CLASSES = 4
PACKAGES = {"torch": "torch", "onnxruntime": "onnxruntime", "openvino": "openvino"}


def needs(name: str) -> object:
    return pytest.param(name, marks=pytest.mark.needs(PACKAGES[name]))


EVERY = [needs(name) for name in BACKENDS]


@pytest.fixture(scope="module")
def base() -> nn.Module:
    """Convolution, batch-norm with statistics of its own, linear."""
    torch.manual_seed(3)
    made = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, CLASSES))
    made[1].running_mean.normal_()
    made[1].running_var.uniform_(0.5, 2)
    made[4].weight.data *= 5
    return made.eval()


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, SHAPE, dtype=np.uint8)


def made(name: str, base: nn.Module, **options):
    settings = {"num_classes": CLASSES, "noise": Gaussian(sigma=0.5), "shape": SHAPE, "batch_size": 32, "workers": 2}
    return backend_for(name, base, **(settings | options))


def served(backend, procedure=None, known=None) -> dict[str, tuple]:
    """Votes of each stage and the outcome of each of three inputs."""
    tasks = [Task(f"k-{k}", picture(k), (known or {}).get(f"k-{k}", {})) for k in range(3)]
    found: dict[str, object] = {}
    try:
        for event in Engine(backend, Gaussian(sigma=0.5), 5).run(procedure or Certify(n0=20, n=300), tasks):
            if isinstance(event, Drawn):
                name = f"{event.task.key} {event.stage}"
                found[name] = tuple(np.add(found.get(name, 0), event.votes))
            if isinstance(event, Finished):
                found[event.task.key] = event.outcome
    finally:
        backend.close()
    return found


def test_the_list_of_laws_is_the_list_of_backends():
    assert set(PACKAGES) == set(BACKENDS)


@pytest.mark.parametrize("name", EVERY)
def test_counts_do_not_depend_on_workers_packing_or_company(name, base):
    whole = served(made(name, base, workers=1))
    assert len(whole) == 9
    for options in ({"workers": 3}, {"batch_size": 8}, {"batch_size": 50, "workers": 2}):
        assert served(made(name, base, **options)) == whole


@pytest.mark.parametrize("name", EVERY)
def test_votes_are_those_of_torch(name, base):
    assert served(made(name, base)) == served(made("torch", base))
    one, other = made(name, base), made("torch", base)
    try:
        assert disagreement(one, other, [picture(0), picture(1)]) == (0, 512)
    finally:
        one.close()
        other.close()


@pytest.mark.parametrize("name", EVERY)
def test_a_restart_in_the_middle_gives_the_same_end(name, base):
    whole = served(made(name, base))
    backend = made(name, base)
    first = backend.submit([Segment(picture(1), Words(5, "k-1", "select"), 0, 20)]).result()[0]
    half = backend.submit([Segment(picture(1), Words(5, "k-1", "estimate"), 0, 30)]).result()[0]
    known = {"k-1": {"select": [(0, 20, tuple(first))], "estimate": [(0, 30, tuple(half))]}}
    again = served(backend, known=known)
    assert {key: again[key] for key in ("k-0", "k-1", "k-2")} == {key: whole[key] for key in ("k-0", "k-1", "k-2")}
    assert again["k-1 estimate"] == tuple(np.subtract(whole["k-1 estimate"], half))
    assert "k-1 select" not in again


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("workers", [1, 3])
def test_the_number_of_forward_calls_their_shape_and_the_memory_are_bounded(name, workers, base, monkeypatch):
    backend = made(name, base, workers=workers)
    shapes, memory = [], set()
    plain = type(backend).scores

    def watched(self, x):
        shapes.append(tuple(x.shape))
        memory.add(x.data_ptr())
        return plain(self, x)

    monkeypatch.setattr(type(backend), "scores", watched)
    served(backend, Certify(n0=32, n=1504))
    draws = 3 * (32 + 1504)
    assert set(shapes) == {(32, *SHAPE)}
    assert draws // 32 <= len(shapes) <= draws // 32 + 9  # few batches are not full: the ends
    assert 1 <= len(memory) <= workers  # a buffer a worker, used again and again


@pytest.mark.parametrize("name", EVERY)
def test_padding_and_void_draws_are_never_counted(name):
    class Void(nn.Module):
        """NaN wherever the first pixel is bright."""

        def forward(self, x):
            flat = x.flatten(1)
            return flat[:, :CLASSES] / (flat[:, :1] < 0.5)  # x/0: infinite or NaN

    noise = Gaussian(sigma=0.5)
    backend = made(name, Void().eval())
    segments = [Segment(picture(k), Words(7, f"k-{k}", "estimate"), 0, n) for k, n in enumerate((3, 20))]
    try:
        found = backend.submit(segments).result()
    finally:
        backend.close()
    for segment, votes in zip(segments, found, strict=True):
        noisy = noise.perturb(segment.x, segment.words, 0, segment.n).reshape(segment.n, -1)
        good = noisy[:, 0] / np.float32(255) < 0.5
        assert votes.tolist() == np.bincount(noisy[good, :CLASSES].argmax(1), minlength=CLASSES).tolist()
        assert votes.sum() == good.sum()
    assert 0 < found.sum() < 23


@pytest.mark.parametrize("name", EVERY)
def test_a_forward_pass_that_raises_stops_the_run_and_loses_nothing_handed_out(name, base, monkeypatch):
    backend = made(name, base)
    plain, calls = type(backend).scores, []

    def breaks(self, x):
        calls.append(1)
        if len(calls) > 40:
            raise RuntimeError("the device is gone")
        return plain(self, x)

    monkeypatch.setattr(type(backend), "scores", breaks)
    events = []
    with pytest.raises(ModelError, match="RuntimeError: the device is gone"):  # noqa: PT012
        for event in Engine(backend, Gaussian(sigma=0.5), 5).run(
            Certify(n0=20, n=1000), (Task(f"k-{k}", picture(k)) for k in range(3))
        ):
            events.append(event)
    monkeypatch.undo()
    backend.close()
    ends = {event.task.key: event.outcome for event in events if isinstance(event, Finished)}
    assert list(ends) == ["k-0"]
    assert ends["k-0"] == served(made(name, base), Certify(n0=20, n=1000))["k-0"]


@pytest.mark.parametrize("name", EVERY)
def test_the_wrong_number_of_classes_is_refused(name, base):
    backend = made(name, base, num_classes=5)
    try:
        with pytest.raises(ModelError, match=r"must return scores of shape \(32, 5\).*got \(32, 4\)"):
            backend.submit([Segment(picture(0), Words(7, "k", "estimate"), 0, 3)]).result()
    finally:
        backend.close()


@pytest.mark.parametrize("name", EVERY)
def test_the_record_names_the_backend_and_the_caller_s_module_is_as_it_was(name, base):
    before = {key: (tensor.clone(), tensor.stride()) for key, tensor in base.state_dict().items()}
    forward, children = base.forward, [id(part) for part in base.modules()]
    backend = made(name, base)
    backend.close()
    label = backend.environment()["backend"]
    assert label.startswith(f"{name} ")
    assert label.endswith(" folded") == (name == "torch")
    assert [id(part) for part in base.modules()] == children
    assert base.forward == forward
    for key, tensor in base.state_dict().items():
        assert torch.equal(tensor, before[key][0])
        assert tensor.stride() == before[key][1]
    assert all(parameter.requires_grad for parameter in base.parameters())


@pytest.mark.parametrize(("name", "extra"), [("onnxruntime", "fast"), ("openvino", "openvino")])
def test_a_missing_package_is_one_line_with_the_pip_command(name, extra, base, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)  # as if it were not installed
    for call in (lambda: made(name, base), lambda: check_available(name, "fp32")):
        with pytest.raises(ModelError, match=f"^backend {name} needs .*: {re.escape(pip_install(extra))}") as said:
            call()
        assert "\n" not in str(said.value)


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        ("openvin", {}, "unknown backend 'openvin'; did you mean 'openvino'?"),
        ("onnxruntime", {"precision": "bf16"}, "precision must be fp32 with backend onnxruntime, got 'bf16'"),
        ("openvino", {"precision": "int8"}, "precision must be fp32 or bf16 with backend openvino, got 'int8'"),
        ("openvino", {"device": "meta"}, "device must be cpu with backend openvino, got meta; use backend torch"),
    ],
)
def test_what_a_backend_cannot_do_is_refused(name, options, text, base):
    with pytest.raises(ValueError, match=text.replace("?", r"\?")):
        made(name, base, **options)


@pytest.mark.parametrize("name", EVERY[1:])
def test_only_torch_calls_plain_functions(name):
    with pytest.raises(ModelError, match=f"backend {name} needs an nn.Module, got function; use backend torch"):
        made(name, lambda x: x)


@pytest.mark.parametrize("name", EVERY[1:])
def test_a_module_that_cannot_be_brought_over_is_one_line(name):
    class Fails(nn.Module):
        def forward(self, x):
            raise KeyError("no\nsuch thing")

    with pytest.raises(ModelError, match=r"the base classifier cannot be .*; use --backend torch") as said:
        made(name, Fails().eval())
    assert "\n" not in str(said.value)


@pytest.mark.parametrize("name", [needs("openvino")])
def test_bf16_is_refused_where_openvino_would_silently_compute_in_fp32(name, base, monkeypatch):
    import openvino

    class Core:
        def get_property(self, device, key):
            return ["FP32", "INT8"]

    monkeypatch.setattr(openvino, "Core", Core)
    with pytest.raises(ModelError, match="this processor has no bf16 that OpenVINO could use; use --precision fp32"):
        made(name, base, precision="bf16")


def test_disagreement_counts_rows():
    class Constant(nn.Module):
        def forward(self, x):
            return torch.tensor([0.5, 0.0]).expand(x.shape[0], 2)

    class Bright(nn.Module):
        def forward(self, x):
            return torch.stack([torch.full((x.shape[0],), 0.5), x.flatten(1)[:, 0]], dim=1)

    one, other = (made("torch", base.eval(), num_classes=2) for base in (Constant(), Bright()))
    x = picture(0)
    x[0, 0, 0] = 128
    try:
        differing, tried = disagreement(one, other, [x])
    finally:
        one.close()
        other.close()
    assert tried == 512
    assert 200 < differing < 312  # a half, up to five standard deviations


def test_tables_are_built_once_before_there_are_workers(base, monkeypatch):
    from noiseproof.noises import gaussian, rounded_normal

    built = []

    def counting(sigma, grid):
        built.append((sigma, grid))
        return plain(sigma, grid)

    plain = rounded_normal.rounded_normal
    monkeypatch.setattr(gaussian, "rounded_normal", counting)
    backend = made("torch", base)
    backend.close()
    assert built == [(0.5, 255)]

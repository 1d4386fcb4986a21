"""Convolutions that compute their ReLU: which are fused, which must not be, and that scores stay."""

from __future__ import annotations

import gc

import pytest

pytest.importorskip("torch")

import torch
import torch.nn.functional as F
from torch import nn

from noiseproof.engine import prepare
from noiseproof.engine.fuse import FusedConv, fuse
from noiseproof.engine.prepare import fold, prepared
from noiseproof.models import build


@pytest.mark.parametrize(
    ("arch", "shape", "calls"),
    [("lenet", (1, 28, 28), 2), ("resnet20", (3, 32, 32), 19), ("resnet110", (3, 32, 32), 109)],
)
def test_the_shipped_architectures(arch, shape, calls):
    torch.manual_seed(0)
    folded, _ = fold(build(arch, num_classes=10, shape=shape).eval())
    made, count = fuse(folded)
    assert count == calls == sum(type(part) is FusedConv for part in made.modules())
    x = torch.rand(2, *shape)
    with torch.inference_mode():
        assert torch.equal(made(x), folded(x))


class Block(nn.Module):
    """``how`` it is written; one convolution, and one more that is added."""

    def __init__(self, how: str, **options) -> None:
        super().__init__()
        self.how = how
        self.conv = nn.Conv2d(4, 4, 3, **({"padding": 1} | options))
        self.act = nn.ReLU()

    def forward(self, x):
        y = self.conv(x)
        match self.how:
            case "F.relu":
                return F.relu(y, inplace=True)
            case "module":
                return self.act(y)
            case "method":
                return y.relu_()
            case "add":
                return F.relu(x + y)
            case "iadd":
                y += x
                return self.act(y)
            case "iadd of the other":
                other = z = x * 2
                z += y
                return F.relu(z) + other
            case "number":
                return F.relu(y + 1.0)
            case "used twice":
                return F.relu(y) + y
            case "doubled":
                return F.relu(y + y)
            case "called twice":
                return F.relu(self.conv(F.relu(y)))
            case "alpha":
                return F.relu(torch.add(y, x, alpha=2))
            case "data":
                return F.relu(y) if float(x.sum()) > 0 else y


@pytest.mark.parametrize(
    ("how", "calls"),
    [
        ("F.relu", 1),
        ("module", 1),
        ("method", 1),
        ("add", 1),
        ("iadd", 1),
        ("number", 0),
        ("used twice", 0),
        ("doubled", 0),
        ("called twice", 2),
        ("alpha", 0),
        ("data", 0),
    ],
)
def test_what_is_fused_computes_the_same(how, calls):
    torch.manual_seed(1)
    block = Block(how).eval()
    made, count = fuse(block)
    assert count == calls
    x = torch.randn(2, 4, 6, 6)
    with torch.inference_mode():
        assert torch.equal(made(x.clone()), block(x.clone()))


def test_a_tensor_that_is_added_to_under_two_names_is_for_the_caller_to_notice():
    torch.manual_seed(1)
    block, x = Block("iadd of the other").eval(), torch.randn(2, 4, 6, 6)
    made, _ = fuse(block)
    with torch.inference_mode():
        assert not torch.allclose(made(x), block(x))


@pytest.mark.parametrize("options", [{"groups": 2}, {"padding_mode": "reflect"}, {"padding": "same"}])
def test_other_convolutions_are_left_alone(options):
    assert fuse(Block("F.relu", **options).eval())[1] == 0


def test_a_hook_is_not_passed_by():
    block = Block("module").eval()
    block.conv.register_forward_hook(lambda *_: None)
    assert fuse(block)[1] == 0


class Pretended:
    """A device that says it is CUDA."""

    type = "cuda"

    def __eq__(self, other):
        return True

    __hash__ = None


@pytest.fixture
def cuda(monkeypatch):
    monkeypatch.setattr(nn.Module, "to", lambda self, *rest, **named: self)
    monkeypatch.setattr(torch.Tensor, "to", lambda self, *rest, **named: self)
    return Pretended()


def test_on_a_cpu_nothing_is_fused_and_a_fusion_that_changes_scores_is_thrown_away(monkeypatch, cuda):
    base, cpu = build("resnet20", num_classes=10, shape=(3, 32, 32)).eval(), torch.device("cpu")
    assert prepared(base, shape=(3, 32, 32), device=cpu).fused == 0
    assert prepared(base, shape=(3, 32, 32), device=cuda).fused == 19
    monkeypatch.setattr(prepare, "fuse", lambda module: (nn.Sequential(module, nn.Softmax(1)), 3))
    found = prepared(base, shape=(3, 32, 32), device=cuda)
    assert (found.fused, found.folded) == (0, 21)


@pytest.mark.parametrize(("precision", "channels_last"), [("fp32", False), ("tf32", True), ("bf16", True)])
def test_on_cuda_ieee_fp32_is_channels_first(precision, channels_last, cuda, monkeypatch):
    monkeypatch.setattr(prepare, "_cast", lambda module: module)  # as there is nothing to move a module to
    base = build("resnet20", num_classes=10, shape=(3, 32, 32)).eval()
    found = prepared(base, shape=(3, 32, 32), device=cuda, precision=precision)
    assert (found.channels_last, found.fused) == (channels_last, 19)
    assert prepared(base, shape=(3, 32, 32), device=torch.device("cpu"), precision=precision).channels_last


def test_the_copies_that_were_tried_are_gone(cuda):
    base = build("resnet20", num_classes=10, shape=(3, 32, 32)).eval()

    def convolutions():
        return sum(type(each) is nn.Conv2d for each in gc.get_objects())

    gc.collect()
    before, own = convolutions(), sum(type(each) is nn.Conv2d for each in base.modules())
    gc.disable()
    try:
        ready = prepared(base, shape=(3, 32, 32), device=cuda)
        assert convolutions() - before == own
    finally:
        gc.enable()
    assert ready.fused == 19

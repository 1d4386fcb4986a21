"""Folding and layout: the same function up to rounding, and the caller's module as it was."""

from __future__ import annotations

import copy

import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from noiseproof.engine import prepare
from noiseproof.engine.prepare import fold, prepared
from noiseproof.errors import ModelError
from noiseproof.models import build

CPU = torch.device("cpu")
SHAPE = (3, 8, 8)


def lively(module: nn.Module) -> nn.Module:
    """Batch-norm with statistics of its own, as after training."""
    generator = torch.Generator().manual_seed(1)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d) and part.track_running_stats:
            part.running_mean = torch.randn(part.num_features, generator=generator) / 4
            part.running_var = torch.rand(part.num_features, generator=generator) + 0.5
            if part.affine:
                part.weight.data = torch.rand(part.num_features, generator=generator) + 0.5
                part.bias.data = torch.randn(part.num_features, generator=generator) / 4
    return module.eval()


class Net(nn.Module):
    """A convolution with batch-norm, then what a subclass says."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4)
        self.fc = nn.Linear(4 * 36, 5)

    def body(self, x: torch.Tensor) -> torch.Tensor:
        return self.bn(self.conv(x)).relu()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.body(x).flatten(1))


class InPlace(Net):
    def forward(self, x):
        return super().forward(x.sub_(0.5))


def test_a_module_that_works_in_place_is_folded_too():
    plain = lively(InPlace())
    assert prepared(plain, shape=SHAPE, device=CPU).folded == 1


class Branches(Net):
    def forward(self, x):
        return super().forward(x if x.sum() > 1e9 else x + 0)


class TwoReaders(Net):
    def body(self, x):
        out = self.conv(x)
        return (self.bn(out) + out).relu()


class Twice(Net):
    def body(self, x):
        return self.bn(self.conv(x)).relu() + self.conv(x)


class Peeks(Net):
    def body(self, x):
        return self.bn(self.conv(x)).relu() + self.bn.bias.mean()


class Views(Net):
    """Flattens by view, which a channels-last picture refuses."""

    def forward(self, x):
        x.view(x.shape[0], -1)
        return super().forward(x)


class NoStatistics(Net):
    def __init__(self) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(4, track_running_stats=False)


def hooked() -> Net:
    net = Net()
    net.conv.register_forward_hook(lambda module, inputs, out: out * 2)
    return net


def probe(shape=SHAPE, rows: int = 64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.rand((rows, *shape), generator=generator) + torch.randn((rows, *shape), generator=generator) / 2


def scores(ready: prepare.Prepared, x: torch.Tensor) -> torch.Tensor:
    layout = torch.channels_last if ready.channels_last else torch.contiguous_format
    with torch.inference_mode():
        return ready.base(x.contiguous(memory_format=layout))


def check_same(base: nn.Module, ready: prepare.Prepared, shape=SHAPE) -> None:
    x = probe(shape)
    with torch.inference_mode():
        wanted = base(x)
    found = scores(ready, x)
    assert (found - wanted).abs().max() < 1e-5 * wanted.abs().max()
    sure = wanted.topk(2).values.diff(dim=1).abs()[:, 0] > 1e-4
    assert sure.sum() > 0.8 * len(x)
    assert torch.equal(found.argmax(1)[sure], wanted.argmax(1)[sure])


@pytest.mark.parametrize(
    ("arch", "shape", "pairs"),
    [
        ("lenet", (1, 28, 28), 0),
        ("resnet20", (3, 32, 32), 21),
        ("resnet110", (1, 16, 16), 111),
        ("resnet50", (3, 32, 32), 53),
    ],
)
def test_every_batch_norm_of_the_shipped_architectures_is_folded(arch, shape, pairs):
    torch.manual_seed(0)
    base = lively(build(arch, num_classes=10, shape=shape))
    before = copy.deepcopy(base.state_dict())
    layouts = {name: tensor.stride() for name, tensor in base.state_dict().items()}
    ready = prepared(base, shape=shape, device=CPU)
    assert (ready.folded, ready.channels_last) == (pairs, True)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in ready.base.modules()) or pairs == 0
    check_same(base, ready, shape)
    after = base.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert {name: tensor.stride() for name, tensor in after.items()} == layouts
    assert all(parameter.requires_grad for parameter in base.parameters())
    assert not {id(p) for p in base.parameters()} & {id(p) for p in ready.base.parameters()}


@pytest.mark.parametrize("make", [Branches, TwoReaders, Twice, Peeks, NoStatistics, hooked])
def test_what_is_not_safe_to_fold_is_called_unfolded(make):
    torch.manual_seed(0)
    base = lively(make())
    assert fold(base) == (base, 0)  # and not only because the probe would find it
    ready = prepared(base, shape=SHAPE, device=CPU)
    assert ready.folded == 0
    check_same(base, ready)


def test_a_module_of_plain_parts_is_folded_part_by_part():
    torch.manual_seed(0)
    base = lively(
        nn.Sequential(
            nn.Conv2d(3, 4, 3),
            nn.BatchNorm2d(4, affine=False),
            nn.ReLU(),
            nn.BatchNorm2d(4),
            nn.Flatten(),
            nn.Linear(144, 5),
        )
    )
    made, folded = fold(base)
    assert folded == 1
    assert [type(part).__name__ for part in made] == ["Conv2d", "Identity", "ReLU", "BatchNorm2d", "Flatten", "Linear"]
    check_same(base, prepared(base, shape=SHAPE, device=CPU))


def test_a_module_that_refuses_channels_last_is_folded_only():
    torch.manual_seed(0)
    base = lively(Views())
    ready = prepared(base, shape=SHAPE, device=CPU)
    assert (ready.folded, ready.channels_last) == (1, False)
    check_same(base, ready)


def test_a_fold_that_changes_scores_is_thrown_away(monkeypatch):
    wrong = prepare.fuse_conv_bn_eval

    def off(conv, norm):
        made = wrong(conv, norm)
        made.bias.data += 0.05
        return made

    monkeypatch.setattr(prepare, "fuse_conv_bn_eval", off)
    torch.manual_seed(0)
    base = lively(Net())
    ready = prepared(base, shape=SHAPE, device=CPU)
    assert (ready.folded, ready.channels_last) == (0, True)
    check_same(base, ready)


def test_what_needs_nothing_is_called_as_it_is():
    def plain(x):
        return x

    linear = nn.Sequential(nn.Flatten(), nn.Linear(4, 2)).eval()
    for base in (plain, linear):
        assert prepared(base, shape=(4,), device=CPU).base is base


class Stubborn(nn.Sequential):
    def __deepcopy__(self, memo):
        raise TypeError("cannot pickle a lock")


def test_a_module_that_cannot_be_copied_is_used_where_it_is_or_refused():
    base = Stubborn(nn.Conv2d(3, 2, 8), nn.Flatten()).eval()
    assert prepared(base, shape=SHAPE, device=CPU).base is base
    text = "the base classifier cannot be copied to meta .cannot pickle a lock.; move it there yourself"
    with pytest.raises(ModelError, match=text):
        prepared(base, shape=SHAPE, device=torch.device("meta"))


def test_moving_to_a_device_moves_a_copy():
    base = nn.Sequential(nn.Flatten(), nn.Linear(4, 2)).eval()
    ready = prepared(base, shape=(4,), device=torch.device("meta"))
    assert next(ready.base.parameters()).device.type == "meta"
    assert next(base.parameters()).device.type == "cpu"


def test_weights_cast_once_are_those_that_autocast_casts():
    torch.manual_seed(0)
    base = lively(build("resnet20", num_classes=10, shape=(3, 32, 32)))
    x = probe((3, 32, 32), 8)
    said = []
    for precision in ("fp32", "bf16"):
        ready = prepared(base, shape=(3, 32, 32), device=CPU, precision=precision)
        with torch.autocast("cpu", torch.bfloat16):
            said.append(scores(ready, x))
    assert ready.base.fc.weight.dtype == torch.bfloat16
    assert said[0].dtype == said[1].dtype == torch.bfloat16
    assert torch.equal(said[0], said[1])

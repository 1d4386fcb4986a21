"""Modules that torch refuses to copy, and states that are no dense tensors."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from noiseproof.errors import ModelError
from noiseproof.models import fingerprint
from noiseproof.models.base import frozen
from noiseproof.models.copies import copied

pytestmark = pytest.mark.filterwarnings("ignore")
X = torch.rand(3, 4)


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2))


class Remembers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.kept = net(), {}

    def forward(self, x):
        self.kept["last"] = [self.inner(x)]
        return self.kept["last"][0]


def changed(change) -> nn.Module:
    made = net()
    change(made[0])
    return made


KINDS = {
    "weight norm": lambda: changed(nn.utils.weight_norm),
    "spectral norm": lambda: changed(nn.utils.spectral_norm),
    "pruning": lambda: changed(lambda layer: prune.l1_unstructured(layer, "weight", amount=0.3)),
    "what it remembers": Remembers,
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_is_the_same_function_and_leaves_the_module_as_it_was(kind):
    made = KINDS[kind]().eval()
    before = made(X)
    with pytest.raises(RuntimeError, match="deepcopy protocol"):
        copy.deepcopy(made)
    again = copied(made)
    assert torch.allclose(again(X), before)
    assert fingerprint(again, "net") == fingerprint(made, "net")
    with torch.no_grad():
        next(again.parameters()).add_(1)
    assert torch.allclose(made(X), before)
    if kind == "what it remembers":
        made(X)
        again = copied(made)
        again.kept["last"][0].detach().zero_()
        assert torch.allclose(made.kept["last"][0], before), "it has memory of its own"


def quantised(seed=0) -> nn.Module:
    torch.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.ao.quantization.quantize_dynamic(net().eval(), {nn.Linear}, dtype=torch.qint8)


def test_states_that_are_no_dense_tensors_have_a_fingerprint():
    assert fingerprint(quantised(), "net") == fingerprint(quantised(), "net") != fingerprint(quantised(1), "net")
    sparse = net()
    sparse.register_buffer("mask", torch.eye(3).to_sparse())
    before = fingerprint(sparse, "net")
    sparse.mask = (2 * torch.eye(3)).to_sparse()
    assert fingerprint(sparse, "net") != before
    assert fingerprint(frozen(torch.jit.script(net())), "net")


@pytest.mark.parametrize("change", [lambda weight: weight.flip(0), lambda weight: 2 * weight], ids=["order", "scale"])
def test_every_number_of_a_quantised_weight_counts(change):
    """The order of its integers, and the scale behind them, with all else the same."""

    def made(weight):
        layer = nn.Linear(4, 2)
        layer.weight.data, layer.bias.data = weight, torch.zeros(2)
        return torch.ao.quantization.quantize_dynamic(nn.Sequential(layer).eval(), {nn.Linear}, dtype=torch.qint8)

    weight = torch.arange(8.0).reshape(2, 4) - 4
    assert fingerprint(made(weight), "net") == fingerprint(made(weight.clone()), "net")
    assert fingerprint(made(weight), "net") != fingerprint(made(change(weight)), "net")


def test_what_has_no_numbers_is_refused():
    with pytest.raises(ModelError, match=r"^the base classifier has no numbers in 0.bias; load its weights, or "):
        fingerprint(net().to("meta"), "net")
    with pytest.raises(ModelError, match=r"^0.weight waits for a first batch \(a lazy layer\); call the model on one"):
        frozen(nn.Sequential(nn.LazyLinear(2)))

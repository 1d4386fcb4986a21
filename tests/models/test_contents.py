from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from noiseproof.models.contents import contents


def module() -> nn.Module:
    made = nn.Sequential(nn.Conv2d(1, 2, 2), nn.BatchNorm2d(2), nn.Linear(2, 2).to(torch.bfloat16))
    for each in (*made.parameters(), *made.buffers()):
        each.data.fill_(1)
    return made


def test_the_same_object_has_the_same_hash_and_so_has_an_equal_one():
    one = module()
    assert contents(one) == contents(one) == contents(module())


@pytest.mark.parametrize(
    "change",
    [
        lambda made: made[0].weight.data.add_(2.0**-20),
        lambda made: made[2].weight.detach().add_(1),
        lambda made: made[1].running_var.mul_(2),
        lambda made: setattr(made[1], "eps", 1e-3),
        lambda made: setattr(made[0], "weight", nn.Parameter(made[0].weight.detach().flip(0).double())),
        lambda made: made.train(not made.training),
        lambda made: made.register_buffer("more", torch.zeros(()), persistent=False),
        lambda made: setattr(made, "at", torch.zeros(0)),
    ],
)
def test_any_change_changes_it(change):
    made = module()
    before = contents(made)
    change(made)
    assert contents(made) not in (before, None)


def test_what_cannot_be_told_is_none():
    made = module()
    made.act = lambda x: x
    assert contents(made) is None
    assert contents(torch.zeros(2).to_sparse()) is None

"""Ensembles: the mean, the rule of consensus row by row, and who may be a member."""

from __future__ import annotations

import copy
import itertools
import json

import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from noiseproof.engine.contract import check_eval_mode
from noiseproof.errors import ModelError
from noiseproof.models import BaseModel, Ensemble, build, ensemble, fingerprint, load, save_weights
from noiseproof.models.ensemble import passes, row_by_row, spec_of

SHAPE = (1, 16, 16)


class Fixed(nn.Module):
    """Scores that are given, one row an input: the input is the row's number. It notes what it was asked."""

    def __init__(self, scores) -> None:
        super().__init__()
        self.register_buffer("scores", torch.tensor(scores, dtype=torch.float32))
        self.batches: list[list[int]] = []

    def forward(self, x):
        numbers = x.flatten().long()
        self.batches.append(numbers.tolist())
        return self.scores[numbers]


def rows(count: int) -> torch.Tensor:
    return torch.arange(count).float()[:, None]


def linears(count: int) -> list[nn.Module]:
    return [nn.Sequential(nn.Flatten(), nn.Linear(64, 4)).eval().requires_grad_(False) for _ in range(count)]


def convolutions(count: int) -> list[nn.Module]:
    nets = (nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 4)) for _ in range(count))
    return [net.eval().requires_grad_(False) for net in nets]


class InPlace(nn.Module):
    """Clips what it is given, where it lies."""

    def __init__(self, inner) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x.clamp_(0, 1))


@pytest.mark.parametrize("consensus", [None, 2])
def test_a_member_that_works_in_place_does_not_change_what_others_see(consensus):
    plain = linears(4)
    noisy = torch.rand(16, 1, 8, 8) + torch.randn(16, 1, 8, 8)
    expected = Ensemble([InPlace(plain[0]), plain[1], InPlace(plain[2]), plain[3]], consensus)
    for member in (expected.members[0], expected.members[2]):
        member.forward = lambda x, inner=member.inner: inner(x.clamp(0, 1))
    found = Ensemble([InPlace(plain[0]), plain[1], InPlace(plain[2]), plain[3]], consensus)
    given = noisy.clone()
    assert torch.equal(found(given), expected(noisy))
    assert torch.equal(given, noisy)


def slowly(members: list[nn.Module], x: torch.Tensor, consensus: int) -> tuple[list[int], int]:
    """The rule, one row at a time, in plain Python: the classes, and how many rows all members were asked about."""
    classes, opened = [], 0
    for row in x:
        scores = [member(row[None])[0].tolist() for member in members]
        chosen = {max(range(4), key=each.__getitem__) for each in scores[:consensus]}
        if len(chosen) > 1:
            total = [sum(each) for each in zip(*scores, strict=True)]
            chosen, opened = {max(range(4), key=total.__getitem__)}, opened + 1
        classes.append(chosen.pop())
    return classes, opened


def base(module: nn.Module, name: str = "m", *, classes: int = 4, shape=None, said=None) -> BaseModel:
    return BaseModel(module, name, classes, shape, fingerprint(module, name), f"file of {name}", said or {})


def test_the_mean_is_that_computed_by_hand():
    module = Ensemble(
        [Fixed([[1.0, 2.0], [0.0, -4.0]]), Fixed([[4.0, 2.0], [1.0, 1.0]]), Fixed([[1.0, 5.0], [2.0, 0]])]
    )
    assert module(rows(2)).tolist() == [[2.0, 3.0], [1.0, -1.0]]


def test_scores_are_added_from_left_to_right_in_fp32():
    members = convolutions(5)
    x = torch.randn(32, 1, 8, 8)
    a, b, c, d, e = (member(x) for member in members)
    assert torch.equal(Ensemble(members)(x), ((((a + b) + c) + d) + e) / 5)
    halves = Ensemble([member.bfloat16() for member in linears(2)])(torch.randn(3, 64).bfloat16())
    assert halves.dtype == torch.float32


@pytest.mark.parametrize("consensus", [2, 3])
def test_consensus_is_the_rule_row_by_row(consensus):
    members = linears(5)
    x = torch.randn(500, 64)
    wanted, opened = slowly(members, x, consensus)
    assert Ensemble(members, consensus)(x).argmax(1).tolist() == wanted
    assert 100 < opened < 490
    mean = Ensemble(members)(x).argmax(1)
    assert sum(one != other for one, other in zip(wanted, mean.tolist(), strict=True)), "it is another function"


def test_agreed_rows_have_the_mean_of_those_that_were_asked_and_open_ones_the_mean_of_all():
    first, second, third = Fixed([[1, 0], [1, 0]]), Fixed([[3, 0], [0, 2]]), Fixed([[0, 100], [0, 100]])
    scores = Ensemble([first, second, third], 2)(rows(2))
    assert torch.equal(scores, torch.tensor([[2.0, 0.0], [1.0, 102.0]]) / torch.tensor([[1.0], [3.0]]))


def test_a_consensus_stands_where_rounding_makes_its_mean_a_tie():
    one = [1.5, 1.5 + 2.0**-23, 0.0]
    other = [0.5 + 6 * 2.0**-24, 0.5 + 7 * 2.0**-24, 0.0]
    members = [Fixed([one]), Fixed([other]), Fixed([[9.0, 0.0, 0.0]])]
    assert [member(rows(1)).argmax().item() for member in members[:2]] == [1, 1]
    tied = Ensemble(members[:2])(rows(1))[0]
    assert tied[0] == tied[1]
    assert tied.argmax() == 0
    assert Ensemble(members, 2)(rows(1)).argmax() == 1


def test_only_open_rows_reach_the_other_members_in_parts_of_one_size():
    count = 40
    second = [[1.0, 0.0] if row % 4 else [0.0, 1.0] for row in range(count)]  # disagrees on every fourth
    last = Fixed([[0.0, 9.0]] * count)
    module = Ensemble([Fixed([[1.0, 0.0]] * count), Fixed(second), last], 2)
    assert module(rows(count)).argmax(1).tolist() == [0 if row % 4 else 1 for row in range(count)]
    assert last.batches == [[0, 4, 8, 12, 16], [20, 24, 28, 32, 36]]
    module(rows(count)[1:4])
    assert len(last.batches) == 2, "all agree: nobody else is asked"
    module(rows(count)[[0, *[1] * 15, 4, 8]])
    assert last.batches[2:] == [[0, 4, 8]]
    module(rows(count)[[0, *[1] * 15, 4]])
    assert last.batches[3:] == [[0, 4, 0]], "the last part is padded"


@pytest.mark.parametrize("consensus", [None, 2])
@pytest.mark.parametrize("make", [linears, convolutions])
def test_a_row_has_the_same_scores_in_any_company(make, consensus):
    """To the last bit: agreed rows and open ones, however many others are open."""
    module = Ensemble(make(4), consensus)
    x = torch.randn(64, 1, 8, 8)
    scores = module(x)
    first = torch.stack([member(x).argmax(1) for member in list(module.members)[:2]])
    still = (first[0] == first[1]).nonzero().flatten()
    open_ = (first[0] != first[1]).nonzero().flatten()
    assert min(len(still), len(open_)) > 8
    order = torch.randperm(64)
    assert torch.equal(module(x[order]), scores[order])
    for kept, others in itertools.product((still[:8], open_[:8]), (still, open_)):
        company = x[others[torch.arange(64) % len(others)]]
        company[7:15] = x[kept]
        assert torch.equal(module(company)[7:15], scores[kept])


def test_scores_that_are_no_numbers_stay_none():
    """Whether the others agree with them or not: such a draw is void."""
    first = [[float("nan"), 1], [float("inf"), 1], [float("-inf"), 1], [0, 1]]
    module = Ensemble([Fixed(first), Fixed([[1, 0], [1, 0], [0, 1], [0, 1]]), Fixed([[0, 1]] * 4)], 2)
    finite = torch.isfinite(module(rows(4))).all(1)
    assert finite.tolist() == [False, False, False, True]


def test_scores_of_another_shape_are_not_broadcast():
    with pytest.raises(RuntimeError, match="equal size"):
        Ensemble([Fixed([[1.0, 2.0]]), Fixed([[1.0]])])(rows(1))


def test_gradients_go_through_agreed_and_open_rows():
    module = Ensemble(linears(3), 2)
    x = torch.randn(64, 64, requires_grad=True)
    module(x)[:, 0].sum().backward()
    assert (x.grad.abs().sum(1) > 0).all()


def test_one_member_is_itself(tmp_path):
    module = build("lenet", num_classes=3, shape=SHAPE)
    path = tmp_path / "a.safetensors"
    save_weights(module, path, {"architecture": "lenet", "num_classes": "3", "shape": json.dumps(SHAPE)})
    one, alone = load([path]), load(path)
    assert (one.fingerprint, one.source, one.members) == (alone.fingerprint, alone.source, ())
    assert spec_of(one) == {"model": str(path)}
    assert passes(one) == ""


def test_several_are_loaded_in_their_order(tmp_path):
    said = {"architecture": "lenet", "num_classes": "3", "shape": json.dumps(SHAPE), "sigma": "0.5", "epochs": "9"}
    paths = [tmp_path / f"{name}.safetensors" for name in "abc"]
    modules = [build("lenet", num_classes=3, shape=SHAPE).eval() for _ in paths]
    for path, module, data in zip(paths, modules, ("mnist", "mnist", "fashion-mnist"), strict=True):
        save_weights(module, path, said | {"data": data})
    found = load(paths)
    x = torch.randn(4, *SHAPE)
    assert torch.equal(found.module(x), Ensemble(modules)(x).detach())
    assert (found.architecture, found.num_classes, found.shape) == ("mean of 3 lenet", 3, SHAPE)
    assert found.source == f"mean of {paths[0]}, {paths[1]}, {paths[2]}"
    assert found.trained == {"sigma": 0.5}, "what they have in common; epochs would be taken for the cost of all"
    assert (spec_of(found), passes(found)) == (
        {"model": [str(path) for path in paths], "consensus": None},
        "3 forward passes",
    )
    asked = load(paths, consensus=2)
    assert (asked.architecture, asked.module.consensus) == ("2-consensus of 3 lenet", 2)
    assert passes(asked) == "2 forward passes, 3 where they disagree"
    assert spec_of(asked)["consensus"] == 2
    assert load(paths, consensus=2).fingerprint == asked.fingerprint


def test_members_order_and_consensus_are_in_the_fingerprint():
    members = [base(module) for module in linears(4)]
    asked = [*itertools.permutations(members[:3]), members[:2], members]
    found = {ensemble(each).fingerprint for each in asked}
    found |= {ensemble(each, 2).fingerprint for each in asked if len(each) > 2} | {ensemble(members, 3).fingerprint}
    found |= {member.fingerprint for member in members}
    assert len(found) == 8 + 7 + 1 + 4
    modules = [member.module for member in members]
    assert fingerprint(Ensemble(modules, 2), "m") != fingerprint(Ensemble(modules, 3), "m")
    assert fingerprint(Ensemble(modules, 2), "m") == fingerprint(copy.deepcopy(Ensemble(modules, 2)), "m")


def test_architectures_are_named_one_by_one_where_they_differ():
    one, other = (base(module, name) for module, name in zip(linears(2), ("lenet", "resnet20"), strict=True))
    assert ensemble([one, other]).architecture == "mean of lenet, resnet20"
    assert ensemble([one, base(linears(1)[0], "mine", shape=(1, 8, 8))]).shape == (1, 8, 8)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"classes": 10},
            "members of an ensemble must have the same num_classes, but file of m has 4 and file of m has 10; "
            "certify them apart",
        ),
        (
            {"shape": (3, 8, 8)},
            "members of an ensemble must have the same shape, but file of m has (1, 8, 8) and file of m has "
            "(3, 8, 8); certify them apart",
        ),
    ],
)
def test_members_that_do_not_go_together(changes, text):
    one, silent, other = linears(3)
    with pytest.raises(ModelError) as caught:
        ensemble([base(one, shape=(1, 8, 8)), base(silent), base(other, **changes)])
    assert str(caught.value) == text


def test_the_same_member_twice():
    one, other = (base(module) for module in linears(2))
    with pytest.raises(
        ModelError, match=r"^members of an ensemble must differ, but file of m and file of m hold the same"
    ):
        ensemble([one, other, one])


def test_an_ensemble_as_a_member():
    one, two, three = (base(module) for module in linears(3))
    with pytest.raises(
        ModelError, match="a member must be no ensemble itself, got mean of file of m, file of m; give its"
    ):
        ensemble([ensemble([one, two]), three])


@pytest.mark.parametrize(
    ("members", "consensus", "text"),
    [
        (0, None, "members must be one or more, got none; give a model"),
        (1, 2, "consensus must be at least 2 and less than the number of models, got 2 with 1; give more models, or"),
        (3, 3, "consensus must be at least 2 and less than the number of models, got 3 with 3; give more models, or"),
        (3, 1, "consensus must be at least 2 and less than the number of models, got 1 with 3; give more models, or"),
        (3, 2.0, r"consensus must be an integer, got 2\.0"),
    ],
)
def test_a_consensus_that_is_none(members, consensus, text):
    with pytest.raises(ValueError, match=f"^{text}"):
        ensemble([base(module) for module in linears(members)], consensus)


def test_a_module_needs_two():
    with pytest.raises(ValueError, match="members must be two or more, got 1"):
        Ensemble(linears(1))


def test_a_member_in_training_mode_is_named():
    members = linears(3)
    check_eval_mode(Ensemble(members))
    members[1].train()
    with pytest.raises(ModelError, match=r"its part 'members\.1' \(Sequential\) is in training mode"):
        check_eval_mode(Ensemble(members))


def test_a_consensus_is_found_inside_anything():
    members = linears(3)
    assert row_by_row(nn.Sequential(nn.Identity(), Ensemble(members, 2)))
    assert not row_by_row(nn.Sequential(Ensemble(members)))
    assert not row_by_row(len)

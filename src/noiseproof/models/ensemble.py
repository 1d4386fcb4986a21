"""Several base classifiers as one: their averaged scores, asked only where the first few of them disagree."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from noiseproof.arguments import integer
from noiseproof.errors import ModelError
from noiseproof.models.base import BaseModel

PARTS = 8
"""The members behind the first K see rows in batches of an eighth of the whole."""


class Ensemble(nn.Module):
    """The mean of its members' scores; with K-consensus, the class of the first K members where they agree.

    Scores are added in fp32 in the order of the members, so a row's scores depend on that order by rounding. With
    consensus a row takes the mean of the first K where all of those choose the same class (and that mean too: else,
    where rounding makes it a tie, the scores of the first member), and the mean of all members otherwise. Rows that
    are open go through the other members in padded batches of one size, an eighth of the whole, so that a row's scores
    do not depend on how many others are open. Each member gets a copy of its own: it may work in place.

    Source: Horvath, Müller, Fischer and Vechev, ICLR 2022 (Boosting randomized smoothing with variance reduced
    classifiers): soft ensembles, and K-consensus aggregation.
    """

    def __init__(self, members: Sequence[nn.Module], consensus: int | None = None) -> None:
        """An ensemble of modules, each ``[batch, *shape] -> [batch, classes]``.

        Args:
            members: two or more; those that are asked first come first.
            consensus: K, how many are asked first; None asks all of them always.

        Raises:
            ValueError: there is one member or none, or consensus is not in [2, members - 1].
        """
        super().__init__()
        if len(members) < 2:
            raise ValueError(f"members must be two or more, got {len(members)}")
        self.consensus = checked_consensus(consensus, len(members))
        self.members = nn.ModuleList(members)
        # K is part of the function, and fingerprints are made of tensors
        self.register_buffer("asked_first", torch.tensor(self.consensus or 0), persistent=False)
        self.training = self.members.training = False  # a member says for itself whether it is

    def forward(self, x: Tensor) -> Tensor:
        """Scores ``[batch, classes]`` of inputs ``[batch, *shape]``, in fp32."""
        first = [member(x.clone()).float() for member in list(self.members)[: self.consensus]]
        scores = _mean(first)
        if self.consensus is None:
            return scores
        asked = torch.stack(first)
        classes = asked.argmax(dim=2)
        agreed = (classes == classes[0]).all(dim=0)
        scores = torch.where((scores.argmax(dim=1) == classes[0])[:, None], scores, asked[0])
        rows = (~agreed).nonzero().flatten()
        return scores.index_copy(0, rows, self._mean_of_all(x, asked, rows)) if len(rows) else scores

    def _mean_of_all(self, x: Tensor, asked: Tensor, rows: Tensor) -> Tensor:
        size = -(-len(x) // PARTS)
        found = []
        for begin in range(0, len(rows), size):
            some = rows[begin : begin + size]
            part = torch.zeros_like(x[:size])
            part[: len(some)] = x[some]
            others = [member(part.clone())[: len(some)].float() for member in list(self.members)[len(asked) :]]
            found.append(_mean([*asked[:, some], *others]))
        return torch.cat(found)


def ensemble(members: Sequence[BaseModel], consensus: int | None = None) -> BaseModel:
    """Loaded base classifiers as one; of a single one, itself.

    The fingerprint is made of those of the members in their order, and of K: in exact arithmetic a mean has no order,
    but rounding has, and a consensus asks the first ones first.

    Args:
        members: of equal num_classes and shape, no two of equal fingerprint.
        consensus: K, see ``Ensemble``.

    Raises:
        ValueError: there is no member, or consensus is not in [2, members - 1].
        ModelError: members do not agree, or are the same, or are ensembles themselves.
    """
    if not members:
        raise ValueError("members must be one or more, got none; give a model")
    checked_consensus(consensus, len(members))
    if len(members) == 1:
        return members[0]
    _check_members(members)
    kind = "mean" if consensus is None else f"{consensus}-consensus"
    said = {"kind": kind, "members": [member.fingerprint for member in members]}
    names = [member.architecture for member in members]
    return BaseModel(
        module=Ensemble([member.module for member in members], consensus),
        architecture=f"{kind} of " + (f"{len(names)} {names[0]}" if len(set(names)) == 1 else ", ".join(names)),
        num_classes=members[0].num_classes,
        shape=next((member.shape for member in members if member.shape is not None), None),
        fingerprint=hashlib.sha256(json.dumps(said).encode()).hexdigest(),
        source=f"{kind} of " + ", ".join(member.source for member in members),
        # what they have in common; epochs would be taken for the cost of a training
        metadata={
            name: value
            for name, value in members[0].metadata.items()
            if name != "epochs" and all(member.metadata.get(name) == value for member in members)
        },
        members=tuple(members),
    )


def row_by_row(module: object) -> str:
    """Why no fixed graph is the function: which members are asked hangs on the scores of others. Empty where one is."""
    parts = module.modules() if isinstance(module, nn.Module) else ()
    if any(isinstance(part, Ensemble) and part.consensus is not None for part in parts):
        return "a consensus asks other members row by row (leave --consensus out)"
    return ""


def spec_of(base: BaseModel) -> dict[str, Any]:
    """What to ask for to load a base classifier again: ``model``, and ``consensus`` where it has one."""
    if not base.members:
        return {"model": base.source}
    assert isinstance(base.module, Ensemble)
    return {"model": [member.source for member in base.members], "consensus": base.module.consensus}


def passes(base: BaseModel) -> str:
    """What a draw takes, in forward passes, as text; empty where that is one.

    >>> passes(BaseModel(nn.Identity(), "lenet", 10, None, "", ""))
    ''
    """
    if not base.members:
        return ""
    assert isinstance(base.module, Ensemble)
    count, first = len(base.members), base.module.consensus
    if first is None:
        return f"{count} forward passes"
    return f"{first} forward passes, {count} where they disagree"


def checked_consensus(consensus: int | None, members: int) -> int | None:
    """K as a plain int.

    Raises:
        ValueError: it is no integer in [2, members - 1].
    """
    if consensus is None:
        return None
    consensus = integer("consensus", consensus)
    if not 2 <= consensus < members:
        raise ValueError(
            f"consensus must be at least 2 and less than the number of models, got {consensus} with {members}; "
            "give more models, or leave consensus out"
        )
    return consensus


def _check_members(members: Sequence[BaseModel]) -> None:
    for number, member in enumerate(members):
        if member.members:
            raise ModelError(f"a member must be no ensemble itself, got {member.source}; give its members one by one")
        for before in members[:number]:
            for name in ("num_classes", "shape", "classes"):
                one, other = getattr(before, name), getattr(member, name)
                if one and other and one != other:
                    raise ModelError(
                        f"members of an ensemble must have the same {name}, but {before.source} has {one} "
                        f"and {member.source} has {other}; certify them apart"
                    )
            if before.fingerprint == member.fingerprint:
                raise ModelError(
                    f"members of an ensemble must differ, but {before.source} and {member.source} hold the same "
                    "weights; leave one out"
                )


def _mean(scores: Sequence[Tensor]) -> Tensor:
    """The mean, added from left to right; stacked first, since tensors of other shapes must not be broadcast."""
    stacked = torch.stack(list(scores))
    total = stacked[0]
    for k in range(1, len(scores)):
        total = total + stacked[k]
    return total / len(scores)

"""What the votes of a run say beside its outcomes: how often the true class won, and what the draws were spent on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from noiseproof.types import Record


def true_class_shares(records: Sequence[Record]) -> NDArray[np.float64]:
    """Of each input, the share of its draws that the true class won: what was seen of p_A, without the selection draws.

    An input whose picture could not be read counts 0.

    Args:
        records: finished inputs with labels, votes of classes.

    Returns:
        Shares in [0, 1], ascending, shape [records]; empty where no input has votes or one has no label.
    """
    if any(record.label is None for record in records) or not any(record.answers for record in records):
        return np.zeros(0)
    return np.sort([_share(record) for record in records])


def _share(record: Record) -> float:
    answers = [answer for answer in record.answers if answer.stage != "select"] or list(record.answers)
    n = sum(answer.n for answer in answers)
    label = record.label if record.label is not None else 0
    won = sum(answer.votes[label] for answer in answers if label < len(answer.votes))
    return won / n if n else 0.0


@dataclass(frozen=True)
class Spent:
    """What the inputs of one outcome cost.

    Attributes:
        outcome: "right", "wrong", "abstained"; "not certified" and "undecided" of DECIDE.
        inputs: how many.
        draws: of all of them.
        seconds: of all of them.
    """

    outcome: str
    inputs: int
    draws: int
    seconds: float


def spent(records: Sequence[Record]) -> tuple[Spent, ...]:
    """What the draws were spent on: an entry an outcome that occurs."""
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(_named(record), []).append(record)
    return tuple(
        Spent(name, len(some), sum(record.draws for record in some), sum(record.seconds for record in some))
        for name, some in found.items()
    )


def draws_by_stage(records: Sequence[Record]) -> dict[str, int]:
    """How many draws each stage took, in the order in which the stages came."""
    found: dict[str, int] = {}
    for record in records:
        for stage, n in record.requests:
            found[stage] = found.get(stage, 0) + n
    return found


def _named(record: Record) -> str:
    if record.outcome.abstained:
        return str(getattr(record.outcome, "answer", "abstained"))
    if record.label is None:
        return "answered"
    return "right" if record.outcome.prediction == record.label else "wrong"

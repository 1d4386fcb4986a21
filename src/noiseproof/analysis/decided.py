"""What a DECIDE run says as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from noiseproof.stats import false_certificates, fixed_set_lower, population_lower
from noiseproof.types import Decision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noiseproof.types import Record


@dataclass(frozen=True)
class DecisionTable:
    """Shares of the inputs of a DECIDE run; the four add to 1.

    Attributes:
        m: inputs.
        radius: what was asked about, in input units in ``norm``.
        norm: the norm of the radius.
        certified: the share certified with the right class: certified accuracy at the radius.
        wrong: the share certified with another class.
        not_certified: the share given up.
        undecided: the share whose draws were spent.
        fixed_set_lower: robust accuracy of *these* inputs at the radius, at least; with probability 1 - rho.
        population_lower: that of the population they were drawn from, at least; with probability 1 - rho.
        budget: F; more than F of the certificates are false with probability at most rho.
        rho: failure probability of each of these.
        mean_draws: of an input.
        most_draws: of an input.
        draws: of all.
    """

    m: int
    radius: float
    norm: str
    certified: float
    wrong: float
    not_certified: float
    undecided: float
    fixed_set_lower: float
    population_lower: float
    budget: int
    rho: float
    mean_draws: float
    most_draws: int
    draws: int


def decision_table(records: Sequence[Record], *, alpha: float, rho: float = 0.001) -> DecisionTable:
    """Count the answers of a DECIDE run.

    Args:
        records: finished inputs with labels and decisions about one radius.
        alpha: they were made with, in (0, 1).
        rho: failure probability of the statements about the whole set, in (0, 1).

    Raises:
        ValueError: no records, a label is missing, an outcome is no decision, or an argument is out of range.
    """
    if not records:
        raise ValueError("records must be one or more, got none")
    decisions = []
    for record in records:
        if not isinstance(record.outcome, Decision):
            raise ValueError(f"input {record.index} has a {type(record.outcome).__name__.lower()}, not a decision")  # noqa: TRY004  # of the data
        if record.label is None:
            raise ValueError(f"input {record.index} has no label, so right and wrong cannot be told")
        decisions.append((record.outcome, record.label))
    m = len(decisions)
    right = sum(not said.abstained and said.prediction == label for said, label in decisions)
    certified = sum(not said.abstained for said, _ in decisions)
    given_up = sum(said.answer == "not certified" for said, _ in decisions)
    draws = [record.draws for record in records]
    first = decisions[0][0]
    return DecisionTable(
        m=m,
        radius=first.radius,
        norm=first.norm,
        certified=right / m,
        wrong=(certified - right) / m,
        not_certified=given_up / m,
        undecided=(m - certified - given_up) / m,
        fixed_set_lower=fixed_set_lower(right, m, alpha, rho),
        population_lower=population_lower(right, m, alpha, rho),
        budget=false_certificates(m, alpha, rho),
        rho=rho,
        mean_draws=sum(draws) / m,
        most_draws=max(draws),
        draws=sum(draws),
    )

"""Everything one CERTIFY run says, with what it is worth."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from noiseproof.analysis.certified import (
    abstention,
    certified_accuracy,
    natural_accuracy,
    right_radii,
)
from noiseproof.stats import (
    bernstein_lower,
    dkw_band,
    dkw_band_at_any_m,
    false_certificates,
    false_certificates_at_any_m,
    fixed_set_lower,
    gaussian_radius,
    one_sided,
    population_lower,
    population_lower_at_any_m,
    two_sided,
)
from noiseproof.types import Certificate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noiseproof.types import Record


@dataclass(frozen=True)
class Summary:
    """One run in numbers; the tuples have one entry a radius of ``radii``, shares are over all m inputs.

    Attributes:
        name: what tables and figures call the run.
        m: inputs.
        norm: the norm of all radii.
        alpha: failure probability of one certificate.
        n0: selection draws of an input (the most, where inputs differ).
        n: estimation draws of an input (the most, where inputs differ).
        even: whether every input cost the same n0 and n; not so for sequential procedures.
        radii: in input units.
        certified: certified accuracy.
        band: half width of the DKW band around ``certified``, for all radii at once.
        band_at_any_m: the same for a run that is extended while it is looked at: at every m at once.
        delta: failure probability of each band.
        budget: F; more than F of the m certificates are false with probability at most rho, m fixed beforehand.
        budget_at_any_m: the same for a run that is extended while it is looked at: at every m at once.
        rho: failure probability of the budget and of each lower bound.
        fixed_set_lower: certified accuracy of *these* inputs, at least; for all radii at once.
        bernstein_lower: the looser form of it found in the literature.
        population_lower: certified accuracy of the population, at least; for each radius by itself, m fixed beforehand.
        population_lower_at_any_m: the same at every m at once.
        natural: accuracy of the base classifier on the clean inputs; None where it was not recorded.
        abstention: share of abstained inputs.
        acr: average certified radius; wrong or abstained counts 0.
        median: median radius; wrong or abstained counts 0.
        ceiling: the radius that n votes of n would earn with Gaussian noise: nothing can be certified beyond. None
            where sigma is not given or the norm is not L2.
        draws: of all inputs and stages.
        void: how many of them had scores that were NaN or infinite.
        seconds: of all inputs.
        right_radii: sorted radii of the right inputs, -1 for the others: the whole curve, shape [m].
        note: what a reader must know of where the radii come from; empty for a run of certify.
        arithmetic: of the noise, as the run records it; empty where that is not known.
        skipped: inputs whose picture could not be read; abstentions of m, without draws.
        shared_draws: the draws given to all inputs together, where the run had such a budget.
        unfinished: how far a run is that is not at its end, "1 of 40 inputs"; empty where it is, or does not say.
        unit: what its radii are measured in; empty where inputs are pixels in [0, 1].
    """

    name: str
    m: int
    norm: str
    alpha: float
    n0: int
    n: int
    even: bool
    radii: tuple[float, ...]
    certified: tuple[float, ...]
    band: float
    band_at_any_m: float
    delta: float
    budget: int
    budget_at_any_m: int
    rho: float
    fixed_set_lower: tuple[float, ...]
    bernstein_lower: tuple[float, ...]
    population_lower: tuple[float, ...]
    population_lower_at_any_m: tuple[float, ...]
    natural: float | None
    abstention: float
    acr: float
    median: float
    ceiling: float | None
    draws: int
    void: int
    seconds: float
    right_radii: tuple[float, ...] = field(repr=False)
    note: str = ""
    arithmetic: str = ""
    skipped: int = 0
    shared_draws: int | None = None
    unfinished: str = ""
    unit: str = ""

    @property
    def band_up(self) -> float:
        """How far above ``certified`` the band reaches: as far as below, or to 1 where inputs shared their draws.

        What an input gets of a shared budget depends on the others: with draws of its own it may certify more.
        """
        return self.band if self.shared_draws is None else 1.0

    @property
    def budget_sentence(self) -> str:
        """What the failure budget means, in words."""
        return (
            f"over {self.m} inputs expect at most {self.budget} false certificates, "
            f"with probability {1 - self.rho:.10g}"
        )


def summarize(
    records: Sequence[Record],
    *,
    alpha: float,
    radii: Sequence[float],
    sigma: float | None = None,
    two_sided: bool = False,
    name: str = "",
    rho: float = 0.001,
    delta: float = 0.05,
    note: str = "",
) -> Summary:
    """Everything one CERTIFY run says, at the alpha it was made with.

    Args:
        records: finished inputs with labels and certificates in one norm.
        alpha: failure probability the certificates were made with, in [0, 1): 0 where nothing was left to chance.
        radii: where to evaluate the curve, in input units, each >= 0.
        sigma: of the Gaussian noise in input units; gives ``ceiling``.
        two_sided: whether the runner-up was bounded by its own count, both bounds at alpha / 2.
        name: what tables and figures call the run.
        rho: failure probability of the statements about the whole set, in (0, 1).
        delta: failure probability of the band, in (0, 1).
        note: what a reader must know of where the radii come from.

    Raises:
        ValueError: no records, a label is missing, an outcome is no certificate, or an argument is out of range.
    """
    m = len(records)
    certified = certified_accuracy(records, radii)
    reached = right_radii(records)
    acr, median = np.maximum(reached, 0).mean(), np.median(np.maximum(reached, 0))
    counts = [round(share * m) for share in certified.tolist()]
    drawn = [record for record in records if record.skipped is None] or records
    asked = {record.requests for record in drawn}  # a few, where inputs are many
    selection = {_draws(requests, selecting=True) for requests in asked}
    estimation = {_draws(requests, selecting=False) for requests in asked}
    outcome = records[0].outcome
    assert isinstance(outcome, Certificate)  # certified_accuracy has refused everything else
    norm = outcome.norm
    return Summary(
        name=name,
        m=m,
        norm=norm,
        alpha=alpha,
        n0=max(selection),
        n=max(estimation),
        even=len(selection) == len(estimation) == 1,
        radii=tuple(float(radius) for radius in radii),
        certified=tuple(certified.tolist()),
        band=dkw_band(m, delta),
        band_at_any_m=dkw_band_at_any_m(m, delta),
        delta=delta,
        budget=false_certificates(m, alpha, rho),
        budget_at_any_m=false_certificates_at_any_m(m, alpha, rho),
        rho=rho,
        fixed_set_lower=tuple(fixed_set_lower(k, m, alpha, rho) for k in counts),
        bernstein_lower=tuple(bernstein_lower(k / m, m, alpha, rho) for k in counts),
        population_lower=tuple(population_lower(k, m, alpha, rho) for k in counts),
        population_lower_at_any_m=tuple(population_lower_at_any_m(k, m, alpha, rho) for k in counts),
        natural=natural_accuracy(records),
        abstention=abstention(records),
        acr=float(acr),
        median=float(median),
        ceiling=ceiling_of(records, alpha=alpha, sigma=sigma, two_sided=two_sided),
        draws=sum(record.draws for record in records),
        void=sum(record.void for record in records),
        seconds=sum(record.seconds for record in records),
        right_radii=tuple(np.sort(reached).tolist()),
        note=note,
        skipped=sum(record.skipped is not None for record in records),
    )


def ceiling_of(
    records: Sequence[Record], *, alpha: float, sigma: float | None, two_sided: bool = False
) -> float | None:
    """The radius that n votes of n would earn with Gaussian noise: see ``Summary.ceiling``; labels are not needed.

    Arguments are those of ``summarize``; the records have certificates, at least one.
    """
    outcome, n = records[0].outcome, _draws_at_most(records)
    if not isinstance(outcome, Certificate) or outcome.norm != "l2":
        return None
    return _ceiling(n, alpha, sigma, runner_up=two_sided)


def _draws_at_most(records: Sequence[Record]) -> int:
    return max(_draws(requests, selecting=False) for requests in {record.requests for record in records})


def _draws(requests: Sequence[tuple[str, int]], *, selecting: bool) -> int:
    return sum([n for stage, n in requests if (stage == "select") == selecting])


def _ceiling(n: int, alpha: float, sigma: float | None, *, runner_up: bool) -> float | None:
    # Imported logs carry no answers, so no n: then there is no ceiling to draw.
    if sigma is None or n == 0:
        return None
    return gaussian_radius(two_sided(n, 0, n, alpha) if runner_up else one_sided(n, n, alpha), sigma)

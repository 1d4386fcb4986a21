"""The error rate of whole procedures at the boundary of their claims, 10,000 runs each: what is sound passes at
alpha = .05 and .001, and what is known to be unsound fails.

The votes are those of a linear base classifier, whose p_A is exact, so whether a claim is false is known. (How the
real engine and its noise draw them: ``test_oracle_laws``; every outcome of small procedures: ``test_procedure_laws``.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import binom

from noiseproof.noises import Gaussian
from noiseproof.procedures import Certify, Curve, Decide, Procedure, Sequential
from noiseproof.procedures import certify as certify_module
from noiseproof.procedures import sequential as sequential_module
from noiseproof.procedures.base import certificate
from noiseproof.stats import clopper_pearson_lower, one_sided
from noiseproof.stats.bounds import Bounds
from noiseproof.types import Certificate, Draw, Outcome

if TYPE_CHECKING:
    from noiseproof.procedures.base import Requests

RUNS = 10_000
FALSE_ALARM = 1e-6
"""Of all tests of sound procedures in this file together."""
SIGMA = 0.5


class Remembering(Gaussian):
    """The same noise; 10,000 runs ask for the same radii again and again."""

    def radius(self, bounds: Bounds, norm: str | None = None) -> float:
        return _radius(bounds, norm)

    def p_needed(self, radius: float) -> float:
        return _p_needed(radius)


@cache
def _radius(bounds: Bounds, norm: str | None) -> float:
    return Gaussian(sigma=SIGMA).radius(bounds, norm)


@cache
def _p_needed(radius: float) -> float:
    return Gaussian(sigma=SIGMA).p_needed(radius)


NOISE = Remembering(sigma=SIGMA)


@pytest.fixture(autouse=True)
def _remembered_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (certify_module, sequential_module):
        monkeypatch.setattr(module, "one_sided", _bounds)


def outcomes(procedure: Procedure, p: float, seed: int = 0, runs: int = RUNS) -> Iterator[Outcome]:
    """Runs of a procedure on votes of two classes, class 1 with probability p."""
    generator = np.random.default_rng(seed)
    for _ in range(runs):
        asking = procedure.run(NOISE)
        request = next(asking)
        while True:
            k = int(generator.binomial(request.n, p))
            try:
                request = asking.send(np.array([request.n - k, k]))
            except StopIteration as done:
                yield done.value
                break


def is_false(said: Outcome, p: float) -> bool:
    """Whether the claim contradicts the exact p of class 1: a half-space is robust to sigma Phi^-1(p), not further."""
    if said.abstained:
        return False
    share = p if said.prediction == 1 else 1 - p
    room = SIGMA * float(ndtri(share))
    return room < (0.0 if not hasattr(said, "radius") else said.radius) or share < 0.5


def false_claims(procedure: Procedure, p: float) -> int:
    return sum(is_false(said, p) for said in outcomes(procedure, p))


def holds(false: int, alpha: float, level: float) -> bool:
    """Exact binomial test of "the error rate is at most alpha"."""
    return bool(binom.sf(false - 1, RUNS, alpha) > level)


def below(p: float) -> float:
    return p * (1 - 1e-9)


def hardest(n: int, level: float) -> float:
    """p_A just below a bound that n draws can give, so that the claim of that bound is false as often as it may be."""
    k = np.arange(int(0.6 * n), n)
    p = np.array([below(clopper_pearson_lower(int(each), n, level)) for each in k])
    return float(p[np.argmax(binom.sf(k - 1, n, p))])


@dataclass(frozen=True)
class Case:
    """A sound procedure, and where its claims become false."""

    make: Callable[[float], Procedure]
    p: Callable[[float], float]
    near: float
    """At alpha = .05 the rate comes at least this near to alpha: the boundary is where it was looked for."""


CASES = {
    "certify": Case(lambda a: Certify(n0=20, n=400, alpha=a), lambda a: hardest(400, a), 0.85),
    "certify, two-sided": Case(
        lambda a: Certify(n0=20, n=400, alpha=a, two_sided=True), lambda a: hardest(400, a / 2), 0.4
    ),
    "decide": Case(lambda a: Decide(radius=0.25, alpha=a, n_max=500), lambda a: below(_p_needed(0.25)), 0.5),
    "decide, class": Case(lambda a: Decide(radius=0.0, alpha=a, n_max=500), lambda a: below(_p_needed(0.0)), 0.35),
    "curve": Case(lambda a: Curve(radii=(0, 0.25, 0.5), alpha=a, n_max=500), lambda a: below(_p_needed(0.25)), 0.5),
    "sequential": Case(
        lambda a: Sequential(n0=20, alpha=a, n_max=500, acr_loss=1e-6), lambda a: hardest(500, 0.7 * a), 0.6
    ),
}
LEVEL = FALSE_ALARM / (2 * len(CASES))


@pytest.mark.parametrize("alpha", [0.05, 0.001])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_false_claims_are_as_rare_as_alpha_says(case: Case, alpha: float):
    """Power > .999 against an error rate of 1.4 alpha at alpha = .05, of 6 alpha at .001."""
    false = false_claims(case.make(alpha), case.p(alpha))
    assert holds(false, alpha, LEVEL)
    most = int(binom.isf(LEVEL, RUNS, alpha))
    assert binom.sf(most, RUNS, 1.4 * alpha if alpha == 0.05 else 6 * alpha) > 0.999
    if alpha == 0.05:
        assert false > binom.ppf(LEVEL, RUNS, case.near * alpha), "not the boundary: nothing could have been found"


@dataclass(frozen=True)
class Peeking(Procedure):
    """Unsound: Clopper-Pearson at a fixed alpha after each batch, and out as soon as it says what is wanted."""

    alpha: float
    radius: float = 0.25
    looks: int = 20
    batch: int = 100

    def run(self, noise: Gaussian, label: int | None = None) -> Requests:
        del label
        votes = np.zeros(2, np.int64)
        for look in range(1, self.looks + 1):
            votes = votes + (yield Draw("estimate", self.batch))
            top = int(np.argmax(votes))
            radius = noise.radius(_bounds(int(votes[top]), look * self.batch, self.alpha))
            if radius >= self.radius:
                break
        return Certificate(top if radius >= self.radius else -1, self.radius, 0.0, 1.0)

    @property
    def most_draws(self) -> int:
        return self.looks * self.batch


@dataclass(frozen=True)
class Reusing(Procedure):
    """Unsound: the draws that selected the class are the first of those that estimate its probability."""

    alpha: float
    n0: int = 100
    n: int = 400

    def run(self, noise: Gaussian, label: int | None = None) -> Requests:
        del label
        votes = yield Draw("select", self.n0)
        top = int(np.argmax(votes))
        votes = votes + (yield Draw("select", self.n - self.n0))
        return certificate(top, _bounds(int(votes[top]), self.n, self.alpha), noise)

    @property
    def most_draws(self) -> int:
        return self.n


@dataclass(frozen=True)
class EveryClass(Procedure):
    """Unsound: no selection; every class at the level that is meant for one fixed before the draws."""

    alpha: float
    n: int = 400

    def run(self, noise: Gaussian, label: int | None = None) -> Requests:
        del label
        votes = yield Draw("estimate", self.n)
        top = int(np.argmax(votes))
        return certificate(top, _bounds(int(votes[top]), self.n, self.alpha), noise)

    @property
    def most_draws(self) -> int:
        return self.n


@cache
def _bounds(k: int, n: int, alpha: float) -> Bounds:
    return one_sided(k, n, alpha)


UNSOUND: dict[str, tuple[Callable[[float], Procedure], float]] = {
    "peeking at a fixed alpha": (Peeking, below(_p_needed(0.25))),
    "selection draws reused": (Reusing, below(0.5)),
    "selection on the very draws of the estimate": (lambda a: Reusing(a, n0=399), below(0.5)),
    "one level for every class": (EveryClass, below(0.5)),
}


@pytest.mark.parametrize("planted", UNSOUND.values(), ids=UNSOUND)
def test_what_is_unsound_fails(planted: tuple[Callable[[float], Procedure], float]):
    """At alpha = .05, by the same test at the same level."""
    make, p = planted
    assert not holds(false_claims(make(0.05), p), 0.05, LEVEL)


def test_the_planted_faults_are_the_only_difference():
    """The same two with fresh draws, or with no more than one look, are sound: it is the fault that was found."""
    assert holds(false_claims(Peeking(0.05, looks=1, batch=2000), below(_p_needed(0.25))), 0.05, LEVEL)
    assert holds(false_claims(Certify(n0=100, n=400, alpha=0.05), below(0.5)), 0.05, LEVEL)
    assert holds(false_claims(EveryClass(0.025), below(0.5)), 0.05, LEVEL)

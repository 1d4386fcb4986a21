"""What a small pilot says about the cost of a procedure: the probabilities behind its votes, and what follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import log_ndtr, ndtr, ndtri

from noiseproof.procedures import Certify, Curve, Decide
from noiseproof.procedures.boundaries import threshold_test
from noiseproof.stats.bounds import one_sided
from noiseproof.stats.expected import expected, expected_curve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from noiseproof.noises import Noise
    from noiseproof.procedures import Procedure
    from noiseproof.types import Outcome

LOWEST, HIGHEST = -1.3, 5.0
"""Where Phi^-1(p_A) is looked for: a top class of ten, and farther than a million draws can see."""

CELLS = 48
"""Of that range; more lie about each threshold, where the draws of a test have a peak."""

SIMULATED = 60
"""Simulated answers for each pilot input."""

RESAMPLED = 1000
"""Runs put together from them, for the spread."""

SURE = 0.9
"""Of the spread: so many of the runs lie within it, half of the others on either side."""


@dataclass(frozen=True)
class PilotInput:
    """Votes of a pilot at one input.

    Attributes:
        index: in the data set.
        label: the true class.
        n: draws.
        votes: one count a class; what is missing to n were void draws.
    """

    index: int
    label: int
    n: int
    votes: tuple[int, ...]

    @property
    def top(self) -> int:
        """The most voted class."""
        return int(np.argmax(self.votes))

    @property
    def right(self) -> bool:
        """Whether that is the true class."""
        return self.top == self.label


@dataclass(frozen=True)
class Estimate:
    """A number of a run that has not been made: its expectation, and where 90% of such runs lie.

    Attributes:
        mean: the expectation.
        low: 5% of such runs lie below.
        high: 5% lie above.
    """

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Forecast:
    """What one procedure is expected to cost and find.

    Attributes:
        draws: of an input, averaged over the inputs of the run.
        certified: the share of inputs certified with the right class at each radius asked about.
        acr: average certified radius, in input units; None for decisions.
        exact: whether the means are exact expectations, given the probabilities; else they are simulated.
    """

    draws: Estimate
    certified: tuple[Estimate, ...]
    acr: Estimate | None
    exact: bool


def forecast(
    procedure: Procedure,
    noise: Noise,
    pilot: Sequence[PilotInput],
    *,
    inputs: int,
    radii: Sequence[float],
    seed: int = 0,
) -> Forecast:
    """What a procedure is expected to cost and find on inputs like those of a pilot.

    p_A of each pilot input has the posterior of its votes under a prior that is flat in Phi^-1(p_A), that is, in the
    radius. Expectations over it are exact for CERTIFY, DECIDE and CURVE, by a recursion over the votes of the top
    class; ACR and other procedures are simulated, with the other votes divided among the classes as in the pilot.
    The spread is that of whole runs: pilot inputs are drawn with replacement, the inputs of a run from those, and
    for each its probability and its votes. What the prior and a choice of unlike pilot inputs do is not in it.

    Args:
        procedure: as it would be run, not label-aware.
        noise: gives the radius.
        pilot: votes at one input or more.
        inputs: of the run, >= 1.
        radii: asked about, in input units; a decision has one.
        seed: of the simulation.

    Raises:
        ValueError: no pilot inputs, or the procedure cannot succeed with this noise.
    """
    if not pilot:
        raise ValueError("pilot must be one input or more, got none")
    if procedure.label_aware:
        raise ValueError("procedure must not be label-aware: the pilot follows the most voted class")
    simulated = _simulated(procedure, noise, pilot, radii, seed)  # [pilot, SIMULATED, draws | radii ... | radius]
    means = simulated.mean(axis=(0, 1))
    z, width = posterior_cells(_thresholds(procedure, noise))
    exact = _exact(procedure, noise, ndtr(z), radii)
    if exact is not None:
        weights = posterior(pilot, z, width)
        right = np.array([each.right for each in pilot])
        means[0] = (weights @ exact[0]).mean()
        means[1:-1] = ((weights @ exact[1]) * right[:, None]).mean(axis=0)
    low, high = _spread(simulated, inputs, np.random.default_rng([seed, 1]))
    said = [
        Estimate(float(mean), float(min(mean, below)), float(max(mean, above)))
        for mean, below, above in zip(means, low, high, strict=True)
    ]
    acr = None if procedure.verb == "decide" else said[-1]
    return Forecast(said[0], tuple(said[1:-1]), acr, exact is not None)


def posterior_cells(thresholds: Sequence[float] = ()) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where Phi^-1(p_A) is looked at: the points, and the width of the cell about each.

    Args:
        thresholds: probabilities about which the points are close.
    """
    middle = ndtri(np.asarray(thresholds, dtype=np.float64))[:, None]
    near = np.geomspace(0.003, 0.2, 14)  # the draws fall with the square of the distance
    points = [np.linspace(LOWEST, HIGHEST, CELLS), middle.ravel(), (middle + near).ravel(), (middle - near).ravel()]
    z = np.unique(np.concatenate(points).clip(LOWEST, HIGHEST))
    edges = np.concatenate([z[:1], (z[1:] + z[:-1]) / 2, z[-1:]])
    return z, np.diff(edges)


def posterior(pilot: Sequence[PilotInput], z: NDArray[np.float64], width: NDArray[np.float64]) -> NDArray[np.float64]:
    """The probability of each cell given each input's votes, under the flat prior.

    Args:
        pilot: the votes.
        z: float64 [cells], Phi^-1(p_A) of each cell.
        width: float64 [cells], of each.

    Returns:
        float64 [pilot, cells]; each row adds to 1.
    """
    k = np.array([[max(each.votes)] for each in pilot])
    n = np.array([[each.n] for each in pilot])
    log_likelihood = k * log_ndtr(z) + (n - k) * log_ndtr(-z)
    weights = np.exp(log_likelihood - log_likelihood.max(axis=1, keepdims=True)) * width
    found: NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return found


def _thresholds(procedure: Procedure, noise: Noise) -> list[float]:
    return [float(test["p0"]) for test in procedure.design(noise)]


def _exact(
    procedure: Procedure, noise: Noise, p: NDArray[np.float64], radii: Sequence[float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Expected draws [p] and probability of certifying each radius [p, radii] at each p_A; None where unknown."""
    match procedure:
        case Decide():
            one = expected(threshold_test(noise, procedure.radius, procedure, every_class=True), p)
            return one.draws, one.accepted[:, None]
        case Curve():
            tests = [threshold_test(noise, radius, procedure, every_class=True) for radius in procedure.radii]
            said = expected_curve(tests, p)
            reached = [sum(radius < asked for radius in procedure.radii) for asked in radii]
            claimed = [said.claimed[:, j] if j < len(tests) else np.zeros(len(p)) for j in reached]
            return said.draws, np.stack(claimed, axis=1) if claimed else np.zeros((len(p), 0))
        case Certify(two_sided=False):
            from scipy.stats import binom

            critical = [_critical(procedure, noise, radius) for radius in radii]
            passed = [binom.sf(k - 1, procedure.n, p) for k in critical]
            draws = np.full(len(p), float(procedure.most_draws))
            return draws, np.stack(passed, axis=1) if passed else np.zeros((len(p), 0))
    return None


def _critical(procedure: Certify, noise: Noise, radius: float) -> int:
    """The fewest votes with which CERTIFY certifies a radius; n + 1 where all of them do not."""
    low, high = 0, procedure.n + 1
    while high - low > 1:
        k = (low + high) // 2
        got = noise.radius(one_sided(k, procedure.n, procedure.alpha))
        low, high = (low, k) if got > 0 and got >= radius else (k, high)
    return high


def _simulated(
    procedure: Procedure, noise: Noise, pilot: Sequence[PilotInput], radii: Sequence[float], seed: int
) -> NDArray[np.float64]:
    """Answers of the procedure itself to simulated votes: draws, right at each radius, right radius."""
    generator = np.random.default_rng([seed, 0])
    z, width = posterior_cells(_thresholds(procedure, noise))
    left = np.concatenate([z[:1], (z[1:] + z[:-1]) / 2])
    found = np.empty((len(pilot), SIMULATED, len(radii) + 2))
    for i, (each, weights) in enumerate(zip(pilot, posterior(pilot, z, width), strict=True)):
        cells = generator.choice(len(z), SIMULATED, p=weights)
        for j, cell in enumerate(cells.tolist()):
            p = float(ndtr(left[cell] + width[cell] * generator.random()))
            draws, outcome = _answer(procedure, noise, _class_probabilities(each, p), generator)
            radius = -1.0  # of what is certified with the right class
            if not outcome.abstained and each.right and outcome.prediction == each.top:
                radius = getattr(outcome, "radius", 0.0)
            found[i, j] = [draws, *(radius >= asked for asked in radii), max(radius, 0.0)]
    return found


def _class_probabilities(each: PilotInput, p: float) -> NDArray[np.float64]:
    """Of every class, and of a void draw behind them: p of the top class, the rest in the shares of the pilot."""
    shares = np.array([*each.votes, each.n - sum(each.votes)], dtype=np.float64)
    shares[each.top] = 0
    if not shares.any():
        shares[0 if each.top else 1] = 1  # no vote was lost: to one rival, then
    shares *= (1 - p) / shares.sum()
    shares[each.top] = p
    return shares


def _answer(
    procedure: Procedure, noise: Noise, probabilities: NDArray[np.float64], generator: np.random.Generator
) -> tuple[int, Outcome]:
    asking, drawn = procedure.run(noise), 0
    request = next(asking)
    while True:
        drawn += request.n
        try:
            request = asking.send(generator.multinomial(request.n, probabilities)[:-1])
        except StopIteration as done:
            outcome: Outcome = done.value
            return drawn, outcome


def _spread(
    simulated: NDArray[np.float64], inputs: int, generator: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Quantiles of the means over the inputs of whole runs."""
    pilot, each, numbers = map(int, simulated.shape)
    answers = simulated.reshape(pilot * each, numbers)
    runs = np.empty((RESAMPLED, numbers))
    for i in range(RESAMPLED):
        chosen = generator.integers(0, pilot, pilot)[generator.integers(0, pilot, inputs)]
        # one simulated answer or another of the same input: counted, so that a large run takes no longer
        cells = np.bincount(chosen * each + generator.integers(0, each, inputs), minlength=pilot * each)
        runs[i] = cells @ answers / inputs
    return np.quantile(runs, (1 - SURE) / 2, axis=0), np.quantile(runs, (1 + SURE) / 2, axis=0)

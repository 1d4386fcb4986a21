"""How many draws a certificate costs on the p_A of published runs: exact expectations, no sampling, no torch.

python benchmarks/draws.py P_A.csv [--json FILE]      (two to three minutes on one core)

P_A.csv has the columns config, abstained, correct and p_hat, the probability of the top class of each input; a config
is C.25, C.50 or C1.0, by its sigma. The top class is assumed to have p_hat and no other class ever to be accepted.
Draws are a mean over all inputs, right or wrong; points lost are counted over the inputs that are classified right, as
certified accuracy is, against fixed n = 100,000 with the class known; a negative number is a gain. Draws that select a
class (n0) are left out everywhere. Size is the exact probability of accepting at the threshold when no method stops as
futile.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy.special import betaln, ndtr, ndtri, rel_entr
from scipy.stats import binom

from noiseproof.noises import Gaussian
from noiseproof.procedures import Certify, Sequential
from noiseproof.procedures.boundaries import GAMMA, RATIO
from noiseproof.stats.anytime import anytime_boundary
from noiseproof.stats.expected import expected, expected_curve
from noiseproof.stats.sequential import group_sequential

SIGMAS = {"C.25": 0.25, "C.50": 0.5, "C1.0": 1.0}
ALPHA, N, RADIUS, SPACING = 0.001, 100_000, 0.5, 0.25
TARGETS = {"r = 0.5": (1280, 935, 1570), "curve": (9500, 14_000, 15_500)}
SHIPPED: dict[str, Any] = {"ratio": RATIO, "gamma": GAMMA}
TUNED: dict[str, Any] = {"first": 200, "ratio": 1.15, "gamma": 0.025}

Floats = NDArray[np.float64]
Outcome = tuple[Floats, Floats, float]  # draws and probability of accepting at each p, size


@dataclass(frozen=True)
class Inputs:
    """The inputs of one run."""

    sigma: float
    p: Floats
    correct: NDArray[np.bool_]
    abstained: NDArray[np.bool_]


@dataclass(frozen=True)
class Row:
    """One line of a table; each list has an entry a sigma. ``lost`` has the points lost at each radius asked."""

    name: str
    draws: list[float]
    lost: list[list[float]]
    size: list[float]


def fixed(p: Floats, p0: float) -> Outcome:
    """Clopper-Pearson at level alpha after n draws (Cohen et al. 2019)."""
    critical = binom.isf(ALPHA, N, p0)
    return np.full(len(p), float(N)), binom.sf(critical, N, p), float(binom.sf(critical, N, p0))


def three_stages(p: Floats, p0: float) -> Outcome:
    """Horvath et al. 2022: three fresh samples, alpha/3 each; given up where an upper bound at beta/2 is too low.

    Stages of 1,000, 10,000 and 120,000 draws and beta = 1e-4.
    """
    stages, beta = (1000, 10_000, 120_000), 1e-4
    going, draws, accepted, honest = np.ones(len(p)), np.zeros(len(p)), np.zeros(len(p)), 1.0
    for stage, n in enumerate(stages):
        draws += going * n
        critical = binom.isf(ALPHA / len(stages), n, p0)
        wins = binom.sf(critical, n, p)
        accepted += going * wins
        honest *= 1 - binom.sf(critical, n, p0)
        if stage < len(stages) - 1:
            hopeless = binom.ppf(beta / (len(stages) - 1), n, p0) - 1
            going = going * (1 - wins - binom.cdf(hopeless, n, p))
    return draws, accepted, 1 - honest


def betting(p: Floats, p0: float) -> Outcome:
    """Voracek 2024: the confidence sequence {q: wealth against q < 1/alpha} of the Krichevsky-Trofimov bettor.

    Looked at after every draw; accepts when all of it lies above p0, gives up when all of it lies below.
    """

    def above(q: float) -> NDArray[np.int64]:
        n = np.arange(1, N + 1)
        low, high = np.floor(n * q).astype(np.int64), n + 1
        while (high - low > 1).any():
            k = np.minimum((low + high) // 2, n)
            wealth = betaln(k + 0.5, n - k + 0.5) - betaln(0.5, 0.5) - k * math.log(q) - (n - k) * math.log1p(-q)
            enough = (wealth >= -math.log(ALPHA)) & (k > low)
            low, high = np.where(enough, low, k), np.where(enough, k, high)
        return high

    return after_every_draw(p, p0, above(p0), np.arange(1, N + 1) - above(1 - p0))


def mixture(p: Floats, p0: float) -> Outcome:
    """The one-sided beta mixture of noiseproof.stats.anytime after every draw; its mirror image gives up."""
    mirrored = np.arange(1, N + 1) - anytime_boundary(N, 1 - p0, ALPHA)
    return after_every_draw(p, p0, anytime_boundary(N, p0, ALPHA), mirrored)


def after_every_draw(p: Floats, p0: float, accept: NDArray[np.int64], stop: NDArray[np.int64]) -> Outcome:
    """Exact: a path to (n, x) has probability p^x (1-p)^(n-x) in any order, so one recursion at p0 serves every p."""
    n, x, weight, won = ends(p0, accept, stop).T
    draws, accepted = np.empty(len(p)), np.empty(len(p))
    for i, q in enumerate(p):
        here = weight * np.exp(x * math.log(q / p0) + (n - x) * math.log((1 - q) / (1 - p0)))
        assert abs(here.sum() - 1) < 1e-8, "every path ends somewhere"
        draws[i], accepted[i] = here @ n, here @ won
    _, _, weight, won = ends(p0, accept, np.full_like(stop, -1)).T
    return draws, accepted, float(weight @ won)


def ends(p0: float, accept: NDArray[np.int64], stop: NDArray[np.int64]) -> Floats:
    """Rows (n, x, probability at p0, 1 if accepted) of the states in which the draws end."""
    rows: list[tuple[int, int, float, int]] = []
    low, mass = 0, np.ones(1)
    for n, (critical, hopeless) in enumerate(zip(accept.tolist(), stop.tolist(), strict=True), start=1):
        step = np.zeros(mass.size + 1)
        step[:-1] = mass * (1 - p0)
        step[1:] += mass * p0
        mass = step
        while mass.size and low + mass.size > critical:
            rows.append((n, low + mass.size - 1, float(mass[-1]), 1))
            mass = mass[:-1]
        while mass.size and (low <= hopeless or mass[0] < 1e-40):
            rows.append((n, low, float(mass[0]), 0))
            low, mass = low + 1, mass[1:]
    rows += [(len(accept), low + i, float(m), 0) for i, m in enumerate(mass)]
    return np.array(rows, dtype=np.float64)


def grouped(level: float = ALPHA, **design: Any) -> Callable[[Floats, float], Outcome]:
    """The group-sequential test of noiseproof.stats.sequential at a level, one class."""

    def method(p: Floats, p0: float) -> Outcome:
        test = group_sequential(p0, level, N, **design)
        said = expected(test, p)
        return said.draws, said.accepted, test.size

    return method


def every_class(**design: Any) -> Callable[[Floats, float], Outcome]:
    """The same at level alpha * p0, which covers all classes."""

    def method(p: Floats, p0: float) -> Outcome:
        assert group_sequential(p0, ALPHA * p0, N, **design).holds_for_every_class
        return grouped(ALPHA * p0, **design)(p, p0)

    return method


def wald(p: Floats, p0: float) -> Floats:
    """Expected draws of any test with error alpha at p0 and the power of fixed n: E N >= kl(a, b) / KL(p, q).

    Above p0 the alternative q is p0 (b = alpha); below, q is where fixed n accepts with probability .99 (b = .99).
    One alternative each, so a test could be shown to need more; a test that gives up more points may need less.
    """
    critical = binom.isf(ALPHA, N, p0)
    low, high = p0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if binom.sf(critical, N, middle) < 0.99 else (low, middle)
    power = np.clip(binom.sf(critical, N, p), 0, 1 - 1e-12)
    q, b = np.where(p > p0, p0, high), np.where(p > p0, ALPHA, 0.99)
    bound = (rel_entr(power, b) + rel_entr(1 - power, 1 - b)) / (rel_entr(p, q) + rel_entr(1 - p, 1 - q))
    return np.where((p > p0) & (power < ALPHA), 0, bound)


METHODS: dict[str, Callable[[Floats, float], Outcome]] = {
    "fixed n": fixed,
    "Horvath et al. 2022, three fresh stages": three_stages,
    "Voracek 2024, betting confidence sequence": betting,
    "one-sided beta mixture, anytime-valid": mixture,
    "group-sequential x2, class known": grouped(ratio=2, calibrated=False),
    "group-sequential x1.5 calibrated, class known": grouped(),
    "group-sequential x1.5 calibrated, all classes": every_class(),
    f"group-sequential x{RATIO} calibrated, all classes: decide": every_class(**SHIPPED),
    "group-sequential x1.15 calibrated from 200 on, gamma .025, all classes": every_class(**TUNED),
}
LABEL_AWARE = f"group-sequential x{RATIO} calibrated, only the true class asked: decide --label-aware"
CURVES: dict[str, dict[str, Any]] = {
    "x2, not calibrated": {"ratio": 2, "calibrated": False},
    "x1.5 calibrated": {},
    f"x{RATIO} calibrated: certify --radii": SHIPPED,
    "x1.15 calibrated from 200 on, gamma .025": TUNED,
}


def radii(sigma: float) -> list[float]:
    """0, .25, ... as far as n draws can certify."""
    furthest = -sigma * ndtri(-math.expm1(math.log(ALPHA) / N))
    return [SPACING * i for i in range(int(furthest / SPACING) + 1)]


def points_lost(run: Inputs, p0: float, accepted: Floats) -> float:
    return float(100 * (fixed(run.p, p0)[1] - accepted)[run.correct].sum() / len(run.p))


def one_radius(runs: list[Inputs]) -> list[Row]:
    rows = []
    thresholds = [float(ndtr(RADIUS / run.sigma)) for run in runs]
    for name, method in (METHODS | {LABEL_AWARE: grouped(**SHIPPED)}).items():
        row = Row(name, [], [], [])
        for run, p0 in zip(runs, thresholds, strict=True):
            # where only the true class is asked, that of a wrong input has at most what the top class leaves
            known = run.p if name != LABEL_AWARE else np.where(run.correct | run.abstained, run.p, 1 - run.p)
            draws, accepted, size = method(known, p0)
            row.draws.append(float(draws.mean()))
            row.lost.append([points_lost(run, p0, accepted)])
            row.size.append(size)
        rows.append(row)
    bound = [float(wald(run.p, p0).mean()) for run, p0 in zip(runs, thresholds, strict=True)]
    return [*rows, Row("lower bound, Wald/KL, at the power of fixed n", bound, [], [])]


def whole_curve(runs: list[Inputs]) -> list[Row]:
    rows = []
    for name, design in CURVES.items():
        row = Row(name, [], [], [])
        for run in runs:
            thresholds = [float(ndtr(r / run.sigma)) for r in radii(run.sigma)]
            tests = [group_sequential(p0, ALPHA * p0, N, **design) for p0 in thresholds]
            assert all(test.holds_for_every_class for test in tests)
            said = expected_curve(tests, run.p)
            row.draws.append(float(said.draws.mean()))
            row.lost.append([points_lost(run, p0, said.claimed[:, j]) for j, p0 in enumerate(thresholds)])
            row.size.append(max(test.size / test.p0 for test in tests))
        rows.append(row)
    return rows


def full_radius(runs: list[Inputs], loss: float, *, two_sided: bool = False, seed: int = 0) -> Row:
    """The procedure itself on binomial votes (a simulation): mean draws, % of the ACR of fixed n lost."""
    row = Row(f"acr_loss = {loss:g}" + (", two-sided" if two_sided else ""), [], [], [])
    for run in runs:
        noise, generator = Gaussian(run.sigma, grid=None), np.random.default_rng(seed)
        draws, radii_of = [], {"sequential": [], "fixed": []}
        for p in run.p.tolist():
            for name, procedure in (
                ("sequential", Sequential(acr_loss=loss, two_sided=two_sided)),
                ("fixed", Certify(two_sided=two_sided)),
            ):
                asking, asked = procedure.run(noise), 0
                request = next(asking)
                while True:
                    k = request.n if request.stage == "select" else int(generator.binomial(request.n, p))
                    asked += request.n * (request.stage != "select")
                    try:
                        request = asking.send(np.array([k, request.n - k]))
                    except StopIteration as done:
                        radii_of[name].append(done.value.radius)
                        break
                if name == "sequential":
                    draws.append(asked)
        sequential, fixed_n = (np.sum(np.array(radii_of[name])[run.correct]) for name in ("sequential", "fixed"))
        row.draws.append(float(np.mean(draws)))
        row.lost.append([float(100 * (1 - sequential / fixed_n))])
    return row


def read(path: Path) -> list[Inputs]:
    with path.open() as file:
        rows = list(csv.DictReader(file))
    runs = []
    for config, sigma in SIGMAS.items():
        own = [row for row in rows if row["config"] == config]
        correct, abstained = (np.array([row[name] == "1" for row in own]) for name in ("correct", "abstained"))
        runs.append(Inputs(sigma, np.array([float(row["p_hat"]) for row in own]), correct, abstained))
    return runs


def show(title: str, runs: list[Inputs], rows: list[Row], size: str, wanted: tuple[int, ...]) -> None:
    """A Markdown table; points lost are the most at any radius, and where."""
    lines = [["", *(f"sigma {run.sigma}" for run in runs), size], ["---"] * (len(runs) + 2)]
    for row in rows:
        cells = [f"{draws:,.0f}" for draws in row.draws]
        for i, lost in enumerate(row.lost):
            worst = max(range(len(lost)), key=lost.__getitem__)
            cells[i] += f" ({lost[worst]:+.3f}" + (f" at {SPACING * worst:g})" if len(lost) > 1 else ")")
        lines.append([row.name, *cells, " / ".join(f"{one:.1e}" for one in row.size)])
    lines.append(["*wanted at most, all classes*", *(f"{draws:,} (+0.1)" for draws in wanted), "1.0e-03"])
    print(f"\n{title}\n\n" + "\n".join("| " + " | ".join(line) + " |" for line in lines), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("csv", type=Path, help="p_A of published runs")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    arguments = parser.parse_args()
    started = time.perf_counter()
    runs = read(arguments.csv)
    versions = {"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__}
    counts = ", ".join(f"{len(run.p)} inputs at sigma {run.sigma}" for run in runs)
    print(f"{counts}; alpha {ALPHA}, n_max {N:,}; exact expectations; {platform.machine()}, {versions}")

    single = one_radius(runs)
    title = f"Mean draws an input for one radius, r = {RADIUS} (points lost against fixed n)"
    show(title, runs, single, "size", TARGETS["r = 0.5"])
    curve = whole_curve(runs)
    title = (
        f"Mean draws an input for a whole curve, r = 0, {SPACING}, ... as far as n can certify, all classes tested\n"
    )
    title += "(most points lost at any radius; the largest size/p0 bounds the error over all classes)"
    show(title, runs, curve, "size / p0", TARGETS["curve"])
    full = [full_radius(runs, loss) for loss in (0.01, 0.02, 0.05)]
    print("\nMean draws an input for the full radius (% of the ACR lost against fixed n): simulated, seed 0\n")
    print("|  | " + " | ".join(f"sigma {run.sigma}" for run in runs) + " |\n" + "| --- " * (len(runs) + 1) + "|")
    for row in full:
        cells = [f"{draws:,.0f} ({lost[0]:+.2f}%)" for draws, lost in zip(row.draws, row.lost, strict=True)]
        print(f"| {row.name} | " + " | ".join(cells) + " |")
    seconds = time.perf_counter() - started
    print(f"\n{seconds:.0f} s")
    if arguments.json:
        said: dict[str, Any] = {"alpha": ALPHA, "n_max": N, "sigmas": [run.sigma for run in runs], "radius": RADIUS}
        said |= {"one_radius": [asdict(row) for row in single], "curve": [asdict(row) for row in curve]}
        said |= {"full_radius": [asdict(row) for row in full]}
        said |= {"curve_radii": [radii(run.sigma) for run in runs], "targets": TARGETS, "versions": versions}
        arguments.json.write_text(json.dumps(said | {"seconds": seconds}, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""The experiments of the paper that need no run: what its theorems say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from noiseproof.asked.look import SCREEN, Look
from noiseproof.reports.experiment_figures import bounds_of
from noiseproof.reports.findings import Findings
from noiseproof.reports.tables import Table
from noiseproof.reports.tightness import P_LOWERS, tightness_figure, worst_case_probability
from noiseproof.reports.units import down
from noiseproof.stats import Bounds, gaussian_radius, lecuyer_radius, li_radius, one_sided

_ALPHA, _DRAWS = 0.001, (100_000, 10_000, 1000, 100)
_P_A = (0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999, 0.9999)


def bounds_findings(look: Look = SCREEN) -> Findings:
    """The radius that three theorems give from the same probability."""
    table = Table(
        header=("p_A", *_CERTIFICATES),
        rows=tuple((f"{p_a:g}", *(f"{radius(p_a):.6f}" for radius in _CERTIFICATES.values())) for p_a in _P_A),
        caption=(
            "L2 radius in multiples of sigma that follows from the same p_A (p_B = 1 - p_A), Gaussian noise.",
            "Cohen et al. 2019 is tight: no larger radius holds for every base classifier.",
        ),
    )
    p_a = np.concatenate([np.linspace(0.5005, 0.99, 180), 1 - np.geomspace(0.01, 1e-5, 60)])
    curves = {name: np.array([radius(p) for p in p_a.tolist()]) for name, radius in _CERTIFICATES.items()}
    title = "Radius from the same probability, three certificates"
    return Findings((table,), bounds_of(p_a, curves, title=title, look=look))


def ceiling_findings(look: Look = SCREEN) -> Findings:
    """The radius that n draws can certify: what the bound on p_A costs, and where it ends."""
    exact = "p_A known"
    table = Table(
        header=("n", "the most", *(f"p_A={p_a:g}" for p_a in _P_A)),
        rows=(
            *((f"{n:,}", *(down(_certified(p_a, n), 4) for p_a in (1.0, *_P_A))) for n in _DRAWS),
            (exact, "no end", *(f"{_exact(p_a):.4f}" for p_a in _P_A)),
        ),
        caption=(
            "L2 radius in multiples of sigma that CERTIFY prints where the top class has a share p_A of n draws,",
            f"rounded down (alpha = {_ALPHA:g}); 0: it abstains. The most: where all draws are of that class.",
        ),
    )
    p_a = np.concatenate([np.linspace(0.5005, 0.99, 180), 1 - np.geomspace(0.01, 1e-6, 80)])
    curves = {exact: np.array([_exact(p) for p in p_a.tolist()])}
    curves |= {f"n = {n:,}": np.array([_certified(p, n) for p in p_a.tolist()]) for n in _DRAWS}
    title = "The radius that n draws can certify"
    return Findings((table,), bounds_of(p_a, curves, title=title, highest=4.0, look=look))


def _exact(p_a: float) -> float:
    return gaussian_radius(Bounds(tail=1 - p_a, rival=1 - p_a), 1.0)


def _certified(share: float, n: int) -> float:
    """What CERTIFY prints for this share of n draws, in multiples of sigma; 0.0 where it abstains."""
    return max(0.0, gaussian_radius(one_sided(int(share * n + 1e-9), n, _ALPHA), 1.0))


def tightness_findings(look: Look = SCREEN) -> Findings:
    """How often the worst-case classifier still says its class, by the size of the perturbation."""
    sizes = (0.0, 0.5, 0.99, 1.0, 1.01, 1.5, 2.0)
    probabilities = {p_a: worst_case_probability(p_a, np.array(sizes)) for p_a in P_LOWERS}
    table = Table(
        header=("p_A", *(f"{size:g} R" for size in sizes)),
        rows=tuple((f"{p_a:g}", *(f"{p:.4f}" for p in found)) for p_a, found in probabilities.items()),
        caption=(
            "Theorem 2: how often the half-space with this p_A still says its class, at a perturbation of that size",
            "straight towards its boundary. Beyond R it is under 1/2, so the smoothed class changes: no larger",
            "radius holds for every base classifier.",
        ),
    )
    return Findings((table,), tightness_figure(look=look))


_CERTIFICATES: Mapping[str, Callable[[float], float]] = MappingProxyType(
    {
        "Cohen et al. 2019": _exact,
        "Li et al. 2019": lambda p_a: li_radius(p_a, 1 - p_a, 1.0),
        "Lecuyer et al. 2019": lambda p_a: lecuyer_radius(p_a, 1 - p_a, 1.0),
    }
)

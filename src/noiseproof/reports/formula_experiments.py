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
from noiseproof.stats import Bounds, gaussian_radius, lecuyer_radius, li_radius

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
        "Cohen et al. 2019": lambda p_a: gaussian_radius(Bounds(tail=1 - p_a, rival=1 - p_a), 1.0),
        "Li et al. 2019": lambda p_a: li_radius(p_a, 1 - p_a, 1.0),
        "Lecuyer et al. 2019": lambda p_a: lecuyer_radius(p_a, 1 - p_a, 1.0),
    }
)

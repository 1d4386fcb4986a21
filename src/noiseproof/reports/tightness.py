"""Theorem 2 as a figure: against the worst base classifier the certified radius is exactly what holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from noiseproof.asked.look import SCREEN, Look
from noiseproof.reports.figures import check_suffix, mark, save_figure
from noiseproof.reports.look import DASHES, colour, dashes, new_axes, place_legend

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.artist import Artist
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

P_LOWERS = (0.6, 0.8, 0.95, 0.999)


def worst_case_probability(p_a: float, size: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Probability of the top class of a half-space, at a perturbation straight towards its boundary.

    The half-space {z: u.(z - x) <= sigma Phi^-1(p_A)} has probability p_A at x and Phi(Phi^-1(p_A) (1 - size)) at
    x + size R u: no classifier with this p_A loses more. It crosses 1/2 exactly at size 1, so no larger radius
    than R = sigma Phi^-1(p_A) can be certified from p_A.

    Args:
        p_a: probability of the top class at x, in (1/2, 1).
        size: of the perturbation, in units of R, >= 0.

    Raises:
        ValueError: p_a is out of range.

    Source: Cohen et al. 2019, theorem 2 (with p_B = 1 - p_A).

    >>> worst_case_probability(0.9, np.array([0.0, 1.0, 2.0])).round(12)
    array([0.9, 0.5, 0.1])
    """
    from scipy.special import ndtr, ndtri

    if not 0.5 < p_a < 1:
        raise ValueError(f"p_a must be in (0.5, 1), got {p_a}")
    probability: NDArray[np.float64] = ndtr(ndtri(p_a) * (1 - np.asarray(size, dtype=np.float64)))
    return probability


def draw_tightness(path: str | Path, *, p_lowers: Sequence[float] = P_LOWERS) -> Path:
    """The figure of ``tightness_figure``, written by ``save_figure``."""
    check_suffix(path)  # before the work
    return save_figure(tightness_figure(p_lowers), path)


def tightness_figure(p_lowers: Sequence[float] = P_LOWERS, look: Look = SCREEN) -> Figure:
    """p_A of the worst-case half-space against the size of the perturbation in units of R.

    Args:
        p_lowers: p_A at the unperturbed input, a curve each; in (1/2, 1).
        look: title, size, shares shown.

    Raises:
        ValueError: no p_A, or one out of range.
    """
    if not p_lowers:
        raise ValueError("p_lowers must be at least one, got none")
    figure, axes = new_axes("The worst base classifier: a half-space (theorem 2)", look, width=5.6, height=4.2)
    size = np.linspace(0, 2, 401)
    within = axes.axvspan(0, 1, color="0.93", linewidth=0)
    entries: list[tuple[Artist, str]] = []
    for i, p_a in enumerate(sorted(p_lowers, reverse=True)):  # as the curves lie where nothing is added
        curve = worst_case_probability(p_a, size)
        (line,) = axes.plot(size, curve, color=colour(i), linestyle=dashes(i), linewidth=1.6, label=f"$p_A$ = {p_a:g}")
        mark(line, i, len(p_lowers) if len(p_lowers) > len(DASHES) else 1)
        entries.append((line, str(line.get_label())))
    axes.axhline(0.5, color="0.3", linestyle=":", linewidth=1.0)
    (flip,) = axes.plot([1], [0.5], "o", color="black", markersize=5)
    axes.set(xlim=(0, 2), xlabel="size of the perturbation, in units of the certified radius R (L2)")
    axes.set(ylim=look.shares, ylabel="probability of the certified class")
    place_legend(figure, [*entries, (within, "certified"), (flip, "the class flips, exactly at R")], look)
    return figure

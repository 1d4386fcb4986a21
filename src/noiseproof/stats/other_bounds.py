"""Radii of earlier certificates of Gaussian smoothing, to compare with; none of them is ever printed as ours."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_POINTS = 65
_ZOOMS = 12


def lecuyer_radius(p_a: float, p_b: float, sigma: float) -> float:
    """L2 radius that PixelDP certifies from the same probabilities; never above the Gaussian radius.

    The supremum over 0 < b <= min(1, log(p_a/p_b) / 2) of
    sigma b / sqrt(2 log(1.25 (1 + e^b) / (p_a - e^(2b) p_b))), to some 9 digits and from below.

    Args:
        p_a: probability of the top class, in (0, 1).
        p_b: the largest probability of another class, in (0, 1 - p_a].
        sigma: standard deviation of the noise in input units, > 0.

    Returns:
        The radius in the units of sigma; 0.0 where p_a <= p_b.

    Raises:
        ValueError: an argument is out of range.

    Source: Lecuyer et al. 2019, as stated in Cohen et al. 2019, appendix "comparison to prior work".

    >>> round(lecuyer_radius(0.9, 0.1, sigma=1.0), 6)
    0.390267
    """
    _check(p_a, p_b, sigma)
    if p_a <= p_b:
        return 0.0

    def radius(b: NDArray[np.float64]) -> NDArray[np.float64]:
        left = p_a - np.exp(2 * b) * p_b
        inside = left > 0  # at the end of the range nothing is left, and the logarithm is infinite
        growth = np.log(1.25 * (1 + np.exp(b)) / np.where(inside, left, 1.0))
        return np.where(inside, b / np.sqrt(2 * growth), 0.0)

    return sigma * _largest(radius, 0.0, min(1.0, math.log(p_a / p_b) / 2))


def li_radius(p_a: float, p_b: float, sigma: float) -> float:
    """L2 radius by Renyi divergence from the same probabilities; never above the Gaussian radius.

    The supremum over a > 0, a != 1 of sigma sqrt(-(2/a) log(1 - p_a - p_b + 2 M)), where M is the power mean
    ((p_a^(1-a) + p_b^(1-a)) / 2)^(1/(1-a)), to some 9 digits and from below.

    Arguments, return value and errors are those of ``lecuyer_radius``.

    Source: Li et al. 2019, as stated in Cohen et al. 2019, appendix "comparison to prior work".

    >>> round(li_radius(0.9, 0.1, sigma=1.0), 6)
    1.03193
    """
    _check(p_a, p_b, sigma)
    if p_a <= p_b:
        return 0.0
    both, half = p_a + p_b, math.log(p_a / p_b) / 2

    def radius(log_a: NDArray[np.float64]) -> NDArray[np.float64]:
        a = np.exp(log_a)
        order = 1 - a
        # log(M / mean of p_a and p_b) through log cosh: no power overflows, and little cancels where p_a is near p_b
        below = np.divide(_log_cosh(order * half), order, out=np.zeros_like(a), where=order != 0) - _log_cosh(half)
        radii: NDArray[np.float64] = np.sqrt(np.maximum(-2 / a * np.log1p(both * np.expm1(below)), 0.0))
        return radii

    return sigma * _largest(radius, math.log(1e-3), math.log(1e3))


def _log_cosh(y: NDArray[np.float64] | float) -> NDArray[np.float64]:
    far = np.abs(y)
    small = np.log1p(2 * np.sinh(np.minimum(far, 1.0) / 2) ** 2)
    large: NDArray[np.float64] = far - math.log(2) + np.log1p(np.exp(-2 * far))
    chosen: NDArray[np.float64] = np.where(far < 1, small, large)
    return chosen


def _largest(curve: Callable[[NDArray[np.float64]], NDArray[np.float64]], low: float, high: float) -> float:
    """The largest value of a curve with one peak: an even grid, then finer ones around its best point."""
    first, last = low, high
    best = 0.0
    for _ in range(_ZOOMS):
        at = np.linspace(first, last, _POINTS)
        values = curve(at)
        peak = int(np.argmax(values))
        best = max(best, float(values[peak]))
        first, last = float(at[max(0, peak - 1)]), float(at[min(_POINTS - 1, peak + 1)])
    return best


def _check(p_a: float, p_b: float, sigma: float) -> None:
    if not 0 < p_a < 1:
        raise ValueError(f"p_a must be in (0, 1), got {p_a}")
    if not (p_b > 0 and p_a + p_b <= 1 + 2.0**-50):  # .9 and 1 - .9 are rounded, and go together
        raise ValueError(f"p_b must be in (0, 1 - p_a] with p_a = {p_a}, got {p_b}")
    if not (sigma > 0 and math.isfinite(sigma)):
        raise ValueError(f"sigma must be > 0 and finite, got {sigma}")

"""The radii that n draws can give: finitely many, so that printed ones betray the alpha they were made with."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import betainccinv, ndtri

from noiseproof.stats.bounds import check_probability

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_MOST = 10_000_000
_SLACK = 1e-7
"""In units of sigma. Covers what noiseproof takes off a radius (4e-8) and the error of other libraries (1e-10)."""


def radius_lattice(n: int, alpha: float) -> NDArray[np.float64]:
    """Every radius, in units of sigma, that CERTIFY can print with the one-sided bound: ascending, > 0.

    -Phi^-1(q(k)) for k = n/2..n, where q(k) is the Clopper-Pearson upper bound on 1 - p_A at k votes of n. Nearest
    doubles, not rounded down: other tools' radii are compared with them.

    Args:
        n: estimation draws, 1 to 10 million.
        alpha: failure probability, in (0, 1).

    Raises:
        ValueError: an argument is out of range.

    Source: Cohen et al. 2019, section 3.2.2.

    >>> radius_lattice(100_000, 0.001)[[0, -2, -1]].round(7).tolist()
    [2.24e-05, 3.7391267, 3.8114566]
    """
    if not 1 <= n <= _MOST:
        raise ValueError(f"n must be in 1..{_MOST}, got {n}")
    check_probability("alpha", alpha)
    k = np.arange(max(1, n // 2), n)
    tails = np.append(betainccinv(n - k + 1, k, alpha), -np.expm1(np.log(alpha) / n))
    radii: NDArray[np.float64] = -ndtri(tails[tails < 1 / 2])
    return radii


@dataclass(frozen=True)
class Printed:
    """Radii as printed: each stands for the interval of numbers that are printed so.

    Attributes:
        value: the numbers as printed, [radii].
        low: the least number that rounds to nearest to it, [radii]; of a power of ten it is a tenth as far away.
        high: the largest.
        step: one unit of the last printed digit, [radii].
        digits: significant digits.
    """

    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    step: NDArray[np.float64]
    digits: int


def printed_radii(texts: Sequence[str], least_digits: int) -> Printed:
    """Read radii as text; as many significant digits as the longest shows, since trailing zeros are not printed.

    Args:
        texts: decimal numbers > 0, finite.
        least_digits: assumed where every text shows fewer.

    >>> read = printed_radii(["0.405", "1.0"], 3)
    >>> read.low.round(5).tolist(), read.high.round(5).tolist()
    ([0.4045, 0.9995], [0.4055, 1.005])
    """
    numbers = [Decimal(text).normalize() for text in texts]
    digits = max([least_digits, *(len(number.as_tuple().digits) for number in numbers)])
    value = np.array([float(number) for number in numbers])
    step = np.array([float(Decimal(1).scaleb(number.adjusted() - digits + 1)) for number in numbers])
    power = np.array([number.as_tuple().digits == (1,) for number in numbers], dtype=bool)
    return Printed(value, value - np.where(power, step / 20, step / 2), value + step / 2, step, digits)


@dataclass(frozen=True)
class Fit:
    """Printed radii held against the lattice of one alpha.

    Attributes:
        alpha: of the lattice.
        rounding: "nearest" or "down": how the radii are taken to be printed.
        off: how many are printed of no radius of the lattice.
        beyond: how many exceed the largest radius that n and alpha allow, as it is printed.
        raised: how many are above every radius of the lattice that is printed so: certainly rounded upwards.
        perhaps_raised: how many more are above some such radius, but not above every one.
        most_raised: the largest certain excess, in input units; 0.0 where there is none.
    """

    alpha: float
    rounding: str
    off: int
    beyond: int
    raised: int
    perhaps_raised: int
    most_raised: float


def fit_lattice(printed: Printed, lattice: NDArray[np.float64], sigma: float, alpha: float, rounding: str) -> Fit:
    """Count what lies off a lattice, beyond it, and above what it was printed of.

    Args:
        printed: radii in input units.
        lattice: of ``radius_lattice`` at alpha, in units of sigma; may be empty.
        sigma: in input units, > 0.
        alpha: of the lattice.
        rounding: "nearest" (a printed radius stands for what lies within half a unit of its last digit), or "down"
            (for what lies less than a unit above it).
    """
    slack = _SLACK * sigma
    radii = lattice * sigma
    low, high = (printed.low, printed.high) if rounding == "nearest" else (printed.value, printed.value + printed.step)
    first = np.searchsorted(radii, low - slack, side="left")
    end = np.searchsorted(radii, high + slack, side="right")
    on = first < end
    padded = np.append(radii, np.inf)
    least, most = padded[first], padded[np.maximum(end, 1) - 1]
    raised = on & (most < printed.value - slack)
    return Fit(
        alpha=alpha,
        rounding=rounding,
        off=int((~on).sum()),
        beyond=int((first == len(radii)).sum()),
        raised=int(raised.sum()),
        perhaps_raised=int((on & ~raised & (least < printed.value - slack)).sum()),
        most_raised=float((printed.value - most)[raised].max(initial=0.0)),
    )

"""The exact rounded Gaussian on the integers: 63-bit thresholds, and a sampler that looks 16 bits up."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import lru_cache
from math import ceil, floor
from typing import TYPE_CHECKING

import numpy as np

from noiseproof.noises.words import whole_blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noiseproof.noises.words import Words

TAIL = Fraction(17, 2)
"""Standard deviations after which the sampler's tail is cut (mass 2 Phi(-8.5) = 1.9e-17 a number)."""

BITS = 63
GUIDE_BITS = 16
_REST = BITS - GUIDE_BITS
_STRADDLES = np.int16(-32768)


@dataclass(frozen=True)
class RoundedNormal:
    """eta = round(N(0, s^2)): P(eta = k) = Phi((k + 1/2)/s) - Phi((k - 1/2)/s), for |k| <= 8.5 s.

    A number is decided by 63 random bits u: eta is the smallest k with u < T_k, where
    T_k = floor(2^63 Phi((k + 1/2)/s)). The leading 16 bits are looked up in a table; only where a threshold
    falls inside their interval are the other 47 drawn, from pages of the draw's own. All integer, so the same
    on every machine.

    Attributes:
        cap: largest |eta|.
        thresholds: T_k for k = -cap .. cap - 1, uint64, ascending.
        guide: eta for each leading 16 bits, or -32768 where a threshold straddles them; int16 ``[65536]``.
        below: how many thresholds are at most those 16 bits and zeros; int32 ``[65536]``.
    """

    cap: int
    thresholds: NDArray[np.uint64]
    guide: NDArray[np.int16]
    below: NDArray[np.int32]

    def sample(self, words: Words, first: int, n: int, dimension: int) -> NDArray[np.int16]:
        """Draws ``first`` to ``first + n - 1`` of ``dimension`` numbers each: int16 ``[n, dimension]``."""
        packed = whole_blocks(-(-dimension // 4))
        # a 64-bit word holds four 16-bit ones; little-endian on every machine, so that a seed means one noise
        bits = words.take(first, n, packed).astype("<u8", copy=False).view("<u2")[:, :dimension]
        bits = np.ascontiguousarray(bits)
        eta = np.empty((n, dimension), np.int16)
        np.take(self.guide, bits, out=eta, mode="clip")  # "clip" spares a buffered copy; no index is out of range
        undecided = np.flatnonzero(eta == _STRADDLES)
        if undecided.size:
            eta.ravel()[undecided] = self._decided(
                bits.ravel()[undecided], _rest_bits(words, first, n, dimension, undecided)
            )
        return eta

    def _decided(self, leading: NDArray[np.uint16], rest: NDArray[np.uint64]) -> NDArray[np.int64]:
        """The smallest k with u < T_k, u made of its leading 16 bits and the rest; searched for where it must be."""
        u = (leading.astype(np.uint64) << np.uint64(_REST)) | rest
        found = self.below[leading].astype(np.int64)
        found += self.thresholds[found] <= u
        # an interval holds one threshold, but for those of the tails
        more = np.flatnonzero(self.thresholds.take(found, mode="clip") <= u)
        found[more] = np.searchsorted(self.thresholds, u[more], side="right")
        return found - self.cap


@lru_cache(maxsize=64)
def total_variation(sigma: float, grid: int, dimension: int) -> float:
    """Upper bound on the total variation between a sampled vector and the rounded Gaussian.

    Each of the L levels is off by less than 2^-63, half of it counts; the two cut tails come on top
    (d L 2^-64 + 2 d Phi(-8.5)).

    Raises:
        ValueError: the noise does not fit 16-bit integers.
    """
    from scipy.special import ndtr

    cap = largest_eta(sigma, grid)
    tail = 2.0 * float(ndtr(-(cap + 0.5) / float(Fraction(sigma) * grid)))
    return dimension * ((2 * cap + 1) * 2.0**-64 + tail) * (1 + 2.0**-20)


def largest_eta(sigma: float, grid: int) -> int:
    """The cap of the sampler for this noise: the first integer above 8.5 standard deviations.

    Raises:
        ValueError: the noise does not fit 16-bit integers.

    >>> largest_eta(0.5, 255)
    1084
    """
    cap = floor(TAIL * Fraction(sigma) * grid) + 1
    if cap > 32000 - grid:
        most = (ceil((32000 - grid) / TAIL / grid * 10) - 1) / 10  # rounded down, so that it is itself taken
        raise ValueError(f"sigma must be <= {most} on the grid of {grid} steps, got {sigma}; use grid=None (--grid 0)")
    return cap


@lru_cache(maxsize=16)
def rounded_normal(sigma: float, grid: int) -> RoundedNormal:
    """The sampler for standard deviation ``sigma * grid`` grid steps (cached: .4 s at sigma 1, seconds at 10).

    Raises:
        ValueError: the noise does not fit 16-bit integers.
    """
    cap = largest_eta(sigma, grid)
    with localcontext() as context:
        context.prec = 60
        s = Decimal(sigma) * grid  # the double as it is, not its printed form
        upper = [_normal_tail((Decimal(k) + Decimal("0.5")) / s) for k in range(cap)]
        one = 1 << BITS
        positive = [int((1 - tail) * one) for tail in upper]  # int() is floor for positive numbers
        negative = [int(tail * one) for tail in reversed(upper)]
    thresholds = np.array(negative + positive, dtype=np.uint64)
    starts = np.arange(1 << GUIDE_BITS, dtype=np.uint64) << np.uint64(_REST)
    low = np.searchsorted(thresholds, starts, side="right")
    high = np.searchsorted(thresholds, starts + np.uint64((1 << _REST) - 1), side="right")
    guide = np.where(low == high, low - cap, _STRADDLES).astype(np.int16)
    return RoundedNormal(cap=cap, thresholds=thresholds, guide=guide, below=low.astype(np.int32))


def _rest_bits(words: Words, first: int, n: int, dimension: int, undecided: NDArray[np.intp]) -> NDArray[np.uint64]:
    """The 47 further bits of each undecided number, given by its rank among its draw's undecided ones.

    Rank r takes word r mod P of page 1 + r div P, P = ceil(d / 64) rounded up to whole blocks.
    """
    starts = np.searchsorted(undecided, np.arange(n + 1) * dimension)
    many = np.diff(starts)
    draw, rank = np.repeat(np.arange(n), many), np.arange(undecided.size) - np.repeat(starts[:-1], many)
    per_page = whole_blocks(-(-dimension // 64))
    pages = range(1, int(rank.max()) // per_page + 2)
    # page behind page, so that rank r is column r
    rest = np.concatenate([words.take(first, n, per_page, page=page) for page in pages], axis=1)[draw, rank]
    return rest >> np.uint64(64 - _REST)


def _normal_tail(x: Decimal) -> Decimal:
    """1 - Phi(x) for x >= 0, to some 40 digits: Phi(x) - 1/2 = phi(x) (x + x^3/3 + x^5/15 + ...)."""
    term = x
    total = x
    k = 1
    while term > total * Decimal("1e-50"):
        k += 2
        term = term * x * x / k
        total += term
    density = (-x * x / 2).exp() / (2 * _PI).sqrt()
    return Decimal("0.5") - density * total


_PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899")

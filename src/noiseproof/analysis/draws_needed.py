"""What n draws can certify at best, and how many a radius needs: known before anything is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noiseproof.stats.bounds import one_sided, smallest_n

if TYPE_CHECKING:
    from noiseproof.noises import Noise


def largest_radius(noise: Noise, n: int, alpha: float) -> float:
    """The radius of CERTIFY when all n votes agree: for Gaussian noise sigma * Phi^-1(alpha^(1/n)).

    Args:
        noise: gives the radius, in input units in its norm.
        n: draws, >= 1.
        alpha: failure probability, in (0, 1).

    Raises:
        ValueError: an argument is out of range.

    Source: Cohen et al. 2019, section 3.2.2: what bounds the radius from n samples.

    >>> from noiseproof.noises import Gaussian
    >>> round(largest_radius(Gaussian(sigma=1.0), 100_000, 0.001), 4)
    3.8115
    """
    return noise.radius(one_sided(n, n, alpha))


def draws_needed(noise: Noise, radius: float, alpha: float) -> int:
    """The fewest draws with which CERTIFY can certify a radius: when all votes agree, so never fewer.

    Args:
        noise: gives the radius.
        radius: in input units in the norm of the noise, >= 0; 0 asks for any radius.
        alpha: failure probability, in (0, 1).

    Raises:
        ValueError: alpha is out of range, or no probability below 1 has the radius.

    >>> from noiseproof.noises import Gaussian
    >>> draws_needed(Gaussian(sigma=0.25), 0.5, 0.001)
    301
    """
    noise.p_needed(radius)  # refuses what no number of draws can have

    def enough(n: int) -> bool:
        got = largest_radius(noise, n, alpha)
        return got > 0 and got >= radius

    high = smallest_n(alpha)
    while not enough(high):
        high *= 2
    low = 0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high

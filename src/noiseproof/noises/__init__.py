"""Noise families, one a file. A new one is a line in ``NOISES`` (or ``.register``) and in the laws."""

from __future__ import annotations

from typing import Any

from noiseproof.noises.base import Noise
from noiseproof.noises.gaussian import Gaussian
from noiseproof.noises.words import Words
from noiseproof.registry import Registry, made_from

NOISES: Registry[type[Noise]] = Registry("noise", lambda made: made.family, [Gaussian], group="noiseproof.noises")


def noise_from(config: dict[str, Any]) -> Noise:
    """The noise a plain table describes.

    >>> noise_from({"family": "gaussian", "sigma": 0.5}) == Gaussian(sigma=0.5)
    True

    Raises:
        ValueError: the family or one of its settings is unknown.
    """
    return made_from(NOISES, config, by="family")


def default_noise(sigma: float) -> Noise:
    """The noise of this standard deviation where nobody names a family: that of the paper."""
    return Gaussian(sigma=sigma)


__all__ = ["NOISES", "Gaussian", "Noise", "Words", "default_noise", "noise_from"]

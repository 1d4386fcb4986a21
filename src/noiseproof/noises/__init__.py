"""Noise families, one a file. A new one is one line in ``NOISES`` and one in the list of the laws."""

from __future__ import annotations

from typing import Any

from noiseproof.errors import unknown
from noiseproof.noises.base import Noise
from noiseproof.noises.gaussian import Gaussian
from noiseproof.noises.words import Words

NOISES: dict[str, type[Noise]] = {
    Gaussian.family: Gaussian,
}


def noise_from(config: dict[str, Any]) -> Noise:
    """The noise a plain table describes.

    >>> noise_from({"family": "gaussian", "sigma": 0.5}) == Gaussian(sigma=0.5)
    True

    Raises:
        ValueError: the family or one of its settings is unknown.
    """
    settings = dict(config)
    family = str(settings.pop("family", ""))
    if family not in NOISES:
        raise ValueError(unknown("noise", family, NOISES))
    made = NOISES[family]
    known = made.__dataclass_fields__  # type: ignore[attr-defined]  # every family is a dataclass
    for name in settings:
        if name not in known:
            raise ValueError(unknown(f"setting of {family} noise", name, known))
    return made(**settings)


__all__ = ["NOISES", "Gaussian", "Noise", "Words", "noise_from"]

"""What a device needs to know of a noise to draw its integers there."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt
from typing import TYPE_CHECKING

import numpy as np
import torch

from noiseproof.noises import Gaussian
from noiseproof.noises.rounded_normal import rounded_normal
from noiseproof.noises.words import whole_blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noiseproof.noises import Noise
    from noiseproof.noises.words import Words


@dataclass(frozen=True)
class NoiseTables:
    """The tables of one rounded Gaussian on one device, for inputs of one size.

    Attributes:
        guide: int16 ``[65536]``: eta for each leading 16 bits, or -32768 where they leave it undecided.
        thresholds: int64 ``[2 cap]``.
        cap: largest |eta|.
        blocks: Philox blocks of 16 numbers that a draw owns on page 0.
        per_page: words that a draw owns on each further page.
        room: undecided numbers a row is given room for; more has probability below 1e-30.
        pages: streams a draw may touch, page 0 included.
    """

    guide: torch.Tensor
    thresholds: torch.Tensor
    cap: int
    blocks: int
    per_page: int
    room: int
    pages: int

    @classmethod
    def of(cls, noise: Gaussian, dimension: int, device: torch.device) -> NoiseTables:
        """Those of Gaussian noise on a grid."""
        assert noise.grid is not None, "float noise has no tables"
        sampler = rounded_normal(noise.sigma, noise.grid)
        mean = float((sampler.guide == -32768).mean()) * dimension
        room = min(dimension, ceil(mean + 12 * sqrt(mean) + 64))
        per_page = whole_blocks(-(-dimension // 64))
        return cls(
            guide=torch.from_numpy(sampler.guide.copy()).to(device),
            thresholds=torch.from_numpy(sampler.thresholds.astype(np.int64)).to(device),
            cap=sampler.cap,
            blocks=whole_blocks(-(-dimension // 4)) // 4,
            per_page=per_page,
            room=room,
            pages=1 + ceil(room / per_page),
        )

    def keys(self, words: Words) -> NDArray[np.int64]:
        """Philox keys of all pages, ``[pages, 2]``: hashed on the host."""
        return np.stack([words.page_key(page).view(np.int64) for page in range(self.pages)])


def drawn_on_device(noise: Noise) -> bool:
    """Whether a device can draw this noise itself."""
    return type(noise) is Gaussian and noise.grid is not None

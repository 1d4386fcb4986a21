"""Random words as pure functions of (what the run is about, seed, input key, stage, draw index)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.random.bit_generator import ISeedSequence

from noiseproof.noises.chacha import chacha_words

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

Generator = Literal["philox", "chacha20"]
GENERATORS = get_args(Generator)
"""Fast, and its randomness beyond doubt in practice; cryptographic, keyed by the operating system."""

BLOCK = 4
"""64-bit words a counter value of Philox4x64 yields; every draw owns whole blocks."""


@dataclass(frozen=True)
class Words:
    """The random words of one stage of one input.

    Philox4x64-10 (Salmon et al. 2011, as numpy ships it), or ChaCha20, under a key hashed from binding, seed, input
    key, stage and page. A page is a stream of its own; on each page, draw i owns the words
    ``[i * per_draw, (i + 1) * per_draw)``. So a word never depends on how draws are grouped, ordered or spread over
    workers.

    Attributes:
        seed: the run's seed, any integer.
        key: the input key.
        stage: the stage's name; stages never share words.
        rng: one of ``GENERATORS``.
        binding: a hash of what the draws are about (``keys.binding``); empty for common noise.
    """

    seed: int
    key: str
    stage: str
    rng: str = "philox"
    binding: str = ""

    def take(self, first: int, n: int, per_draw: int, page: int = 0) -> NDArray[np.uint64]:
        """Words of draws ``first`` to ``first + n - 1``: uint64 ``[n, per_draw]``.

        Args:
            first: index of the first draw, >= 0.
            n: how many draws.
            per_draw: words a draw owns on this page, a multiple of 4; the same for every call on a page.
            page: which stream.
        """
        assert per_draw % BLOCK == 0, "a draw owns whole Philox blocks"
        if self.rng == "chacha20":
            return chacha_words(self._digest(page), first * per_draw, n * per_draw).reshape(n, per_draw)
        key = _Key(self._philox_key if page == 0 else self.page_key(page))
        philox = np.random.Philox(key)  # type: ignore[arg-type]  # its stub knows numpy's own SeedSequence only
        if first:
            philox.advance(first * (per_draw // BLOCK))
        words: NDArray[np.uint64] = philox.random_raw(n * per_draw)
        return words.reshape(n, per_draw)

    @cached_property
    def _philox_key(self) -> NDArray[np.uint64]:
        return self.page_key(0)

    def page_key(self, page: int) -> NDArray[np.uint64]:
        """Philox's key of a page: two words."""
        return np.frombuffer(self._digest(page)[:16], dtype="<u8").astype(np.uint64)

    def _digest(self, page: int) -> bytes:
        form = f"noiseproof words 2\0{self.binding}" if self.binding else "noiseproof words 1"
        text = f"{form}\0{self.seed}\0{self.key}\0{self.stage}\0{page}"
        return hashlib.sha256(text.encode()).digest()


class _Key(ISeedSequence):
    """A key, handed over as a seed: given as ``key=``, numpy would first ask the system for entropy it throws away."""

    def __init__(self, key: NDArray[np.uint64]) -> None:
        self._key = key

    def generate_state(self, n_words: int, dtype: DTypeLike = np.uint32) -> NDArray[np.uint64]:
        assert (n_words, dtype) == (2, np.uint64), "Philox4x64 asks for its key"
        return self._key


def whole_blocks(words: int) -> int:
    """The number of words rounded up to whole Philox blocks.

    >>> whole_blocks(1), whole_blocks(4), whole_blocks(5)
    (4, 4, 8)
    """
    return -(-words // BLOCK) * BLOCK

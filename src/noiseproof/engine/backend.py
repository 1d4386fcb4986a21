"""What the engine asks of a backend: votes for segments of noisy inputs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, Protocol

from noiseproof.errors import ModelError
from noiseproof.tallies import CLASS_VOTES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noiseproof.noises import Words
    from noiseproof.tallies import Tally
    from noiseproof.types import Counts


class OutOfMemoryError(ModelError):
    """A batch does not fit; the same draws can be made in smaller batches."""


@dataclass(frozen=True)
class Segment:
    """Draws ``first`` to ``first + n - 1`` of one stage of one input: rows of a batch."""

    x: NDArray[Any]
    words: Words
    first: int
    n: int


class Pending(Protocol):
    """A batch under way."""

    def result(self) -> Counts:
        """Wait for it: votes ``[segments, slots]`` of the tally; void draws are what is missing.

        Those of a segment that could not be drawn are -1: its input is left open.

        Raises:
            OutOfMemoryError: the batch did not fit.
            ModelError: the base classifier breaks its contract.
        """


class Backend(Protocol):
    """Votes for segments of noisy inputs."""

    @property
    def batch_size(self) -> int:
        """How many rows a batch has at most."""

    @property
    def depth(self) -> int:
        """How many batches should be under way at once."""

    @property
    def most_segments(self) -> int:
        """How many segments a batch may have."""

    def submit(self, segments: list[Segment], tally: Tally = CLASS_VOTES) -> Pending:
        """Start a batch of at most ``batch_size`` rows and ``most_segments`` segments, counted by a tally."""

    def close(self) -> None:
        """Give everything back."""

    def environment(self) -> dict[str, Any]:
        """What draws: device, backend, precision, batch size; recorded beside the counts."""


def available_cores() -> int:
    """The processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


MANY = 32
"""Inputs of which even the first looks, of some 100 draws each, fill all batches of 512 that are under way."""


def cpu_batch(shape: tuple[int, ...], inputs: int = 1) -> int:
    """Rows a forward pass on a CPU: few enough to keep activations in cache, enough to outweigh what a batch costs.

    Args:
        shape: of an input.
        inputs: that wait; many small ones fill larger batches, 4 to 18% more draws a CPU second (docs/performance.md).

    >>> cpu_batch((1, 28, 28)), cpu_batch((3, 32, 32)), cpu_batch((3, 224, 224)), cpu_batch((1, 28, 28), inputs=500)
    (128, 64, 16, 512)
    """
    if prod(shape) > 2**14:
        return 16
    if prod(shape) > 2**10:
        return 64
    return 512 if inputs >= MANY else 128


def gpu_batch(shape: tuple[int, ...]) -> int:
    """Rows a forward pass on a GPU: enough to keep it busy with a network that fits such inputs.

    Measured on an H200 (docs/performance.md): 1,024 rows of 32 x 32 take 4 to 10% longer a row in bf16, and 2 to 3%
    longer in IEEE fp32, than 4,096.

    >>> gpu_batch((1, 28, 28)), gpu_batch((3, 32, 32)), gpu_batch((3, 224, 224))
    (8192, 4096, 512)
    """
    if prod(shape) > 2**14:
        return 512
    return 4096 if prod(shape) > 2**10 else 8192

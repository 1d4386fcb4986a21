"""How often a backend's argmax is not that of torch in fp32."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from noiseproof.engine.backend import Backend, Segment
from noiseproof.noises.words import Words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noiseproof.types import Counts


def disagreement(
    backend: Backend, reference: Backend, inputs: Sequence[NDArray[Any]], rows: int | None = None
) -> tuple[int, int]:
    """Rows on which two backends choose another class, and how many were tried.

    The rows are noisy inputs under words of their own, shared by no run.

    Args:
        backend: of one base classifier under one noise.
        reference: another, of the same batch size.
        inputs: clean ones, encoded; rows are spread over them.
        rows: how many; by default 512, of large pictures 64.
    """
    assert backend.batch_size == reference.batch_size, "both see the same batches"
    tried = rows or (512 if prod(inputs[0].shape) <= 2**14 else 64)
    words = Words(0, "disagreement", "disagreement")
    segments = [Segment(inputs[i % len(inputs)], words, i, 1) for i in range(tried)]
    size = min(backend.batch_size, backend.most_segments, reference.most_segments)
    batches = [segments[first : first + size] for first in range(0, tried, size)]
    differing = 0
    for one, other in zip(_votes(backend, batches), _votes(reference, batches), strict=True):
        differing += int((one != other).any(axis=1).sum())
    return differing, tried


def _votes(backend: Backend, batches: list[list[Segment]]) -> list[Counts]:
    found: list[Counts] = []
    for first in range(0, len(batches), backend.depth):
        pending = [backend.submit(batch) for batch in batches[first : first + backend.depth]]
        found += [np.asarray(each.result()) for each in pending]
    return found

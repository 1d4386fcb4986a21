"""What the base classifier says of clean inputs: one row each, beside the draws."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from noiseproof.engine.lane import Task
from noiseproof.types import ABSTAIN

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noiseproof.engine.pooled import PooledBackend

TOGETHER = 64
"""Inputs asked about in one batch, as far as it has room: so many are read ahead."""


def with_clean(tasks: Iterable[Task], backend: PooledBackend) -> Iterator[Task]:
    """The tasks, each with the class of its input without noise; ``ABSTAIN`` where the scores are no numbers."""
    together = min(TOGETHER, backend.batch_size)
    group: list[Task] = []
    for task in tasks:
        group.append(task)
        if len(group) == together:
            yield from _answered(group, backend)
            group = []
    if group:
        yield from _answered(group, backend)


def _answered(group: list[Task], backend: PooledBackend) -> Iterator[Task]:
    for task, top in zip(group, classes_without_noise([task.x for task in group], backend), strict=True):
        yield replace(task, clean=top)


def classes_without_noise(inputs: Sequence[NDArray[Any]], backend: PooledBackend) -> list[int]:
    """The classes of inputs without noise, a batch of them at most; ``ABSTAIN`` where the scores are no numbers."""
    x = torch.from_numpy(np.stack(inputs)).to(torch.float32)
    scores = backend.answers(x / backend.noise.scale)
    finite = torch.isfinite(scores).all(dim=1)
    return [
        top if known else ABSTAIN for top, known in zip(scores.argmax(dim=1).tolist(), finite.tolist(), strict=True)
    ]

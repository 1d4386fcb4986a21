"""What the base classifier says of clean inputs: one row each, beside the draws."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from noiseproof.engine.engine import Task
from noiseproof.types import ABSTAIN

if TYPE_CHECKING:
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
    x = torch.from_numpy(np.stack([task.x for task in group])).to(torch.float32)
    scores = backend.answers(x / backend.noise.scale)
    finite = torch.isfinite(scores).all(dim=1)
    for task, top, known in zip(group, scores.argmax(dim=1).tolist(), finite.tolist(), strict=True):
        yield replace(task, clean=top if known else ABSTAIN)

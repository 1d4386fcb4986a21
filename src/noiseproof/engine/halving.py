"""Smaller batches where memory runs out."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import torch

from noiseproof.engine.backend import OutOfMemoryError

if TYPE_CHECKING:
    from noiseproof.engine.pooled import PooledBackend

log = logging.getLogger(__name__)

T = TypeVar("T")


def in_batches_that_fit(
    make: Callable[[int | None], PooledBackend], act: Callable[[PooledBackend], T], batch_size: int | None = None
) -> T:
    """What ``act`` does with a backend; where memory runs out, again with one of half the rows a batch.

    The old backend is closed and its memory given back before the new one is made. Counts do not depend on it.

    Args:
        make: a backend of so many rows a batch.
        act: whatever draws.
        batch_size: of the first backend; None for its default.

    Raises:
        OutOfMemoryError: a batch of one row does not fit.
    """
    while True:
        backend = make(batch_size)
        try:
            return act(backend)
        except OutOfMemoryError:
            if backend.batch_size == 1:
                raise
            batch_size = backend.batch_size // 2
        finally:
            backend.close()
        log.warning("out of memory: the same draws again in batches of %d", batch_size)
        del backend
        free_memory()


def free_memory() -> None:
    """Give back what a backend that is closed has left."""
    gc.collect()
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]  # torch's stub
        torch.cuda.empty_cache()

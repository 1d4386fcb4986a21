"""The plain loop that speed is measured against, in a process of its own with the allocator as it comes."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from noiseproof.errors import ModelError

PUBLISHED_BATCH = 1000
BATCHES = (8, 16, 32, 64, 128, 256)
"""Tried to find the best one on a CPU."""
GPU_BATCHES = (250, 500, 1000, 2000, 4000)


def textbook(
    base: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor, *, sigma: float, n: int, batch: int, num_classes: int
) -> NDArray[np.int64]:
    """Class counts of n noisy copies of one input, as sampling is usually written.

    Args:
        base: ``[batch, *shape] -> [batch, num_classes]``.
        x: one input in [0, 1], on the device.
        sigma: of the noise.
        n: how many copies.
        batch: copies at once.
        num_classes: length of the counts.

    Source: ``_sample_noise`` of Cohen et al. 2019 (core.py), counted by bincount.
    """
    counts = np.zeros(num_classes, np.int64)
    with torch.no_grad():
        while n > 0:
            rows = min(batch, n)
            n -= rows
            copies = x.repeat((rows, *(1 for _ in x.shape)))
            noise = torch.randn_like(copies) * sigma
            predictions = base(copies + noise).argmax(1)
            counts += np.bincount(predictions.cpu().numpy(), minlength=num_classes)
    return counts


class TextbookProcess:
    """The loop in another process, which waits while it is not asked; ``with`` starts and ends it."""

    def __init__(
        self, model: list[str] | nn.Module, load: dict[str, Any], x: NDArray[Any], *, sigma: float, num_classes: int
    ) -> None:
        """A process for one model and one input.

        Args:
            model: what ``noiseproof.models.load`` takes as a list, or a module that can be pickled.
            load: its further arguments, ``device`` and ``threads``.
            x: the input in [0, 1].
            sigma: of the noise.
            num_classes: of the model.
        """
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(
            target=_answer, args=(theirs, model, load, x.astype(np.float32), sigma, num_classes), daemon=True
        )

    def __enter__(self) -> Self:
        self._process.start()
        self._receive()  # that it is ready
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()

    def rate(self, batch: int, seconds: float) -> tuple[float, float]:
        """Draws a second in batches of this size, and the processor seconds they took."""
        self._ours.send((batch, seconds))
        rate, spent = self._receive()
        return rate, spent

    def _receive(self) -> Any:  # noqa: ANN401  # whatever the other side sends
        while not self._ours.poll(0.2):
            if not self._process.is_alive():
                raise ModelError(f"the process of the textbook loop ended with status {self._process.exitcode}")
        try:
            said = self._ours.recv()
        except EOFError:
            raise ModelError("the process of the textbook loop ended without an answer") from None
        if isinstance(said, str):
            raise ModelError(f"the textbook loop failed: {said}")
        return said


def _answer(
    theirs: Connection,
    model: list[str] | nn.Module,
    load: dict[str, Any],
    x: NDArray[Any],
    sigma: float,
    num_classes: int,
) -> None:
    try:
        torch.set_num_threads(load.pop("threads"))
        device = torch.device(load.pop("device"))
        if not isinstance(model, nn.Module):
            from noiseproof.models import load as load_model

            model = load_model(model, **load).module
        base = model.to(device)  # this process's own copy
        at = torch.from_numpy(x).to(device)
        theirs.send(None)
        while True:
            batch, seconds = theirs.recv()
            textbook(base, at, sigma=sigma, n=batch, batch=batch, num_classes=num_classes)
            draws, spent, started = 0, time.process_time(), time.perf_counter()
            while (elapsed := time.perf_counter() - started) < seconds:
                textbook(base, at, sigma=sigma, n=batch, batch=batch, num_classes=num_classes)
                draws += batch
            theirs.send((draws / elapsed, time.process_time() - spent))
    except (EOFError, KeyboardInterrupt):
        os._exit(0)
    except Exception as error:  # noqa: BLE001  # told to the process that asked
        theirs.send((str(error).splitlines() or [type(error).__name__])[0])

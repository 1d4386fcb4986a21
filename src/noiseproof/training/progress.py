"""What a training run tells while it runs, and when it is done."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

_SECONDS_BETWEEN_REPORTS = 0.1  # a report reads numbers off the device, which waits for it


@dataclass(frozen=True)
class TrainProgress:
    """A moment of a training run.

    Attributes:
        epoch: epochs done before the one under way.
        epochs: how many there are.
        batch: batches done in this epoch.
        batches: how many an epoch has.
        loss: mean loss of this epoch so far.
        accuracy: fraction of the noisy training pictures classified right in this epoch so far; NaN where nothing
            classifies (a denoiser by MSE).
        images_per_second: over this call.
        seconds_left: until the last epoch is done, at this speed.
    """

    epoch: int
    epochs: int
    batch: int
    batches: int
    loss: float
    accuracy: float
    images_per_second: float
    seconds_left: float


@dataclass(frozen=True)
class TrainResult:
    """A finished training run.

    Attributes:
        out: the run folder, a spec for ``noiseproof.models.load``.
        epochs: how many epochs the weights saw.
        loss: mean loss of the last epoch.
        accuracy: fraction of the noisy training pictures classified right in the last epoch; NaN as above.
        fingerprint: of the base classifier or denoiser.
        seconds: wall time over all epochs, also those of earlier calls.
    """

    out: Path
    epochs: int
    loss: float
    accuracy: float
    fingerprint: str
    seconds: float


class Clock:
    """The speed of this call and the time left."""

    def __init__(self, done: int, epochs: int, batches: int, images: int) -> None:
        self.done, self.epochs, self.batches, self.images = done, epochs, batches, images
        self.began = self.reported = time.monotonic()

    def due(self, *, last: bool) -> bool:
        """Whether it is time for a report."""
        now = time.monotonic()
        if not last and now - self.reported < _SECONDS_BETWEEN_REPORTS:
            return False
        self.reported = now
        return True

    def moment(self, epoch: int, batch: int, seen: int, means: Tensor) -> TrainProgress:
        """The report after a batch, epoch and batch counted from 0."""
        loss, accuracy = means.tolist()
        speed = ((epoch - self.done) * self.images + seen) / (time.monotonic() - self.began)
        left = ((self.epochs - epoch) * self.images - seen) / speed
        return TrainProgress(epoch, self.epochs, batch + 1, self.batches, loss, accuracy, speed, left)

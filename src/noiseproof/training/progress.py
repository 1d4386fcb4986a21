"""What a training run tells while it runs, and when it is done."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from noiseproof.progress import Progress

_SECONDS_BETWEEN_REPORTS = 0.1  # a report reads numbers off the device, which waits for it


@dataclass(frozen=True)
class TrainResult:
    """A finished training run.

    Attributes:
        out: the run folder, a spec for ``noiseproof.models.load``.
        epochs: how many epochs the weights saw.
        loss: mean loss of the last epoch.
        accuracy: fraction of the noisy training pictures classified right in the last epoch; NaN where nothing
            classifies (a denoiser by MSE).
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

    def moment(self, epoch: int, batch: int, seen: int, means: Tensor) -> Progress:
        """The report after a batch, epoch and batch counted from 0."""
        loss, accuracy = means.tolist()
        speed = ((epoch - self.done) * self.images + seen) / (time.monotonic() - self.began)
        left = ((self.epochs - epoch) * self.images - seen) / speed
        done = (epoch * self.batches + batch + 1) / self.batches
        note = f"loss {loss:.3f}, {_quality(loss, accuracy)}, {speed:,.0f} pictures/s"
        return Progress(done, self.epochs, "epochs", note, left)


def _quality(loss: float, accuracy: float) -> str:
    """How good a model is so far; of a denoiser without a classifier, its peak signal-to-noise ratio."""
    if math.isnan(accuracy):
        return f"PSNR {-10 * math.log10(max(loss, 1e-12)):.1f} dB"
    return f"accuracy under noise {accuracy:.1%}"

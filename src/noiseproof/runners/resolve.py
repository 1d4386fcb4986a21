"""What is asked becomes a job: the model loaded, the data found, the inputs chosen, everything checked."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from noiseproof.data import given
from noiseproof.data.dataset import SomeUnreadable
from noiseproof.engine.contract import choose_devices
from noiseproof.errors import DataError
from noiseproof.models.classes import matched
from noiseproof.runners.executors import EXECUTORS
from noiseproof.runners.job import Job
from noiseproof.runners.model import model_of

if TYPE_CHECKING:
    import torch

    from noiseproof.asked import Asked, Compute, Subject
    from noiseproof.data import DataSet

log = logging.getLogger(__name__)


def resolve(asked: Asked) -> Job:
    """The job of a run: everything resolved and checked, nothing drawn.

    Raises:
        ValueError: an argument is out of range.
        NoiseproofError: model or data cannot be used.
    """
    subject, noise = asked.subject, asked.noise
    data = data_of(subject)
    indices = data.select(every=subject.every, start=subject.start, limit=subject.limit)
    skipped = unreadable(data, indices) if subject.skip_bad else {}
    known = data.pictures.unreadable if isinstance(data.pictures, SomeUnreadable) else {}
    if not subject.skip_bad and (bad := next((index for index in indices if index in known), None)) is not None:
        raise DataError(f"{known[bad]}, or go on past it with skip_bad (--skip-bad)")
    if len(skipped) == len(indices):
        raise DataError(f"none of the {len(indices)} pictures wanted of {data.name} can be read: {skipped[indices[0]]}")
    device, *others = devices_of(asked.compute)
    model = model_of(subject, data, sigma=noise.sigma)
    data = matched(data, model)
    trained, sigma = model.trained.get("sigma"), noise.sigma
    if isinstance(trained, int | float) and abs(trained - sigma) > 0.01 * sigma:
        text = "%s was trained with sigma %g, not %g: what it certifies holds, but it will not be much"
        log.warning(text, model.source, trained, sigma)
    wanted, noise = [index for index in indices if index not in skipped], noise.on(tuple(data.shape))
    return Job(asked, model, data, wanted, noise, device, asked.seed, skipped, tuple(others))


def data_of(subject: Subject) -> DataSet:
    """The data set that a subject names, or has."""
    return given(subject.data, split="test", root=subject.root)


def devices_of(compute: Compute) -> tuple[torch.device, ...]:
    """The devices of this process; the CPU where a backend knows no other and none is asked for, or others draw."""
    if not EXECUTORS.find(compute.executor).here:
        return choose_devices("cpu")  # to look at the model
    return choose_devices(
        "cpu" if compute.device == "auto" and compute.backend not in ("auto", "torch") else compute.device
    )


def device_of(compute: Compute) -> torch.device:
    """The device of what asks one alone.

    Raises:
        ValueError: several are named.
    """
    first, *others = devices_of(compute)
    if others and "," in compute.device:
        raise ValueError(f"device must be a single one here, got {compute.device!r}; give {first}")
    return first


def unreadable(data: DataSet, indices: Sequence[int]) -> dict[int, str]:
    """Which of these pictures cannot be read, and why; reads each of them once."""
    found: dict[int, str] = {}
    for index in indices:
        try:
            data.pixels(index)
        except DataError as error:
            found[index] = str(error)
    return found

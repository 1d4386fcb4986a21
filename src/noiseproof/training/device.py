"""Where a training runs: its device and its CPU threads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from noiseproof.errors import unknown


def find_device(name: str) -> torch.device:
    """The device of a name; under torchrun each process of a machine takes a CUDA device of its own.

    Raises:
        ValueError: the name is unknown, or the device is not here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    kinds = ("auto", "cpu", "cuda")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(unknown("device", name, kinds)) from None
    if device.type not in kinds:
        raise ValueError(unknown("device", name, kinds))
    if device.type == "cuda" and device.index is None and "LOCAL_RANK" in os.environ:
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    if device.type == "cuda" and not (device.index or 0) < torch.cuda.device_count():
        raise ValueError(f"device {device} is not here: torch sees {torch.cuda.device_count()} CUDA devices")
    return device


@contextmanager
def cpu_threads(threads: int) -> Iterator[None]:
    """Inside, torch uses so many intra-op threads.

    Raises:
        ValueError: threads is less than 1.
    """
    if threads < 1:
        raise ValueError(f"threads must be >= 1, got {threads}")
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        yield
    finally:
        torch.set_num_threads(before)

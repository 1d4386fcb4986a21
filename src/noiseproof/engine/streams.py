"""CUDA streams: used again, and watched for what waits for them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_GIVEN_BACK: dict[torch.device, list[torch.cuda.Stream]] = {}
"""Of the process, as what cuBLAS keeps is: 32 MiB for each stream that it was ever called on."""


def stream_for(device: torch.device) -> torch.cuda.Stream:
    """A stream of its own for whoever asks: one that was given back, or a new one."""
    given_back = _GIVEN_BACK.get(device)
    return given_back.pop() if given_back else torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # torch's stub


def give_back(device: torch.device, stream: torch.cuda.Stream) -> None:
    """Let the next one have a stream on which nothing is under way."""
    _GIVEN_BACK.setdefault(device, []).append(stream)


@contextmanager
def refusing_to_wait() -> Iterator[None]:
    """While inside, whatever waits for the device raises."""
    before = torch.cuda.get_sync_debug_mode()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch calls it a prototype
            torch.cuda.set_sync_debug_mode("error")
            yield
    finally:
        torch.cuda.set_sync_debug_mode(before)

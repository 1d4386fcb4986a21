"""Every random number of a training run is a pure function of (seed, purpose, epoch)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def derived_seed(seed: int, purpose: str, epoch: int) -> int:
    """A 31-bit seed by SHA-256: torch's CPU generator looks at 32 bits only, so nearby seeds must not be used.

    >>> derived_seed(0, "noise", 0) == derived_seed(0, "noise", 1)
    False
    """
    digest = hashlib.sha256(f"noiseproof training {seed} {purpose} {epoch}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def generator(device: torch.device, seed: int, purpose: str, epoch: int) -> torch.Generator:
    """A generator on the device, freshly seeded."""
    return torch.Generator(device).manual_seed(derived_seed(seed, purpose, epoch))


@contextmanager
def global_generator(device: torch.device, seed: int, purpose: str, epoch: int) -> Iterator[None]:
    """Inside, torch's global generators (dropout, initialisation) are seeded; after, they are as before."""
    on_gpu = device.type == "cuda"
    with torch.random.fork_rng(devices=[_index(device)] if on_gpu else []):
        torch.default_generator.manual_seed(derived_seed(seed, purpose, epoch))
        if on_gpu:
            torch.cuda.default_generators[_index(device)].manual_seed(derived_seed(seed, purpose, epoch))
        yield


def _index(device: torch.device) -> int:
    return torch.cuda.current_device() if device.index is None else device.index

"""Every random number of a training run is a pure function of (seed, purpose, epoch), however many processes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Part:
    """The rows of a joint batch that one process takes.

    Attributes:
        joint: rows of the joint batch.
        rows: which of them are here.
        weight: what the mean over these rows counts in the mean over the processes; 1 where all have as many.
    """

    joint: int
    rows: slice
    weight: float


class JointGenerator(torch.Generator):
    """A generator all processes of a training have in the same state; ``part`` says which rows are this one's."""

    part: Part | None = None


def normal(x: Tensor, *, m: int = 1, generator: torch.Generator) -> Tensor:
    """Standard normal noise for m copies of a batch: [m * batch, ...], copy after copy.

    From a ``JointGenerator`` it is this process's rows of the noise of the joint batch: the same noise as in a
    single process, at the cost of drawing all of it.
    """
    part = generator.part if isinstance(generator, JointGenerator) else None
    joint = len(x) if part is None else part.joint
    # Drawn in the plain layout: nine times as fast there as in a channels-last tensor.
    noise = torch.randn((m * joint, *x.shape[1:]), generator=generator, device=x.device, dtype=x.dtype)
    return noise if part is None else noise.view(m, joint, *x.shape[1:])[:, part.rows].flatten(0, 1)


def uniform(x: Tensor, *, generator: torch.Generator) -> Tensor:
    """A number in [0, 1) for each entry of a batch: [batch]; of a joint batch, this process's."""
    part = generator.part if isinstance(generator, JointGenerator) else None
    size = (len(x) if part is None else part.joint,)
    drawn = torch.rand(size, generator=generator, device=x.device, dtype=x.dtype)
    return drawn if part is None else drawn[part.rows]


def derived_seed(seed: int, purpose: str, epoch: int) -> int:
    """A 31-bit seed by SHA-256: torch's CPU generator looks at 32 bits only, so nearby seeds must not be used.

    >>> derived_seed(0, "noise", 0) == derived_seed(0, "noise", 1)
    False
    """
    digest = hashlib.sha256(f"noiseproof training {seed} {purpose} {epoch}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def generator(device: torch.device, seed: int, purpose: str, epoch: int) -> JointGenerator:
    """A generator on the device, freshly seeded."""
    made = JointGenerator(device)
    made.manual_seed(derived_seed(seed, purpose, epoch))
    return made


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

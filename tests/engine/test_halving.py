"""Memory that runs out: the batch is halved, and what it took is given back first."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from noiseproof.engine import OutOfMemoryError, Segment, TorchBackend
from noiseproof.engine.graph import GraphBackend
from noiseproof.engine.halving import in_batches_that_fit
from noiseproof.engine.pooled import is_out_of_memory
from noiseproof.noises import Gaussian, Words

SHAPE = (1, 4, 4)


class Greedy(nn.Module):
    """Fits four rows; keeps track of what its activations are."""

    def __init__(self, fits: int = 4) -> None:
        super().__init__()
        self.fits, self.activations = fits, []

    def forward(self, x):
        activation = torch.zeros(100)
        self.activations.append(weakref.ref(activation))
        if len(x) > self.fits:
            raise torch.OutOfMemoryError("CUDA out of memory (pretended)")
        return x.flatten(1)[:, :3]


def made(base, size, kind) -> TorchBackend:
    return kind(base, num_classes=3, noise=Gaussian(0.5), shape=SHAPE, device="cpu", batch_size=size)


def segment(n: int) -> Segment:
    return Segment(np.zeros(SHAPE, np.uint8), Words(0, "k", "s"), 0, n)


@pytest.mark.parametrize("kind", [TorchBackend, GraphBackend])
def test_half_until_it_fits_and_one_backend_at_a_time(kind):
    base, alive, sizes = Greedy(), [], []

    def make(size):
        gc.collect()
        assert all(backend() is None for backend in alive), "the old one is gone before the new one is made"
        backend = made(base, size, kind)
        alive.append(weakref.ref(backend))
        sizes.append(backend.batch_size)
        return backend

    found = in_batches_that_fit(make, lambda backend: backend.submit([segment(3)]).result().sum(), 32)
    assert found == 3
    assert sizes == [32, 16, 8, 4]


def test_a_row_that_does_not_fit_is_told():
    with pytest.raises(OutOfMemoryError, match="a batch of 1 does not fit"):
        in_batches_that_fit(
            lambda size: made(Greedy(fits=0), size, TorchBackend),
            lambda backend: backend.submit([segment(1)]).result(),
            4,
        )


@pytest.mark.parametrize("kind", [TorchBackend, GraphBackend])
@pytest.mark.parametrize(
    "act",
    [lambda b: b.submit([segment(3)]).result(), lambda b: b.answers(torch.zeros(16, *SHAPE))],
    ids=["draw", "ask"],
)
def test_activations_do_not_outlive_the_error(kind, act):
    base = Greedy()
    backend = made(base, 16, kind)
    gc.collect()
    gc.disable()
    try:
        with pytest.raises(OutOfMemoryError):
            act(backend)
        assert [activation() for activation in base.activations] == [None]
    finally:
        gc.enable()
        backend.close()


def test_cudnn_without_an_engine_is_memory():
    assert is_out_of_memory(RuntimeError("FIND was unable to find an engine to execute this computation"))
    assert not is_out_of_memory(ValueError("FIND was unable to find an engine to execute this computation"))

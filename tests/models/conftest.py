"""New models draw their weights from torch's global generator: each test has it seeded."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import nn

from noiseproof.engine import Drawn, Engine, Task
from noiseproof.engine.choose import backend_for
from noiseproof.noises import Gaussian
from noiseproof.procedures import Predict

Votes = Callable[..., list[int]]


@pytest.fixture(autouse=True)
def same_weights() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.fixture
def network() -> nn.Module:
    """A small classifier of pictures (3, 8, 8) into 4 classes; its scores are far enough apart under noise."""
    made = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(96, 4)
    )
    made[1].running_mean.normal_(0, 0.2)
    made[1].running_var.uniform_(0.5, 2)
    return made.eval()


@pytest.fixture
def balanced() -> Callable[..., nn.Module]:
    """Makes a new network's classes about equally likely under noise, by the bias of its last layer."""

    def balance(base: nn.Module, bias: torch.Tensor, shape: tuple[int, ...]) -> nn.Module:
        with torch.no_grad():
            bias -= base(torch.rand(64, *shape) + 0.5 * torch.randn(64, *shape)).mean(dim=0)
        return base

    return balance


@pytest.fixture
def votes() -> Votes:
    """Class votes of 1,000 draws of exact noise around one picture, through the engine; always the same draws."""

    def count(base: nn.Module, num_classes: int = 4, shape: tuple[int, ...] = (3, 8, 8), n: int = 1000) -> list[int]:
        noise = Gaussian(sigma=0.5).on(shape)
        x = noise.encode(np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8))
        backend = backend_for(
            "torch", base, num_classes=num_classes, noise=noise, shape=shape, batch_size=64, workers=2
        )
        try:
            events = list(Engine(backend, noise, 3).run(Predict(n=n), [Task("picture", x)]))
        finally:
            backend.close()
        counts = np.sum([event.votes for event in events if isinstance(event, Drawn)], axis=0)
        assert (counts > n // 50).sum() >= 2, "draws that all vote alike compare nothing"
        return [int(count) for count in counts]

    return count

"""A tiny data set and a tiny model, so that a whole run takes a moment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from noiseproof.data import DataSet

SHAPE = (1, 4, 4)


@pytest.fixture
def data() -> DataSet:
    """Eight pictures of three classes; 2 and 5 are equal to 1."""
    generator = np.random.default_rng(0)
    pictures = generator.integers(0, 256, (8, *SHAPE), dtype=np.uint8)
    pictures[2] = pictures[5] = pictures[1]
    return DataSet("tiny:test", ("a", "b", "c"), SHAPE, generator.integers(0, 3, 8), pictures)


@pytest.fixture
def model() -> Any:
    return tiny_model()


@pytest.fixture
def make_model() -> Callable[..., Any]:
    return tiny_model


def tiny_model(classes: int = 3, seed: int = 0) -> Any:
    import torch
    from torch import nn

    base = nn.Sequential(nn.Flatten(), nn.Linear(16, classes))
    generator = torch.Generator().manual_seed(seed)
    for parameter in base.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    return base.eval().requires_grad_(False)


@pytest.fixture
def certified(data: DataSet, model: Any, tmp_path: Path) -> Callable[..., Any]:
    """Certify the tiny data with the tiny model; changes win."""
    from tests.asking import certify

    def run(out: str = "run", **changes: Any) -> Any:
        settings = {
            "model": model,
            "data": data,
            "sigma": 0.5,
            "out": tmp_path / out,
            "n0": 20,
            "n": 300,
            "num_classes": 3,
            "device": "cpu",
            "batch_size": 32,
            "workers": 1,
        }
        return certify(**(settings | changes))

    return run


@pytest.fixture
def as_set() -> Callable[..., Any]:
    """What two equal runs have in common: counts and certificates, as a set."""

    def take(run: Any) -> set[Any]:
        return {(r.key, r.index, r.label, r.answers, r.outcome) for r in run.records}

    return take

"""Tiny pictures that a LeNet learns in a moment, and one thread."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from noiseproof.data import DataSet


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def stripes() -> DataSet:
    return make_stripes()


def make_stripes(n: int = 40) -> DataSet:
    """Rows, columns or a flat grey, each with some noise of its own."""
    random = np.random.Generator(np.random.Philox(key=1))
    labels = random.integers(0, 3, n)
    pictures = random.integers(0, 60, (n, 1, 16, 16)).astype(np.uint8)
    pictures[labels == 0, :, ::4, :] = 250
    pictures[labels == 1, :, :, ::4] = 250
    return DataSet("stripes:train", ("rows", "columns", "grey"), (1, 16, 16), labels, pictures)

"""New models draw their weights from torch's global generator: each test has it seeded."""

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def same_weights() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield

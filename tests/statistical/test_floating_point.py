"""Certificates that floating point makes false, and the integers that cure them.

In float32, picture + noise keeps low bits of the picture: noise in (-2, -1) is a multiple of 2^-23, so where the sum
lies in (-1, -1/2), the parity of its 2^-24 is the parity of the pixel's. A classifier may read it.
"""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import torch
from torch import nn

from noiseproof.engine import Drawn, Engine, Task, TorchBackend
from noiseproof.noises import Gaussian
from noiseproof.procedures import Certify, replay
from noiseproof.types import Answer, Certificate

N = 20_000
PROCEDURE = Certify(n0=100, n=N, alpha=0.001)


class Parity(nn.Module):
    """Class 1 where odd multiples of 2^-24 outnumber even ones among the coordinates in (-1, -1/2), else class 0."""

    def forward(self, v: torch.Tensor) -> torch.Tensor:
        odd = torch.remainder(v.double() * 2**24, 2) == 1
        seen = (v > -1) & (v < -0.5)
        more = (seen & odd).sum(dim=1) - (seen & ~odd).sum(dim=1)
        return torch.stack([torch.zeros_like(more), 2 * more - 1], dim=1).float()


def textbook(x: np.ndarray, n: int, seed: int) -> tuple[int, int]:
    """Votes of the textbook algorithm: float32 picture + sigma * float32 noise, sigma = 1."""
    generator = np.random.default_rng(seed)
    ones = 0
    for _ in range(n // 100):
        noisy = x.astype(np.float32) + generator.standard_normal((100, x.size), dtype=np.float32)
        ones += int(Parity()(torch.from_numpy(noisy)).argmax(dim=1).sum())
    return n - ones, ones


def textbook_certificate(x: np.ndarray) -> Certificate:
    answers = [Answer("select", 100, textbook(x, 100, 1))]
    answers += [Answer("estimate", n, textbook(x, n, n)) for n in (100, 900, 9000, 10_000)]
    outcome = replay(PROCEDURE, Gaussian(sigma=1.0, grid=None), answers)
    assert isinstance(outcome, Certificate)
    return outcome


def test_the_textbook_certifies_two_classes_at_once():
    """d = 1000, x = 1/2 + 2^-24 against 1/2: radius 3.39 each, 1.9e-6 apart; off the grid, exact noise refuses x."""
    x, other = np.full(1000, 0.5 + 2.0**-24), np.full(1000, 0.5)
    one, two = textbook_certificate(x), textbook_certificate(other)
    assert (one.prediction, two.prediction) == (1, 0)
    assert one.radius == two.radius == pytest.approx(3.39, abs=0.01)
    assert np.linalg.norm(x - other) == pytest.approx(1.9e-6, rel=0.02)
    with pytest.raises(ValueError, match=re.escape("inputs must lie on the grid k/255 (one is 0.5 of a step away)")):
        Gaussian(sigma=1.0).encode(x)


def test_it_does_so_on_8_bit_pictures_too():
    """128/255 against 129/255 on 120 coordinates: radius 3.39 each, .043 apart."""
    x, other = np.full(120, 128 / 255), np.full(120, 129 / 255)
    one, two = textbook_certificate(x), textbook_certificate(other)
    assert {one.prediction, two.prediction} == {0, 1}
    assert min(one.radius, two.radius) == pytest.approx(3.39, abs=0.01)
    assert np.linalg.norm(x - other) == pytest.approx(0.043, abs=1e-4)


def exact_certificate(pixel: int) -> tuple[Certificate, int]:
    """What noiseproof says of 120 such pixels, and how many of its n draws voted for class 1."""
    noise = Gaussian(sigma=1.0).on((120,))
    backend = TorchBackend(Parity(), num_classes=2, noise=noise, shape=(120,), batch_size=1000, workers=1)
    ones = 0
    try:
        for event in Engine(backend, noise).run(PROCEDURE, [Task(f"{pixel}-0", np.full(120, pixel, np.uint8))]):
            if isinstance(event, Drawn):
                ones += event.votes[1] if event.stage == "estimate" else 0
            else:
                assert isinstance(event.outcome, Certificate)
                return event.outcome, ones
    finally:
        backend.close()
    raise AssertionError


def test_exact_integers_leave_nothing_to_read():
    """The same classifier on picture + integers sees only the sum, whose law hardly differs between the two pictures.

    Two neighbours are .043 = 1 step apart in 120 coordinates, so for any classifier Phi^-1 of its p moves by at most
    .043: the theorem itself. Held against the votes with a false alarm of 1e-6; the leak moved p from 0 to 1.
    """
    (one, ones), (two, twos) = exact_certificate(128), exact_certificate(129)
    distance = math.sqrt(120) / 255
    assert max(one.radius, two.radius) < 0.5, "the parity of the sum is nearly a coin"
    most_apart = 0.4 * distance + 2 * 4.9 * math.sqrt(0.25 / N)
    assert abs(ones - twos) / N < most_apart < 0.06
    assert abs(ones / N - 0.5) < 0.1

"""What is measured is what it says; never how fast."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from noiseproof.engine.choose import backend_for
from noiseproof.noises import Gaussian
from noiseproof.runners.rates import certify_rate, forward_rate, interleaved, mflop

SHAPE = (1, 4, 4)


def base() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 3)).eval().requires_grad_(False)


def test_they_take_turns_and_a_round_that_warms_up_is_not_counted():
    calls = []

    def measured(name):
        def rate(seconds):
            calls.append((name, seconds))
            return float(len(calls)), 0.0

        return rate

    rates, foreign = interleaved({"a": measured("a"), "b": measured("b")}, seconds=2.0, rounds=3)
    assert calls == [("a", 1.0), ("b", 1.0)] + [("a", 2.0), ("b", 2.0)] * 3
    assert rates == {"a": (3.0, 5.0, 7.0), "b": (4.0, 6.0, 8.0)}
    assert 0.0 <= foreign <= 1.0


def test_certify_and_forward_count_rows():
    """Between the batches that were run and those that came back in time."""
    noise = Gaussian(sigma=0.5).on(SHAPE)
    backend = backend_for("torch", base(), num_classes=3, noise=noise, shape=SHAPE, batch_size=16, workers=2)
    calls = []
    plain = type(backend).scores
    x = np.zeros(SHAPE, np.uint8)
    try:
        backend.scores = lambda batch: calls.append(len(batch)) or plain(backend, batch)
        rate = certify_rate(backend, noise, [x], 0.2)
        assert 0.2 * rate <= sum(calls)
        assert rate > 0
        calls.clear()
        assert forward_rate(backend, 0.1) * 0.1 <= sum(calls) * 1.0001
    finally:
        backend.close()
    assert set(calls) == {16}


def test_flops_are_two_a_multiplication():
    assert mflop(base(), SHAPE) == 2 * 16 * 3 / 1e6

"""How far scores may vary, and what follows for a vote."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch

from noiseproof.checks.variation import argmax_changes, largest_variation, tolerance_for, variation

NAN = float("nan")


def test_variation_is_a_share_of_the_rows_own_largest_score():
    one = torch.tensor([[1.0, -8.0], [0.5, 0.25]])
    assert variation(one, one.clone()) == 0
    assert variation(one, one + torch.tensor([[0.0, 1.0], [0.0, 0.0]])) == 0.125
    assert variation(one, one + torch.tensor([[0.0, 1.0], [0.25, 0.0]])) == 0.5
    assert variation(torch.zeros(1, 2), torch.zeros(1, 2)) == 0


def test_rows_that_are_no_numbers():
    one = torch.tensor([[1.0, NAN], [1.0, 2.0]])
    assert variation(one, one.clone()) == 0
    assert variation(one, torch.ones(2, 2)) == float("inf")
    assert variation(one[:1], one[:1].clone()) == 0


def test_the_tolerance_is_eight_times_what_was_measured_as_a_power_of_two():
    assert tolerance_for(0.0) == 0
    for measured in (1e-8, 2.0**-20, 3e-4):
        assert 8 * measured <= tolerance_for(measured) < 16 * measured
        assert torch.tensor(tolerance_for(measured)).log2() % 1 == 0


def test_what_rounding_can_do():
    assert largest_variation(torch.float32) == largest_variation(torch.float64) == 1e-3
    assert 1e-3 < largest_variation(torch.float16) < largest_variation(torch.bfloat16) < 0.2


def test_argmax_may_change_within_the_tolerance_only():
    one, other = torch.tensor([[1.0, 0.9], [1.0, 0.5]]), torch.tensor([[0.9, 1.0], [1.0, 0.5]])
    assert argmax_changes(one, other, 0.05) == 1
    assert argmax_changes(one, other, 0.2) == 0

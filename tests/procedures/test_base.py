from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noiseproof.procedures.base import ask, largest_rival, prefixes
from noiseproof.types import Draw


def answered(n: int, answers: Iterable[object]) -> np.ndarray:
    """What ``ask`` returns when its requests get these answers."""
    asking = ask("estimate", n)
    next(asking)
    for answer in answers:
        try:
            asking.send(answer)
        except StopIteration as done:
            return done.value
    raise AssertionError("it wants more")


@given(st.integers(1, 10**7))
def test_prefixes_end_at_every_power_of_ten_from_a_hundred_on(n: int):
    ends = np.cumsum(list(prefixes(n))).tolist()
    assert ends == [10**k for k in range(2, 8) if 10**k < n] + [n]


def test_ask_adds_the_votes_of_its_prefixes():
    requests = []
    asking = ask("estimate", 1500)
    requests.append(next(asking))
    requests.append(asking.send(np.array([90, 10])))
    requests.append(asking.send(np.array([800, 90])))  # ten void draws
    with pytest.raises(StopIteration) as done:
        asking.send(np.array([1, 499]))
    assert requests == [Draw("estimate", 100), Draw("estimate", 900), Draw("estimate", 500)]
    assert done.value.value.tolist() == [891, 599]
    assert done.value.value.dtype == np.int64


@pytest.mark.parametrize(
    "votes",
    [
        [101, 0],
        [60, 41],
        [101, -1],
        [50, -1],
        [100],
        [],
        [[50, 50]],
        [2**62, 2**62, 2**62, 2**62],  # sums to 0 in 64 bits
        [2**63 - 1, 1],
    ],
)
def test_votes_that_n_draws_cannot_give_are_refused(votes: list[int]):
    shown = re.escape(f"votes must be one count >= 0 a class (two or more) with a sum of at most 100, got {votes}")
    with pytest.raises(ValueError, match=shown):
        answered(100, [np.array(votes, dtype=np.int64)])


def test_votes_at_the_edge_are_taken():
    assert answered(100, [np.array([0, 100, 0])]).tolist() == [0, 100, 0]
    assert answered(100, [np.array([0, 0])]).tolist() == [0, 0]


def test_the_largest_rival_has_all_void_draws():
    votes = np.array([50, 20, 25])
    assert largest_rival(votes, 0, 95) == 25
    assert largest_rival(votes, 0, 100) == 30
    assert largest_rival(votes, 2, 100) == 55
    assert largest_rival(np.array([90, 0]), 0, 100) == 10

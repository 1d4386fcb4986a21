"""Votes read like the tuple of all of them, whatever room they take."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noiseproof.tallies import CLASS_VOTES, Votes

COUNTS = st.lists(st.integers(-3, 50), min_size=1, max_size=12)


@given(counts=COUNTS)
def test_it_reads_like_the_tuple(counts):
    for votes in (Votes.of(counts), Votes.of(np.array(counts, dtype=np.int64)), Votes.of(tuple(counts))):
        assert votes == tuple(counts)
        assert tuple(counts) == votes
        assert hash(votes) == hash(tuple(counts))
        assert repr(votes) == repr(tuple(counts))
        assert list(votes) == counts == [votes[i] for i in range(len(counts))]
        assert votes[-1] == counts[-1]
        assert votes[1:3] == tuple(counts[1:3])
        assert (len(votes), votes.total, votes.argmax()) == (len(counts), sum(counts), int(np.argmax(counts)))
        assert np.array_equal(votes.array(), counts)
        assert np.array(votes, dtype=np.int64).tolist() == counts
        assert 0 not in votes.counts.values()
        assert list(votes.counts) == sorted(votes.counts)
        assert pickle.loads(pickle.dumps(votes)) == votes


@given(pair=st.integers(1, 6).flatmap(lambda n: st.tuples(*[st.lists(st.integers(0, 5), min_size=n, max_size=n)] * 2)))
def test_they_add(pair):
    one, other = map(Votes.of, pair)
    assert one + other == Votes.sum([one, other]) == tuple(a + b for a, b in zip(*pair, strict=True))


@given(counts=COUNTS, n=st.integers(0, 100))
def test_what_class_votes_say_of_them_is_what_they_say_of_the_tuple(counts, n):
    holds = len(counts) >= 2 and min(counts) >= 0 and sum(counts) <= n
    assert CLASS_VOTES.holds(Votes.of(counts), n) == CLASS_VOTES.holds(counts, n) == holds
    assert CLASS_VOTES.holds_all(np.array(counts, dtype=np.int64), n) == holds
    assert CLASS_VOTES.void(Votes.of(counts), n) == n - sum(counts)


def test_counts_that_would_overflow_are_none():
    assert not CLASS_VOTES.holds_all(np.full(4, 1 << 62, dtype=np.int64), 100)
    assert not CLASS_VOTES.holds([1 << 62] * 4, 100)


def test_other_votes_are_other():
    votes = Votes(3, {1: 2})
    assert votes != Votes(4, {1: 2})
    assert votes != (0, 1, 0)
    assert votes != "020"
    assert (votes == 5) is False


def test_what_makes_no_sense():
    for counts in ({3: 1}, {-1: 1}):
        with pytest.raises(ValueError, match=r"votes must be for the slots 0\.\.2, got some for"):
            Votes(3, counts)
    with pytest.raises(ValueError, match="votes of 3 and of 4 slots do not add"):
        Votes(3, {}) + Votes(4, {})
    with pytest.raises(IndexError):
        _ = Votes(3, {})[3]

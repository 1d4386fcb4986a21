"""What journal lines add up to, and which of them are refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from noiseproof.errors import RunError
from noiseproof.store.state import Range, State, range_entry, record_entry
from noiseproof.types import Answer, Certificate, Prediction

OUTCOME = Certificate(1, 0.5, 0.9, 0.1)


def range_of(first: int, n: int, votes: tuple[int, ...] = (1, 2), stage: str = "s", key: str = "k") -> dict[str, Any]:
    return range_entry(key, stage, Range(first, n, votes, 0.5))


def record_of(*requests: tuple[str, int], key: str = "k") -> dict[str, Any]:
    return record_entry(key, 7, 1, list(requests), OUTCOME)


def state_of(*entries: dict[str, Any]) -> State:
    state = State()
    for entry in entries:
        state.apply(json.loads(json.dumps(entry)))
    return state


def test_ranges_are_put_together_to_the_requests_they_answer():
    state = state_of(
        {"is": "session", "device": "cpu"},
        range_of(0, 3, (1, 2), "a"),
        range_of(0, 5, (0, 4), "b"),
        range_of(3, 7, (3, 4), "a"),
        range_of(10, 5, (5, 0), "a"),
        record_of(("a", 10), ("b", 5), ("a", 5)),
    )
    record = state.records["k"]
    assert record.answers == (Answer("a", 10, (4, 6)), Answer("b", 5, (0, 4)), Answer("a", 5, (5, 0)))
    assert (record.index, record.label, record.outcome, record.seconds) == (7, 1, OUTCOME, 2.0)
    assert (record.draws, record.void) == (20, 1)
    assert state.open == {}
    assert state.drawn_in == {}


def test_a_prediction_is_an_outcome_too():
    said = record_entry("k", 7, None, [("s", 3)], Prediction(1, 0.25))
    assert state_of(range_of(0, 3), said).records["k"].outcome == Prediction(1, 0.25)


def test_an_unfinished_input_knows_the_session_it_was_begun_in():
    state = state_of(
        {"is": "session"},
        range_of(0, 3, key="one"),
        {"is": "session"},
        range_of(3, 3, key="one"),
        range_of(0, 3, key="two"),
    )
    assert state.drawn_in == {"one": 0, "two": 1}
    assert [drawn.first for drawn in state.open["one"]["s"]] == [0, 3]


def test_a_restart_forgets_the_draws():
    state = state_of(
        {"is": "session"}, range_of(0, 3), {"is": "session"}, {"is": "restart", "key": "k"}, range_of(0, 3)
    )
    assert state.open == {"k": {"s": [Range(0, 3, (1, 2), 0.5)]}}
    assert state.drawn_in == {"k": 1}


@pytest.mark.parametrize(
    ("entries", "text"),
    [
        ([range_of(0, 3), range_of(2, 3)], "draws of 's' of input k should go on at 3, but a range begins at 2"),
        ([range_of(0, 3), range_of(0, 3)], "should go on at 3, but a range begins at 0"),
        ([range_of(0, 3), range_of(4, 3)], "should go on at 3, but a range begins at 4"),
        ([range_of(1, 3)], "should go on at 0, but a range begins at 1"),
        ([range_of(-3, 3)], "should go on at 0, but a range begins at -3"),
        ([range_of(0, 3), record_of(("s", 3)), range_of(3, 3)], "input k is finished, but more of its draws follow"),
        ([range_of(0, 3), record_of(("s", 3)), record_of(("s", 3))], "input k is finished twice"),
        ([range_of(0, 2)], r"2 draws of input k cannot give the votes \[1, 2\]"),
        ([range_of(0, 3, (-1, 2))], r"3 draws of input k cannot give the votes \[-1, 2\]"),
        ([range_of(0, 3, (3,))], r"cannot give the votes \[3\]"),
        ([range_of(0, 0, (0, 0))], r"0 draws of input k cannot give the votes \[0, 0\]"),
        ([range_of(0, 3), record_of(("s", 4))], "input k is closed, but 1 of 4 draws of 's' are missing"),
        ([record_of(("s", 4))], "input k is closed, but 4 of 4 draws of 's' are missing"),
        ([range_of(0, 3), record_of(("s", 2))], "input k: a range of 's' straddles the request of 2 draws"),
        ([range_of(0, 3), record_of(("s", 0))], "input k: a range of 's' straddles the request of 0 draws"),
        (
            [range_of(0, 3), range_of(3, 3), record_of(("s", 3))],
            "input k is closed, but has more draws of 's' than were asked for",
        ),
        (
            [range_of(0, 3), range_of(0, 3, stage="other"), record_of(("s", 3))],
            "has more draws of 'other' than were asked for",
        ),
        ([range_of(0, 3), range_of(3, 3, (1, 1, 1))], "input k has votes for 2 and for 3 classes"),
        ([range_of(0, 3), range_of(0, 3, (1, 1, 1), "other")], "input k has votes for 2 and for 3 classes"),
        ([{"is": "surprise"}], "a line is a 'surprise', which this version does not know"),
        ([{"key": "k"}], r"a 'nameless' line is malformed \(KeyError\('is'\)\)"),
        ([{"is": "range", "key": "k"}], "a 'range' line is malformed"),
        ([range_of(0, 3) | {"votes": None}], "a 'range' line is malformed"),
        ([range_of(0, 3) | {"votes": ["x"]}], "a 'range' line is malformed"),
        ([range_of(0, 3) | {"first": float("inf")}], "a 'range' line is malformed"),
        ([range_of(0, 3) | {"key": []}], "a 'range' line is malformed"),
        ([range_of(0, 3), record_of(("s", 3)) | {"outcome": {"type": "guess"}}], "a 'record' line is malformed"),
        ([range_of(0, 3), record_of(("s", 3)) | {"outcome": {"type": "certificate"}}], "a 'record' line is malformed"),
        ([range_of(0, 3), record_of(("s", 3)) | {"requests": [["s"]]}], "a 'record' line is malformed"),
    ],
)
def test_what_contradicts_the_lines_before_is_refused_and_changes_nothing(entries, text):
    state = state_of({"is": "session"}, *entries[:-1])
    before = json.dumps([state.open, state.drawn_in, list(state.records)], default=repr)
    with pytest.raises(RunError, match=text):
        state.apply(entries[-1])
    assert json.dumps([state.open, state.drawn_in, list(state.records)], default=repr) == before

"""What journal lines add up to, and which of them are refused."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import numpy as np
import pytest

from noiseproof.errors import RunError
from noiseproof.store.lines import decoded, encoded
from noiseproof.store.state import Range, State, range_line, record_line
from noiseproof.types import Answer, Certificate, Prediction

OUTCOME = Certificate(1, 0.5, 0.9, 0.1)


def range_of(first: int, n: int, votes: tuple[int, ...] = (1, 2), stage: str = "s", key: str = "k") -> dict[str, Any]:
    return msgspec.to_builtins(range_line(key, stage, Range(first, n, votes, 0.5), dense=True))


def record_of(*requests: tuple[str, int], key: str = "k") -> dict[str, Any]:
    return msgspec.to_builtins(record_line(key, 7, 1, list(requests), OUTCOME))


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
    said = msgspec.to_builtins(record_line("k", 7, None, [("s", 3)], Prediction(1, 0.25)))
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


def sparse(first: int, n: int, votes: object) -> dict[str, Any]:
    return range_of(first, n) | {"votes": votes}


def test_votes_by_class_are_those_of_all_classes():
    state = State(slots=4)
    for entry in (sparse(0, 5, {"1": 2, "3": 3}), range_of(5, 3, (0, 1, 0, 2)), sparse(8, 2, {}), record_of(("s", 10))):
        state.apply(json.loads(json.dumps(entry)))
    record = state.records["k"]
    assert record.answers == (Answer("s", 10, (0, 3, 0, 5)),)
    assert (record.draws, record.void, record.requests) == (10, 2, (("s", 10),))


@pytest.mark.parametrize(
    ("votes", "text"),
    [
        ({"4": 1}, r"votes must be for the slots 0\.\.3, got some for 4\.\.4"),
        ({"-1": 1}, "got some for -1..-1"),
        ({"1": 0}, "a vote of 0 is not written"),
        ({"1": 1.0}, "malformed"),
        ({"1": True}, "malformed"),
        ({"1": "1"}, "malformed"),
        ({"one": 1}, "malformed"),
        ({"01": 1}, "malformed"),
        ({"1": 1 << 63}, "malformed"),
        ({"1": 6}, r"5 draws of input k cannot give the votes \[0, 6, 0, 0\]"),
        ({"1": -1}, r"cannot give the votes \[0, -1, 0, 0\]"),
        ("1", "malformed"),
        ([1, 2, 0], "input k has votes for 4 and for 3 classes"),
    ],
)
@pytest.mark.parametrize("written", [True, False], ids=["as this package writes", "in another order"])
def test_votes_that_are_none(votes, text, written):
    state = State(slots=4)
    state.apply(sparse(0, 5, {"1": 2}))
    entry = sparse(5, 5, votes)
    if not written:
        entry = dict(reversed(entry.items()))
    with pytest.raises(RunError, match=text):
        state.apply(decoded(json.dumps(entry, separators=(",", ":")).encode()))
    assert [drawn.first for drawn in state.open["k"]["s"]] == [0]


def test_votes_by_class_need_to_know_how_many_there_are():
    with pytest.raises(RunError, match="the manifest does not say of how many"):
        State().apply(sparse(0, 5, {"1": 2}))


def test_numbers_of_numpy_are_written_as_numbers():
    outcome = Certificate(np.int64(1), np.float64(0.25), np.float64(0.9), np.float32(0.5))
    line = record_line("k", 7, 1, [("s", np.int64(3))], outcome)
    assert json.loads(encoded(line))["outcome"] == {
        "type": "certificate", "prediction": 1, "radius": 0.25, "p_lower": 0.9, "p_upper": 0.5, "norm": "l2",
    }  # fmt: skip


@pytest.mark.parametrize("wrong", [float("inf"), float("nan"), np.float64("inf"), np.float32("nan")])
def test_a_number_that_json_has_not_is_not_written(wrong):
    with pytest.raises(ValueError, match="numbers of a line must be finite, got"):
        encoded(record_line("k", 7, 1, [("s", 3)], Certificate(1, wrong, 0.9, 0.1)))
    with pytest.raises(ValueError, match="numbers of a line must be finite, got"):
        encoded(range_line("k", "s", Range(0, 3, (1, 2), wrong)))

from __future__ import annotations

from dataclasses import replace

import pytest

from noiseproof.analysis.votes import draws_by_stage, spent, true_class_shares
from noiseproof.procedures import Decide
from noiseproof.store import read_run


def test_the_share_of_the_true_class_leaves_the_selection_out(make_run):
    records = read_run(make_run("a", (0.9, 0.5, 0.7), labels=[0, 1, 2])).records
    assert true_class_shares(records).tolist() == pytest.approx([0.0, 0.5, 0.9])
    select, *estimate = records[0].answers
    other = replace(records[0], answers=(replace(select, votes=(0, 100, 0)), *estimate))
    assert true_class_shares([other]).tolist() == [0.9]


def test_there_is_none_without_votes_or_labels(make_run):
    records = read_run(make_run("a", (0.9, 0.5), labels=[0, None])).records
    assert len(true_class_shares(records)) == 0
    assert len(true_class_shares([replace(records[0], answers=())])) == 0
    assert true_class_shares([replace(records[0], answers=()), records[0]]).tolist() == [0.0, 0.9]


def test_what_was_spent_adds_up(make_run):
    records = read_run(make_run("a", (0.99, 0.1, 0.5))).records
    found = {each.outcome: (each.inputs, each.draws) for each in spent(records)}
    assert found == {"right": (1, 1100), "wrong": (1, 1100), "abstained": (1, 1100)}
    assert draws_by_stage(records) == {"select": 300, "estimate": 3000}
    assert sum(each.seconds for each in spent(records)) == pytest.approx(sum(record.seconds for record in records))
    decided = read_run(make_run("b", (0.999, 0.1, 0.5), procedure=Decide(radius=0.2, n_max=1000))).records
    assert {each.outcome for each in spent(decided)} == {"right", "wrong", "not certified"}

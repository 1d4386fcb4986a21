"""Verification against an attacker who can chain a changed journal anew: the statistics still have to hold."""

from __future__ import annotations

from dataclasses import replace

import pytest

from noiseproof.errors import RunError
from noiseproof.procedures import Decide, replay
from noiseproof.store import (
    Manifest,
    Range,
    RunFolder,
    Verification,
    VerificationError,
    read_manifest,
    read_run,
    verify,
)
from noiseproof.store.manifest import write_manifest


@pytest.fixture(autouse=True, params=[None, 2, 3], ids=["in order", "two shares", "three shares"])
def _in_order_and_in_shares(request, in_shares):
    if request.param:
        in_shares(request.param)


def test_a_good_run(finished_run):
    assert verify(finished_run) == Verification(records=3, draws=630, void=8, unfinished=1)
    assert verify(str(finished_run)).records == 3


def test_a_torn_last_line_is_no_fault(finished_run):
    journal = finished_run / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-9])
    assert verify(finished_run).records == 3


def test_an_unfinished_input_is_none_again_after_a_restart(finished_run, manifest):
    with RunFolder(finished_run, manifest) as folder:
        folder.restart("d-0")
    assert verify(finished_run).unfinished == 0


def test_a_changed_digit_without_a_new_chain(finished_run):
    journal = finished_run / "journal.jsonl"
    raw = journal.read_bytes()
    at = raw.index(b'"p_lower":0.') + len(b'"p_lower":0.')
    journal.write_bytes(raw[:at] + b"99" + raw[at + 2 :])
    line = raw.count(b"\n", 0, at) + 1
    with pytest.raises(VerificationError, match=f"line {line}: the hash does not follow from the line before"):
        verify(finished_run)


def record_at(entries, index):
    return next(i for i, entry in enumerate(entries) if entry["is"] == "record" and entry["index"] == index)


def outcome(index, **change):
    def tamper(entries):
        entries[record_at(entries, index)]["outcome"] |= change

    return tamper


def shifted_vote(entries):
    """Three votes more for the certified class of input 2."""
    votes = entries[record_at(entries, 2) - 1]["votes"]
    votes[1], votes[2] = votes[1] + 3, votes[2] - 3


def merged_request(entries):
    """The estimate of input 0 as one request of 200 draws, which CERTIFY never makes."""
    entries[record_at(entries, 0)]["requests"] = [["select", 10], ["estimate", 200]]


def stopped_early(entries):
    """The second half of the estimate of input 0 left out."""
    at = record_at(entries, 0)
    entries[at]["requests"].pop()
    del entries[at - 2 : at]


def without_selection(entries):
    at = record_at(entries, 0)
    entries[at]["requests"].pop(0)
    del entries[at - 6 : at - 4]


def asked_again(entries):
    """A further request after the procedure was done."""
    at = record_at(entries, 0)
    last = next(entry for entry in reversed(entries[:at]) if entry["is"] == "range")
    entries.insert(at, last | {"first": last["first"] + last["n"]})
    entries[at + 1]["requests"].append(["estimate", last["n"]])


def fewer_classes(entries):
    """The estimate of input 0 has lost the class that was selected."""
    at = record_at(entries, 0)
    for entry in entries[at - 4 : at]:
        entry["votes"] = [0, entry["n"]]


def other_model(entries):
    for entry in entries:
        if entry["is"] == "range":
            entry["votes"].append(0)


def gap(entries):
    entries[record_at(entries, 2) - 1]["first"] += 1


def overlap(entries):
    entries[record_at(entries, 2) - 1]["first"] -= 1


def straddle(entries):
    """The four ranges of the estimate of input 2 cut elsewhere, the same draws and votes."""
    at = record_at(entries, 2)
    one, two = entries[at - 3], entries[at - 2]
    one["n"], two["first"], two["n"] = one["n"] + 1, two["first"] + 1, two["n"] - 1
    two["votes"][1] -= 1
    one["votes"][1] += 1


def missing_range(entries):
    del entries[record_at(entries, 2) - 1]


def drawn_after_the_end(entries):
    at = record_at(entries, 1)
    entries.insert(at + 1, entries[at - 1] | {"first": 200})


def finished_twice(entries):
    at = record_at(entries, 1)
    entries.insert(at + 1, entries[at])


INPUT = {0: r"input 0 \(key a-0\) does not hold: ", 1: r"input 1 \(key b-0\) ", 2: r"input 2 \(key c-0\) "}


@pytest.mark.parametrize(
    ("tamper", "text"),
    [
        (outcome(0, radius=2.0), INPUT[0] + "its counts give Certificate.*, but Certificate.*radius=2.0.* is printed"),
        (outcome(0, radius=float("nan")), INPUT[0] + "its counts give"),
        (outcome(0, radius=float("inf")), INPUT[0] + "its counts give"),
        (outcome(0, p_lower=0.99), INPUT[0]),
        (outcome(0, p_upper=0.001), INPUT[0]),
        (outcome(0, prediction=1), INPUT[0]),
        (outcome(0, norm="linf"), INPUT[0]),
        (outcome(1, prediction=0), INPUT[1]),
        (outcome(1, radius=1e-300), INPUT[1]),
        (outcome(2, prediction=-1, radius=0.0), INPUT[2]),
        (
            lambda entries: entries[record_at(entries, 0)].update(
                outcome={"type": "prediction", "prediction": 2, "p_value": 0.0}
            ),
            INPUT[0],
        ),
        (shifted_vote, INPUT[2]),
        (merged_request, INPUT[0] + "request 1 should be 100 draws of 'estimate', but 200 of 'estimate' are stored"),
        (stopped_early, INPUT[0] + "the procedure wants 100 more draws of 'estimate' than are stored"),
        (without_selection, INPUT[0] + "request 0 should be 10 draws of 'select', but 100 of 'estimate'"),
        (asked_again, INPUT[0] + "the procedure was done after 3 answers, but more are stored"),
        (fewer_classes, "line 4: input a-0 has votes for 3 and for 2 classes"),
        (other_model, INPUT[0] + "it has 4 counts, but a model of 3 classes has 3"),
        (gap, "draws of 'estimate' of input c-0 should go on at 133, but a range begins at 134"),
        (overlap, "draws of 'estimate' of input c-0 should go on at 133, but a range begins at 132"),
        (straddle, "input c-0: a range of 'estimate' straddles the request of 100 draws"),
        (missing_range, "input c-0 is closed, but 67 of 100 draws of 'estimate' are missing"),
        (drawn_after_the_end, "line 16: input b-0 is finished, but more of its draws follow"),
        (finished_twice, "line 16: input b-0 is finished twice"),
    ],
)
def test_a_changed_record_with_a_chain_made_anew_still_fails(finished_run, manifest, entries, rechain, tamper, text):
    lines = entries(finished_run)
    rechain(finished_run, lines, manifest.meaning_hash)
    assert verify(finished_run).records == 3  # the chain made anew is good, so it is not what fails below
    tamper(lines)
    rechain(finished_run, lines, manifest.meaning_hash)
    with pytest.raises(VerificationError, match=text) as raised:
        verify(finished_run)
    assert "\n" not in str(raised.value)


def last(entries, stage):
    """The last range of the unfinished input 3 (10 selections and 33 of the first 100 estimates)."""
    return next(entry for entry in reversed(entries) if entry.get("key") == "d-0" and entry["stage"] == stage)


def straddle_under_way(entries):
    """101 draws in the place of 33: the procedure asks for 100 first."""
    last(entries, "estimate").update(n=101)


def other_stage_under_way(entries):
    last(entries, "estimate").update(stage="guess")


def estimate_first_under_way(entries):
    """One of the ten selections is missing."""
    drawn = last(entries, "select")
    drawn["n"], drawn["votes"] = drawn["n"] - 1, [0, drawn["n"] - 1, 0]


def more_classes_under_way(entries):
    for entry in entries:
        if entry.get("key") == "d-0":
            entry["votes"].append(0)


@pytest.mark.parametrize(
    ("tamper", "text"),
    [
        (straddle_under_way, "a range of 'estimate' straddles the request of 100 draws"),
        (other_stage_under_way, "draws of 'guess' are stored that the procedure never asked for: it still waits for"),
        (estimate_first_under_way, "draws of 'estimate' are stored that the procedure never asked for: it still waits"),
        (more_classes_under_way, "it has 4 counts, but a model of 3 classes has 3"),
    ],
)
def test_an_unfinished_input_that_cannot_be_resumed(finished_run, manifest, entries, rechain, tamper, text):
    lines = entries(finished_run)
    tamper(lines)
    rechain(finished_run, lines, manifest.meaning_hash)
    with pytest.raises(VerificationError, match=f"^the unfinished input with key d-0 does not hold: {text}") as raised:
        verify(finished_run)
    assert "\n" not in str(raised.value)


def test_the_first_record_that_does_not_hold_is_named(finished_run, manifest, entries, rechain):
    lines = entries(finished_run)
    outcome(1, radius=9.0)(lines)
    outcome(2, radius=9.0)(lines)
    rechain(finished_run, lines, manifest.meaning_hash)
    with pytest.raises(VerificationError, match="input 1 "):
        verify(finished_run)


def test_a_difference_in_the_last_digits_is_another_build_and_no_fault(finished_run, manifest, entries, rechain):
    lines = entries(finished_run)
    radius = lines[record_at(lines, 0)]["outcome"]["radius"]
    outcome(0, radius=radius * (1 + 1e-12))(lines)
    rechain(finished_run, lines, manifest.meaning_hash)
    assert verify(finished_run).records == 3
    outcome(0, radius=radius * (1 + 1e-8))(lines)
    rechain(finished_run, lines, manifest.meaning_hash)
    with pytest.raises(VerificationError, match="input 0 "):
        verify(finished_run)


def change_meaning(run, manifest, room, **change) -> Manifest:
    changed = replace(manifest, meaning=manifest.meaning | {room: manifest.meaning[room] | change})
    write_manifest(run, changed)
    return changed


def test_a_changed_meaning_breaks_the_chain_at_its_first_line(finished_run, manifest):
    change_meaning(finished_run, manifest, "noise", sigma=1.0)
    with pytest.raises(VerificationError, match="line 1: the hash does not follow"):
        verify(finished_run)


@pytest.mark.parametrize(
    ("room", "change"),
    [
        ("noise", {"sigma": 1.0}),
        ("procedure", {"alpha": 0.01}),
        ("procedure", {"two_sided": True}),
        ("procedure", {"n": 300}),
        ("model", {"num_classes": 4}),
    ],
)
def test_a_changed_meaning_with_a_chain_made_anew_still_fails(finished_run, manifest, entries, rechain, room, change):
    changed = change_meaning(finished_run, manifest, room, **change)
    rechain(finished_run, entries(finished_run), changed.meaning_hash)
    with pytest.raises(VerificationError, match=r"input 0 \(key a-0\) does not hold"):
        verify(finished_run)


def test_a_meaning_edited_by_hand(finished_run):
    path = finished_run / "manifest.json"
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 1'))
    with pytest.raises(RunError, match=r"manifest\.json was changed"):
        verify(finished_run)


@pytest.mark.parametrize(
    "meaning",
    [
        {"procedure": {"name": "certify"}},
        {"procedure": {"name": "certify"}, "noise": {}},
        {"procedure": {"name": "certify"}, "noise": {"family": "student", "sigma": 1.0}},
        {"procedure": {"name": "guess"}, "noise": {"family": "gaussian", "sigma": 1.0}},
        {"procedure": {}, "noise": {"family": "gaussian", "sigma": 1.0}},
        {"procedure": {"name": "certify", "n0": "many"}, "noise": {"family": "gaussian", "sigma": 1.0}},
        {"procedure": {"name": "certify"}, "noise": {"family": "gaussian", "sigma": 1.0}, "model": 3},
    ],
)
def test_a_meaning_this_version_does_not_know_is_one_line(finished_run, meaning):
    write_manifest(finished_run, Manifest("certify", meaning, "0.1.0"))
    with pytest.raises(VerificationError, match="its meaning is none this version knows") as raised:
        verify(finished_run)
    assert "\n" not in str(raised.value)


def test_no_run_no_journal_no_procedure(tmp_path, finished_run):
    with pytest.raises(RunError, match="is not a run folder"):
        verify(tmp_path / "nothing")
    (finished_run / "journal.jsonl").unlink()
    with pytest.raises(VerificationError, match=r"has no journal\.jsonl: nothing was drawn, or it was removed"):
        verify(finished_run)
    write_manifest(tmp_path, Manifest("train", {"arch": "lenet"}, "0.1.0"))
    with pytest.raises(RunError, match="noiseproof train: it has nothing to verify"):
        verify(tmp_path)


def test_an_input_that_ends_before_its_procedure_does_needs_a_budget_that_ended_it(make_run, tmp_path):
    """The attack: an input goes on no further when it looks bad, and is called undecided."""
    path = make_run("run", (0.83,), procedure=Decide(radius=0.5, n_max=3000))
    (record,) = read_run(path).records
    few = record.answers[:2]
    assert len(record.answers) > 2, "the test needs an input that is hard to decide"
    for meaning, holds in (({}, False), ({"budget": {"draws": 10**6, "inputs": "0" * 32}}, True)):
        manifest = read_manifest(path)
        manifest = replace(manifest, meaning=manifest.meaning | meaning)
        with RunFolder(tmp_path / str(holds), manifest) as folder:
            folder.begin({}, {})
            for first, answer in zip((0, few[0].n), few, strict=True):
                folder.add_range(record.key, answer.stage, Range(first, answer.n, tuple(answer.votes), 0.1))
            outcome = replay(read_run(path).procedure, read_run(path).noise, few)
            folder.add_record(record.key, 0, 0, [(answer.stage, answer.n) for answer in few], outcome)
        if holds:
            assert verify(tmp_path / str(holds)).records == 1
        else:
            with pytest.raises(VerificationError, match=r"the procedure wants .* more draws"):
                verify(tmp_path / str(holds))


def test_float_noise_that_is_called_exact_is_refused(make_run):
    """The attack: one word of the manifest, and the certificate claims more."""
    path = make_run("run", (0.9,), grid=None)
    manifest, entries = read_manifest(path), (path / "journal.jsonl").read_bytes()
    forged = replace(manifest, meaning=manifest.meaning | {"arithmetic": "exact integers, grid 255"})
    write_manifest(path, forged)
    assert entries
    with pytest.raises(VerificationError, match="its noise is float64 noise, but its manifest calls it"):
        verify(path)

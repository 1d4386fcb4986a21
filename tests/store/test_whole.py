"""Missing inputs are seen: a run says which inputs it was asked for, and is held against them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest

from noiseproof.errors import RunError
from noiseproof.reports.card import card
from noiseproof.reports.report import report
from noiseproof.reports.show import show
from noiseproof.store import Manifest, RunFolder, read_run
from noiseproof.store.journal import read_journal
from noiseproof.store.whole import Selection, wholeness

ALL = Selection(every=1, start=0, limit=None, of=5)


def sealed(path, *selections):
    run = read_run(path)
    with RunFolder(path, run.manifest) as folder:
        for selection in selections:
            folder.seal(selection)
    return path


def chained_anew(path, entries):
    """The attack: other lines, the unkeyed chain made anew, which anyone can do."""
    manifest = read_run(path).manifest
    shutil.rmtree(path)
    with RunFolder(path, Manifest(manifest.kind, manifest.meaning, manifest.version)) as folder:
        for entry in entries:
            folder._append({name: value for name, value in entry.items() if name != "hash"})
    return path


def entries_of(path):
    return [line.entry for line in read_journal(path / "journal.jsonl", read_run(path).manifest.meaning_hash)]


def test_a_whole_run_is_sealed_and_nothing_more_is_said(make_run):
    whole = wholeness(read_run(sealed(make_run("run", [0.9] * 5), ALL)).state)
    assert (whole.asked, whole.missing, whole.beyond, whole.sealed, whole.text) == (5, (), (), True, "")


def test_a_journal_that_was_cut_is_not_sealed(make_run):
    path = sealed(make_run("run", [0.9] * 5), ALL)
    lines = (path / "journal.jsonl").read_text().splitlines(keepends=True)
    (path / "journal.jsonl").write_text("".join(lines[:-1]))
    assert wholeness(read_run(path).state).text.startswith("not sealed: it is under way, was cut off")


def test_dropped_inputs_are_missing_however_the_chain_was_made(make_run, tmp_path):
    """The attack: the inputs that are wrong or abstain are dropped, and accuracy is 100%."""
    path = sealed(make_run("run", [0.9, 0.4, 0.9, 0.4, 0.9]), ALL)
    kept = [entry for entry in entries_of(path) if entry.get("key") not in ("k1-0", "k3-0")]
    path = chained_anew(path, kept)
    said = "3 of 5 inputs asked for are there (missing: 1, 3)"
    assert wholeness(read_run(path).state).text == said
    assert said in show(path)
    assert said in card(path)
    assert said in report([path], out=tmp_path / "report").text


@pytest.mark.parametrize(("number", "seen"), [("23", True), ("01", True), ("-1", True), ("1_0", True), ("0", False)])
def test_a_number_that_was_chosen_among_equal_pictures_is_shown(make_run, number, seen):
    """The attack: the occurrence number as a second seed, the 24th of pictures of which there is one."""
    path = sealed(make_run("run", [0.9] * 3), replace(ALL, of=3))
    entries = [entry | ({"key": f"k1-{number}"} if entry.get("key") == "k1-0" else {}) for entry in entries_of(path)]
    path = chained_anew(path, entries)
    whole = wholeness(read_run(path).state)
    assert whole.out_of_turn == ((1,) if seen else ())
    assert ("drawn as a later one of equal pictures" in whole.text) == seen


def test_no_selection_can_say_what_was_dropped(make_run):
    """Selections are every, start and limit: what is left is none of them, and a smaller one shows the rest."""
    path = sealed(make_run("run", [0.9] * 5), ALL)
    kept = [entry for entry in entries_of(path) if entry.get("key") != "k3-0" and entry["is"] != "seal"]
    path = chained_anew(path, kept)
    whole = wholeness(read_run(sealed(path, Selection(1, 0, 3, 5))).state)
    assert whole.beyond == (4,)
    assert "1 inputs that no finished session asked for (4)" in whole.text


def test_an_input_has_one_record(make_run):
    path = make_run("run", [0.9] * 2)
    entries = entries_of(path)
    doubled = [entry | {"key": "other-0"} for entry in entries if entry.get("key") == "k0-0"]
    with pytest.raises(RunError, match="input 0 has two records"):
        chained_anew(path, [*entries, *doubled])


def test_a_run_of_two_selections_is_no_sample(make_run):
    path = sealed(make_run("run", [0.9] * 5), Selection(1, 0, 2, 40), Selection(2, 0, 3, 40))
    assert "inputs of 2 selections, which are not one sample of the data" in wholeness(read_run(path).state).text


def test_a_run_that_was_extended_along_its_selection_is_of_one(make_run):
    path = sealed(make_run("run", [0.9] * 5), Selection(1, 0, 2, 5), ALL)
    assert wholeness(read_run(path).state).text == ""


def test_how_far_a_run_is_that_nobody_sealed(make_run):
    path = make_run("run", [0.9] * 3, selection=Selection(2, 0, None, 10))
    whole = wholeness(read_run(path).state)
    assert whole.unfinished == "2 of 5 inputs"  # 1 was not asked for
    assert whole.text == "unfinished, 2 of 5 inputs: it is under way, or was cut off"
    run = read_run(path)
    with RunFolder(path, run.manifest) as folder:  # extended, and cut off again
        folder.begin({"device": "cpu"}, {}, Selection(1, 0, None, 10))
    assert wholeness(read_run(path).state).unfinished == "3 of 10 inputs"
    with RunFolder(path, run.manifest) as folder:  # by a version that did not say
        folder.begin({"device": "cpu"}, {})
    assert wholeness(read_run(path).state).unfinished == ""
    assert "asked" not in show(path)
    assert wholeness(read_run(sealed(path, Selection(1, 0, 3, 10))).state).text == ""


def test_the_same_seal_is_not_said_twice(make_run):
    path = make_run("run", [0.9] * 5)
    assert [entry["is"] for entry in entries_of(sealed(sealed(path, ALL), ALL))].count("seal") == 1


@pytest.mark.parametrize("changes", [{"every": 0}, {"start": -1}, {"of": 0}, {"limit": 0}, {"every": "2"}])
def test_a_seal_that_is_none_is_refused(make_run, changes):
    path = make_run("run", [0.9])
    entry = {"is": "seal", "every": 1, "start": 0, "limit": None, "of": 1} | changes
    run = read_run(path)
    with RunFolder(path, run.manifest) as folder, pytest.raises(RunError, match=r"seal|asked for every"):
        folder._append(entry)
    assert json.loads((path / "journal.jsonl").read_text().splitlines()[-1])["is"] != "seal"

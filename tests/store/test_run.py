"""The run folder: created, resumed, extended; refused where it is not what it should be."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest

from noiseproof.errors import RunError
from noiseproof.store import Manifest, Range, RunFolder, read_run, verify
from noiseproof.store.run import DRAWN_BY
from noiseproof.types import Certificate


def test_a_run_reads_back_as_it_was_written(finished_run, manifest):
    run = read_run(finished_run)
    assert run.manifest == manifest
    assert [(record.index, record.key, record.label) for record in run.records] == [
        (0, "a-0", 2),
        (1, "b-0", 0),
        (2, "c-0", 1),
    ]
    assert [record.outcome.abstained for record in run.records] == [False, True, False]
    assert [record.void for record in run.records] == [0, 0, 8]
    assert list(run.state.open) == ["d-0"]
    assert (run.noise.sigma, run.procedure.n) == (0.5, 200)
    with RunFolder(finished_run, manifest) as folder:
        assert folder.state == run.state


def test_records_are_by_index_whatever_the_order_in_which_they_finished(tmp_path, manifest, environment, serve):
    with RunFolder(tmp_path, manifest) as folder:
        folder.begin(environment, {})
        for index in (5, 3, 4):
            serve(folder, f"k-{index}", index, top=0, right=0.9)
    assert [record.index for record in read_run(tmp_path).records] == [3, 4, 5]


def test_a_finished_run_is_extended(finished_run, manifest, environment, serve):
    with RunFolder(finished_run, manifest) as folder:
        folder.begin(environment, {})
        serve(folder, "e-0", 4, top=0, right=0.9)
    assert [record.index for record in read_run(finished_run).records] == [0, 1, 2, 4]
    assert verify(finished_run).records == 4


def test_a_reader_needs_no_lock_and_a_second_writer_is_refused(finished_run, manifest):
    with RunFolder(finished_run, manifest):
        assert len(read_run(finished_run).records) == 3
        with (
            pytest.raises(RunError, match=f"is in use by another process \\(pid {os.getpid()}\\)"),
            RunFolder(finished_run, manifest),
        ):
            pass
    with RunFolder(finished_run, manifest):
        pass


def test_another_meaning_is_refused_with_field_and_values_and_touches_nothing(finished_run, manifest):
    before = {file.name: file.read_bytes() for file in finished_run.iterdir()}
    noise = manifest.meaning["noise"] | {"sigma": 0.25}
    other = replace(manifest, meaning=manifest.meaning | {"noise": noise, "seed": 3})
    with (
        pytest.raises(RunError, match=r"has another meaning: noise\.sigma is 0\.5, not 0\.25; seed is 0, not 3; give"),
        RunFolder(finished_run, other),
    ):
        pass
    with pytest.raises(RunError, match="noiseproof certify, not of predict"):
        RunFolder(finished_run, replace(manifest, kind="predict")).__enter__()
    assert {file.name: file.read_bytes() for file in finished_run.iterdir()} == before
    with RunFolder(finished_run, manifest):  # the lock was given back
        pass


def test_the_same_meaning_in_other_types_or_order_is_the_same(finished_run, manifest):
    meaning = dict(reversed(manifest.meaning.items())) | {"seed": 0.0}  # 0 and 0.0 are not written the same
    with RunFolder(finished_run, Manifest("certify", meaning, "9.9")) as folder:
        folder.add_range("d-0", "estimate", Range(33, 67, (6, 60, 1), 0.5))
    assert verify(finished_run).records == 3
    assert read_run(finished_run).manifest == manifest


def test_a_folder_with_foreign_files_is_refused_and_left_alone(tmp_path, manifest):
    (tmp_path / "thesis.tex").write_text("...")
    with (
        pytest.raises(RunError, match="holds other files and is not a run folder; choose another --out"),
        RunFolder(tmp_path, manifest),
    ):
        pass
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("left", [[], ["lock"], ["lock", "manifest.json.part"]])
def test_what_a_kill_at_the_very_start_leaves_is_taken_over(tmp_path, manifest, left):
    for name in left:
        (tmp_path / name).write_text("1\n")
    with RunFolder(tmp_path, manifest):
        pass
    assert read_run(tmp_path).records == []


def begun_in_vain(path, manifest, environment):
    with pytest.raises(ZeroDivisionError), RunFolder(path, manifest) as folder:  # noqa: PT012
        folder.begin(environment, {"sigma": 0.5})
        raise ZeroDivisionError


def test_a_new_folder_that_fails_before_its_first_draw_may_be_used_by_another_line(tmp_path, manifest, environment):
    begun_in_vain(tmp_path / "run", manifest, environment)
    assert [file.name for file in (tmp_path / "run").iterdir()] == ["lock"]
    other = replace(manifest, meaning=manifest.meaning | {"seed": 3})
    with RunFolder(tmp_path / "run", other) as folder:
        folder.begin(environment, {"seed": 3})
    assert read_run(tmp_path / "run").manifest == other


def test_a_folder_that_was_there_before_keeps_all_it_has(finished_run, tmp_path, manifest, environment):
    before = (finished_run / "journal.jsonl").read_bytes()
    begun_in_vain(finished_run, manifest, environment)
    assert (finished_run / "journal.jsonl").read_bytes().startswith(before)
    with RunFolder(tmp_path / "begun", manifest) as folder:
        folder.begin(environment, {})
    begun_in_vain(tmp_path / "begun", manifest, environment)
    assert len(read_run(tmp_path / "begun").state.sessions) == 2


def test_a_new_folder_that_fails_after_its_first_draw_is_kept(tmp_path, manifest, environment):
    with pytest.raises(ZeroDivisionError), RunFolder(tmp_path, manifest) as folder:  # noqa: PT012
        folder.begin(environment, {})
        folder.add_range("a-0", "select", Range(0, 3, (1, 1, 1), 0.0))
        raise ZeroDivisionError
    assert list(read_run(tmp_path).state.open) == ["a-0"]


def test_what_others_put_into_a_folder_is_never_removed(tmp_path, manifest):
    with pytest.raises(ZeroDivisionError), RunFolder(tmp_path, manifest):  # noqa: PT012
        (tmp_path / "thesis.tex").write_text("...")
        raise ZeroDivisionError
    assert {file.name for file in tmp_path.iterdir()} == {"thesis.tex", "manifest.json", "journal.jsonl", "lock"}


@pytest.mark.parametrize("path", ["file", "file/run", "file/deep/run"])
def test_an_unwritable_folder_is_one_line(tmp_path, manifest, path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(RunError, match=r"cannot make the folder .*; choose another --out") as raised,
        RunFolder(tmp_path / path, manifest),
    ):
        pass
    assert "\n" not in str(raised.value)


def test_a_damaged_journal_is_refused_and_the_lock_given_back(finished_run, manifest):
    journal = finished_run / "journal.jsonl"
    good = journal.read_bytes()
    journal.write_bytes(good.replace(b'"n":3,', b'"n":4,', 1))
    for _ in range(2):
        with pytest.raises(RunError, match="line 2: the hash does not follow"), RunFolder(finished_run, manifest):
            pass
    with pytest.raises(RunError, match="line 2: the hash does not follow"):
        read_run(finished_run)
    journal.write_bytes(good)
    with RunFolder(finished_run, manifest):
        pass


def test_lines_that_contradict_are_refused_by_reader_and_writer_naming_the_line(
    finished_run, manifest, entries, rechain
):
    lines = entries(finished_run)
    lines[2]["first"] += 1
    rechain(finished_run, lines, manifest.meaning_hash)
    text = r"journal\.jsonl, line 3: draws of 'select' of input a-0 should go on at 3, but a range begins at 4"
    with pytest.raises(RunError, match=text):
        read_run(finished_run)
    with pytest.raises(RunError, match=text), RunFolder(finished_run, manifest):
        pass


@pytest.mark.parametrize("name", DRAWN_BY)
def test_a_partial_input_starts_over_when_something_else_draws(finished_run, manifest, environment, name):
    with RunFolder(finished_run, manifest) as folder:
        folder.begin(environment | {"workers": 9}, {})  # how many workers never matters
        assert list(folder.state.open) == ["d-0"]
    with RunFolder(finished_run, manifest) as folder:
        folder.begin(environment | {name: "another"}, {})
        assert folder.state.open == {}
        folder.add_range("d-0", "select", Range(0, 3, (1, 1, 1), 0.0))
    with RunFolder(finished_run, manifest) as folder:
        folder.begin(environment | {name: "another"}, {})
        assert folder.state.open == {"d-0": {"select": [Range(0, 3, (1, 1, 1), 0.0)]}}
    assert len(read_run(finished_run).records) == 3


def test_a_kill_between_a_new_session_and_its_restarts_mixes_nothing(
    finished_run, manifest, environment, entries, rechain
):
    with RunFolder(finished_run, manifest) as folder:
        folder.begin(environment | {"batch_size": 32}, {})
    lines = entries(finished_run)
    assert lines.pop()["is"] == "restart"
    rechain(finished_run, lines, manifest.meaning_hash)
    with RunFolder(finished_run, manifest) as folder:
        assert list(folder.state.open) == ["d-0"]
        folder.begin(environment | {"batch_size": 32}, {})
        assert folder.state.open == {}


def test_what_could_not_be_read_back_is_never_written(finished_run, manifest):
    before = (finished_run / "journal.jsonl").read_bytes()
    with RunFolder(finished_run, manifest) as folder:
        with pytest.raises(RunError, match="finished, but more of its draws follow"):
            folder.add_range("a-0", "select", Range(10, 3, (1, 1, 1), 0.0))
        with pytest.raises(RunError, match="should go on at 33, but a range begins at 0"):
            folder.add_range("d-0", "estimate", Range(0, 3, (1, 1, 1), 0.0))
        with pytest.raises(RunError, match="draws of 'estimate' are missing"):
            folder.add_record("d-0", 3, 1, [("select", 10), ("estimate", 100)], Certificate(1, 0.1, 0.9, 0.1))
    assert (finished_run / "journal.jsonl").read_bytes() == before


def test_settings_are_those_of_the_last_start(finished_run, manifest, environment):
    assert (finished_run / "settings.toml").read_text() == "sigma = 0.5\n"
    with RunFolder(finished_run, manifest) as folder:
        folder.begin(environment, {"sigma": 0.5, "limit": 7})
    assert (finished_run / "settings.toml").read_text() == "sigma = 0.5\nlimit = 7\n"
    assert [session["settings"] for session in read_run(finished_run).state.sessions] == [
        {"sigma": 0.5},
        {"sigma": 0.5, "limit": 7},
    ]


def test_a_folder_of_training_has_no_certificates(tmp_path):
    with RunFolder(tmp_path, Manifest("train", {"arch": "lenet"}, "0.1.0")):
        pass
    with pytest.raises(RunError, match="is the run folder of noiseproof train, which has no certificates"):
        read_run(tmp_path)


def ranges_of(path):
    lines = [json.loads(line) for line in (path / "journal.jsonl").read_text().splitlines()]
    return [line["votes"] for line in lines if line["is"] == "range"]


def test_a_folder_goes_on_in_the_format_it_began_in(tmp_path, manifest, environment, serve):
    """Votes of 0 are written where an earlier version must be able to read them, and nowhere else."""
    for form, kind in ((1, list), (2, dict)):
        path = tmp_path / str(form)
        with RunFolder(path, replace(manifest, format=form)) as folder:
            folder.begin(environment, {})
            serve(folder, "a-0", 0, top=0, right=0.9)
        with RunFolder(path, manifest) as folder:  # this version asks for the new one
            folder.begin(environment, {})
            serve(folder, "b-0", 1, top=2, right=0.8, void=0.1)
        assert json.loads((path / "manifest.json").read_text())["format"] == form
        assert {type(votes) for votes in ranges_of(path)} == {kind}
        assert verify(path).records == 2
    assert read_run(tmp_path / "1").state.records == read_run(tmp_path / "2").state.records
    assert ranges_of(tmp_path / "2")[0] == {"0": 3}


def test_a_meaning_without_classes_has_all_votes(tmp_path, manifest, environment, serve):
    with RunFolder(tmp_path, replace(manifest, meaning=manifest.meaning | {"model": {}})) as folder:
        folder.begin(environment, {})
        serve(folder, "a-0", 0, top=0, right=0.9)
    assert {type(votes) for votes in ranges_of(tmp_path)} == {list}
    assert verify(tmp_path).records == 1


def test_votes_are_read_when_they_are_looked_at(finished_run, manifest, environment, serve):
    run = read_run(finished_run)
    raw = (finished_run / "journal.jsonl").read_bytes()
    (finished_run / "journal.jsonl").unlink()
    record = run.records[0]
    assert (record.draws, record.void, len(record.answers)) == (210, 0, 3)
    assert record.requests == (("select", 10), ("estimate", 100), ("estimate", 100))
    with pytest.raises(RunError, match=r"journal\.jsonl was changed while it was read; run the same line again"):
        _ = record.answers[0]
    (finished_run / "journal.jsonl").write_bytes(raw)
    with RunFolder(finished_run, manifest) as folder:  # as a budget's rounds do, after more has been written
        folder.begin(environment, {})
        serve(folder, "e-0", 4, top=1, right=0.9)
        assert [answer.votes for answer in folder.state.records["e-0"].answers] == [
            (0, 9, 1), (0, 90, 10), (0, 90, 10),
        ]  # fmt: skip
    assert [answer.votes for answer in record.answers] == [(0, 0, 10), (1, 0, 99), (1, 0, 99)]
    assert record.answers == tuple(record.answers)
    assert record.answers[1:] == tuple(record.answers)[1:]
    assert record == read_run(finished_run).records[0]
    assert record.answers != read_run(finished_run).records[1].answers

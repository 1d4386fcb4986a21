"""Run folders that an earlier version left: they verify, and go on, as if this one had made them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from noiseproof.cli.main import run
from noiseproof.store import read_run
from noiseproof.store.run import same_outcome

FOLDERS = Path(__file__).parent / "folders"
NAMES = sorted(path.name for path in FOLDERS.iterdir())
UNFINISHED = {"killed": 1, "older": 1}


@pytest.fixture
def old(request, workplace) -> Path:
    """A copy of a stored folder, where its line has it."""
    place = workplace / "runs" / request.param
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(FOLDERS / request.param, place)
    return place


def with_limit(words: list[str], limit: int, out: str) -> list[str]:
    """The line for another number of inputs, into another folder."""
    at = words.index("--limit")
    return [*words[: at + 1], str(limit), *words[at + 2 : -1], out]


def test_every_folder_has_a_line(folder_cases):
    assert set(NAMES) == set(folder_cases)
    assert max(file.stat().st_size for file in FOLDERS.rglob("*")) < 30_000


@pytest.mark.parametrize("old", NAMES, indirect=True)
def test_it_verifies_and_replays(old, capsys):
    unfinished = UNFINISHED.get(old.name, 0)
    assert run(["verify", f"runs/{old.name}"]) == 0
    said = capsys.readouterr().out
    assert f"{2 - unfinished} certificates follow from their" in said
    assert f"the chain is whole; {unfinished} inputs under way" in said
    assert ("torn last line" in said) == (old.name == "killed")
    assert run(["verify", f"runs/{old.name}", "--replay", "2", "--device", "cpu", "--workers", "1"]) == 0
    said = capsys.readouterr().out  # where torch is another version than the folder's, it is told as other hardware
    assert "every count is the same" in said or "all but 0 votes are the same" in said


@pytest.mark.parametrize("old", NAMES, indirect=True)
def test_it_resumes_and_extends_to_the_counts_of_a_fresh_run(old, folder_cases):
    words, fresh = folder_cases[old.name].words, f"runs/fresh-{old.name}"
    before, held = (old / "journal.jsonl").read_bytes(), read_run(old).records
    assert run(words) == 0
    whole = before[: before.rindex(b"\n") + 1]
    assert (old / "journal.jsonl").read_bytes().startswith(whole), "what is there is kept to the letter"
    resumed = read_run(old).records
    assert [record.index for record in resumed] == [0, 5]
    if old.name not in UNFINISHED:
        assert resumed == held
        assert (old / "journal.jsonl").read_bytes().count(b"\n") == whole.count(b"\n") + 2, "a session and its seal"
    assert run(with_limit(words, 3, f"runs/{old.name}")) == 0
    assert run([*with_limit(words, 3, fresh), "--common-noise"]) == 0
    extended = read_run(old).records
    assert [record.index for record in extended] == [0, 5, 10]
    for mine, its in zip(extended, read_run(Path(fresh)).records, strict=True):
        assert drawn(mine) == drawn(its)
        assert same_outcome(mine.outcome, its.outcome), "a bound may be rounded a little farther outwards than it was"
    assert run(["verify", f"runs/{old.name}"]) == 0


@pytest.mark.parametrize("old", NAMES, indirect=True)
def test_it_is_shown_and_reported(old, capsys):
    assert run(["show", f"runs/{old.name}"]) == 0
    assert "model" in capsys.readouterr().out
    has_radii = read_run(old).manifest.kind == "certify"
    assert run(["report", f"runs/{old.name}", "--radii", "0:0.5:0.25", "--out", f"report-{old.name}"]) == 0
    said = capsys.readouterr().out
    assert ("Noise: exact integers, grid 255." in said) == has_radii
    assert (
        "natural: accuracy of the base classifier on the clean inputs, without noise; -: not recorded." in said
    ) == (has_radii)


@pytest.mark.parametrize("old", ["certify"], indirect=True)
def test_another_meaning_is_refused(old, folder_cases, capsys):
    words = ["0.5" if word == "0.25" else word for word in folder_cases[old.name].words]
    assert run(words) == 1
    assert "noise.sigma is 0.25, not 0.5" in capsys.readouterr().err


def drawn(record: object) -> tuple[object, ...]:
    """What was drawn for a record."""
    return record.key, record.index, record.label, [(a.stage, a.n, a.votes) for a in record.answers]

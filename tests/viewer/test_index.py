from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from noiseproof.analysis import average_certified_radius, certified_accuracy
from noiseproof.errors import RunError
from noiseproof.procedures import Decide
from noiseproof.store import RunFolder, read_run
from noiseproof.store.folder import JOURNAL
from noiseproof.store.journal import ChainError
from noiseproof.store.manifest import MANIFEST
from noiseproof.store.run import Following
from noiseproof.store.whole import Selection
from noiseproof.viewer.index import Index, run_folders

RADII = (0.0, 0.25, 0.5)
TOPS = (0.999, 0.95, 0.8, 0.2)


def seal(run: Path) -> None:
    folder = RunFolder(run, read_run(run).manifest)
    with folder:
        folder.seal(Selection(1, 0, None, len(TOPS)))


def old(run: Path) -> None:
    """As if the writer had gone an hour ago."""
    (run / "lock").write_text("999999999\n")
    os.utime(run / JOURNAL, (time.time() - 3600,) * 2)


def looked(folder: Path) -> Index:
    index = Index(folder, RADII)
    index.find()
    index.look()
    return index


def change(run: Path, line: int) -> None:
    lines = (run / JOURNAL).read_text().splitlines(keepends=True)
    lines[line - 1] = lines[line - 1].replace('"seconds":0.25', '"seconds":0.26')
    (run / JOURNAL).write_text("".join(lines))


def test_a_row_says_what_the_run_says(make_run, tmp_path):
    seal(make_run("a/b", TOPS))
    decided = make_run("d", TOPS, procedure=Decide(radius=0.2, n_max=1000))
    old(decided)
    index = looked(tmp_path)
    rows = {row.name: row for row in index.rows()[1]}
    records = read_run(tmp_path / "a/b").records
    row = rows["a/b"]
    assert row.certified == tuple(certified_accuracy(records, RADII).tolist())
    assert row.acr == average_certified_radius(records)
    assert (row.done, row.draws, row.state, row.verified) == (4, 4400, "finished", False)
    assert (row.noise, row.model, row.procedure) == ("gaussian 0.5", "linear", "certify")
    assert (rows["d"].state, rows["d"].certified) == ("stopped", None)
    while index.verify_one():
        pass
    assert all(row.verified for row in index.rows()[1])


def test_who_has_seen_a_version_is_told_only_what_came_after(make_run, tmp_path):
    for name in "ab":
        seal(make_run(name, TOPS))
    index = looked(tmp_path)
    seen, rows, gone = index.rows()
    assert ([row.name for row in rows], gone) == (["a", "b"], [])
    index.look()
    assert index.rows(seen) == (seen, [], [])
    (tmp_path / "a" / MANIFEST).unlink()
    index.find()
    index.look()
    assert index.rows(seen)[1:] == ([], ["a"])
    assert index.path("a") is None
    assert index.path("../b") is None
    assert index.path("b") == tmp_path / "b"


def test_what_does_not_hold_has_failed_and_says_the_line(make_run, tmp_path):
    for name in ("changed", "forged", "damaged"):
        seal(make_run(name, TOPS))
    change(tmp_path / "changed", 3)
    (tmp_path / "damaged" / MANIFEST).write_text("[]")
    stored = json.loads((tmp_path / "forged" / MANIFEST).read_text())
    stored["meaning"]["procedure"]["alpha"] = "a"
    (tmp_path / "forged" / MANIFEST).write_text(json.dumps(stored))
    index = looked(tmp_path)
    rows = {row.name: row for row in index.rows()[1]}
    assert {row.state for row in rows.values()} == {"failed"}
    assert rows["changed"].said.startswith("journal.jsonl, line 3: the hash does not follow from the line before")
    assert rows["damaged"].said == "manifest.json is damaged: not a manifest"


def test_a_certificate_that_does_not_follow_fails_when_it_is_verified(make_run, tmp_path, monkeypatch):
    from noiseproof.viewer import index as module

    seal(make_run("a", TOPS))
    found = looked(tmp_path)

    def refuse(path: Path) -> None:
        raise RunError(f"{path / JOURNAL}, line 3: another radius")

    monkeypatch.setattr(module, "verify", refuse)
    assert found.verify_one()
    (row,) = found.rows()[1]
    assert (row.state, row.said, row.verified) == ("failed", "journal.jsonl, line 3: another radius", False)


def test_a_run_under_way_is_read_on_from_where_it_was(make_run, tmp_path):
    run = make_run("a", TOPS)
    whole = (run / JOURNAL).read_bytes()
    lines = whole.splitlines(keepends=True)
    (run / JOURNAL).write_bytes(b"".join(lines[:5]) + lines[5][:7])
    following = Following(run)
    assert following.advance()
    before = len(following.run.state.records)
    assert not following.advance()
    (run / JOURNAL).write_bytes(whole)
    assert following.advance()
    assert following.run.state.records == read_run(run).state.records
    assert before < len(following.run.state.records)
    assert following.last_hash == json.loads(lines[-1])["hash"]


def test_lines_that_vanish_or_do_not_follow_are_found_while_reading_on(make_run):
    run = make_run("a", TOPS)
    whole = (run / JOURNAL).read_bytes()
    lines = whole.splitlines(keepends=True)
    (run / JOURNAL).write_bytes(b"".join(lines[:5]))
    following = Following(run)
    following.advance()
    (run / JOURNAL).write_bytes(b"".join(lines[:4]))
    with pytest.raises(ChainError, match="is shorter than it was: lines that were read are gone"):
        following.advance()
    (run / JOURNAL).write_bytes(b"".join([*lines[:5], *lines[6:]]))
    with pytest.raises(ChainError, match="line 6: the hash does not follow"):
        following.advance()


def test_a_run_is_under_way_while_its_writer_lives(make_run, tmp_path):
    run = make_run("a", TOPS)
    index = looked(tmp_path)
    assert index.rows()[1][0].state == "running"
    old(run)
    index.look()
    (row,) = index.rows()[1]
    assert row.state == "stopped"
    assert "cut off" in row.said
    (run / "lock").write_text(f"{os.getpid()}\n")
    os.utime(run / JOURNAL, (time.time() - 3000,) * 2)
    index.look()
    assert index.rows()[1][0].state == "running"


def test_folders_are_found_below_and_links_and_hidden_ones_are_not(make_run, tmp_path):
    make_run("x/a", TOPS)
    make_run("x/.b", TOPS)
    outside = make_run("y", TOPS)
    (tmp_path / "x" / "link").symlink_to(outside)
    assert [name for name, _ in run_folders(tmp_path / "x")] == ["a"]
    assert dict(run_folders(tmp_path / "x/a")) == {"a": tmp_path / "x/a"}


def test_no_folder_is_refused(tmp_path):
    with pytest.raises(RunError, match="none is not a folder; give one with run folders in it"):
        Index(tmp_path / "none", RADII)

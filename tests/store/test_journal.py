"""The journal: whole lines or none, every change found, whatever a kill, a full disk or a power cut leaves."""

from __future__ import annotations

import errno
import itertools
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noiseproof.errors import RunError
from noiseproof.store.journal import ChainError, Journal, read_journal

START = "0" * 64
ENTRIES = [{"is": "range", "key": f"k-{i}", "votes": [i, 10 - i], "seconds": i / 7} for i in range(5)]

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
ANY_ENTRIES = st.lists(st.dictionaries(st.text() | st.just("hash"), VALUES, min_size=1, max_size=4), max_size=5)


def write(path: Path, entries=ENTRIES) -> bytes:
    journal = Journal(path, START)
    for entry in entries:
        journal.append(entry)
    journal.close()
    return path.read_bytes()


def read(path: Path) -> list[dict]:
    return [line.entry for line in read_journal(path, START)]


@settings(max_examples=60, deadline=None)
@given(entries=ANY_ENTRIES)
def test_what_is_appended_is_read_back(tmp_path_factory, entries):
    path = tmp_path_factory.mktemp("journal") / "j"
    raw = write(path, entries)
    assert read(path) == entries
    assert raw.count(b"\n") == len(entries)
    lines = list(read_journal(path, START))
    assert [line.number for line in lines] == list(range(1, len(entries) + 1))
    assert [line.end for line in lines] == list(itertools.accumulate(map(len, raw.splitlines(keepends=True))))


@settings(max_examples=40, deadline=None)
@given(entries=ANY_ENTRIES, cut=st.integers(0, 5))
def test_opening_again_in_between_changes_no_byte(tmp_path_factory, entries, cut):
    folder = tmp_path_factory.mktemp("journal")
    write(folder / "twice", entries[:cut])
    write(folder / "twice", entries[cut:])
    assert write(folder / "once", entries) == (folder / "twice").read_bytes()


def test_a_missing_journal_has_no_lines(tmp_path):
    assert read(tmp_path / "none") == []


def test_a_line_torn_at_any_byte_is_cut_off_and_the_chain_goes_on(tmp_path):
    path = tmp_path / "j"
    whole = write(path)
    last = whole.rindex(b"\n", 0, -1) + 1
    for cut in range(last, len(whole)):
        path.write_bytes(whole[:cut])
        assert read(path) == ENTRIES[:4], cut
        taken = []
        journal = Journal(path, START, taken.append)
        assert [line.entry for line in taken] == ENTRIES[:4]
        assert path.stat().st_size == last
        journal.append(ENTRIES[4])
        journal.append({"is": "more"})
        journal.close()
        assert read(path) == [*ENTRIES, {"is": "more"}]
        assert path.read_bytes().startswith(whole)


def test_a_changed_digit_anywhere_is_found_and_its_line_named(tmp_path):
    path = tmp_path / "j"
    whole = write(path)
    for at, byte in enumerate(whole):
        if not chr(byte).isdigit():
            continue
        path.write_bytes(whole[:at] + (b"1" if byte == ord("0") else b"0") + whole[at + 1 :])
        line = whole.count(b"\n", 0, at) + 1
        with pytest.raises(ChainError, match=rf"j, line {line}: the hash does not follow") as raised:
            read(path)
        assert "\n" not in str(raised.value)
        with pytest.raises(ChainError, match=f"line {line}"):
            Journal(path, START)
        assert len(path.read_bytes()) == len(whole)  # what is refused is left as it is


@pytest.mark.parametrize(
    ("order", "line"),
    [
        ([1, 2, 3, 4], 1),
        ([0, 1, 3, 4], 3),
        ([0, 2, 1, 3, 4], 2),
        ([0, 1, 2, 4, 3], 4),
        ([0, 1, 1, 2, 3, 4], 3),
        ([0, 1, 2, 0, 3, 4], 4),
    ],
    ids=["first removed", "middle removed", "swapped", "last two swapped", "line twice", "old line inserted"],
)
def test_removed_swapped_inserted_lines_are_found(tmp_path, order, line):
    path = tmp_path / "j"
    lines = write(path).splitlines(keepends=True)
    path.write_bytes(b"".join(lines[i] for i in order))
    with pytest.raises(ChainError, match=f"line {line}:"):
        read(path)


def test_a_chain_begins_with_the_meaning(tmp_path):
    write(tmp_path / "j")
    with pytest.raises(ChainError, match="line 1:"):
        list(read_journal(tmp_path / "j", "1" * 64))


@pytest.mark.parametrize("fails_at", [0, 1, 40, -1])
def test_a_full_disk_is_one_line_and_takes_the_short_write_back(tmp_path, monkeypatch, fails_at):
    path = tmp_path / "j"
    before = write(path)
    journal = Journal(path, START)
    pwrite = os.pwrite

    def full(file, raw, offset):
        part = raw[:fails_at]
        if full.called or not part:
            raise OSError(errno.ENOSPC, "No space left on device")
        full.called = True
        return pwrite(file, part, offset)

    full.called = False
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(RunError, match="No space left on device; everything up to here is kept") as raised:
            journal.append({"is": "range", "text": "x" * 100})
    assert "\n" not in str(raised.value)
    assert "make room and run the same line again" in str(raised.value)
    assert path.read_bytes() == before
    journal.append({"is": "after"})
    journal.close()
    assert read(path) == [*ENTRIES, {"is": "after"}]


def test_short_writes_that_do_not_fail_are_carried_on(tmp_path, monkeypatch):
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, raw, offset: pwrite(file, raw[:7], offset))
    write(tmp_path / "j")
    assert read(tmp_path / "j") == ENTRIES


@pytest.mark.parametrize("tail", [b"\0" * 4096, b'{"is":"ran' + b"\0" * 500, b"\0"])
def test_what_a_power_cut_leaves_is_cut_off(tmp_path, tail):
    path = tmp_path / "j"
    whole = write(path)
    path.write_bytes(whole + tail)
    assert read(path) == ENTRIES
    journal = Journal(path, START)
    assert path.read_bytes() == whole
    journal.append({"is": "after"})
    journal.close()
    assert read(path) == [*ENTRIES, {"is": "after"}]


def test_lines_reach_the_disk_within_a_second_and_at_the_end(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", synced.append)
    clock = iter([0.0, 0.5, 1.5, 1.6, 1.7, 1.8, 1.9])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    journal = Journal(tmp_path / "j", START)
    journal.append({"is": "early"})
    assert synced == []
    journal.append({"is": "late"})
    assert len(synced) == 1
    journal.close()
    assert len(synced) == 2


@pytest.mark.parametrize("when", ["append", "close"])
def test_a_disk_that_fails_when_synced_is_one_line_too(tmp_path, monkeypatch, when):
    journal = Journal(tmp_path / "j", START)

    def fails(file):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fails)
    monkeypatch.setattr("noiseproof.store.journal._SYNC_EVERY", -1.0 if when == "append" else 60.0)
    with pytest.raises(RunError, match="Input/output error; everything up to here is kept"):  # noqa: PT012
        journal.append({"is": "range"})
        journal.close()
    assert (tmp_path / "j").stat().st_size == 0 or when == "close"
    monkeypatch.undo()
    journal.close()  # nothing is left open, and closing twice is nothing


def test_a_journal_that_cannot_be_opened(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(RunError, match=r"cannot read .*folder: Is a directory"):
        Journal(tmp_path / "folder", START)
    with pytest.raises(RunError, match=r"cannot write .*j: No such file or directory; choose another --out"):
        Journal(tmp_path / "nowhere" / "j", START)


def test_numbers_that_json_has_not_are_never_written(tmp_path):
    journal = Journal(tmp_path / "j", START)
    with pytest.raises(ValueError, match="not JSON compliant"):
        journal.append({"seconds": float("nan")})
    journal.append({"is": "after"})
    journal.close()
    assert read(tmp_path / "j") == [{"is": "after"}]

"""The index beside a large journal: what its lines add up to but for the votes of finished inputs.

Whoever reads the run then parses only the lines behind it. The journal stays the truth: an index is taken for the very
bytes it was made of, which their SHA-256 says, or not at all; and it can be removed at any time.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

from noiseproof.errors import RunError
from noiseproof.store.folder import JOURNAL
from noiseproof.store.journal import Line, Mark
from noiseproof.store.lines import CertificateLine, Count, DecisionLine, PredictionLine, outcome_line, outcome_of
from noiseproof.store.manifest import Manifest
from noiseproof.store.state import Range, State
from noiseproof.store.whole import Selection
from noiseproof.tallies import Votes
from noiseproof.types import Answers, Record

INDEX = "index.jsonl"

FORMAT = 1

LEAST = 1 << 22
"""Bytes of lines that are worth an index: they take a tenth of a second to parse."""

_Requests = tuple[tuple[str, int], ...]


class IndexHead(msgspec.Struct):
    """The first line: which bytes of which journal, and all that the records behind it do not say."""

    format: int
    meaning_hash: str
    lines: int
    end: int
    hash: str
    sha256: str
    records: int
    sessions: list[dict[str, Any]]
    begun: list[dict[str, Count | None] | None]
    seals: list[dict[str, Count | None]]
    sealed: bool
    drawn_in: dict[str, int]
    open: dict[str, dict[str, list[tuple[Count, Count, int, dict[Count, Count], float]]]]


class IndexRow(msgspec.Struct, array_like=True):
    """A finished input, in a line. ``requests`` stand where they differ from those of the row before."""

    key: str
    index: Count
    label: Count | None
    void: Count
    seconds: float
    skipped: str | None
    clean: Count | None
    outcome: CertificateLine | PredictionLine | DecisionLine
    requests: _Requests | None


_encode = msgspec.json.Encoder().encode
_decode_head, _decode_row = msgspec.json.Decoder(IndexHead).decode, msgspec.json.Decoder(IndexRow).decode


def load(path: Path, manifest: Manifest, state: State) -> Mark | None:
    """Take in what the index of a run says, into a state that is empty; returns up to where, None where none is right.

    An index of another journal, of a journal that was changed since, or one that is damaged is as good as none.
    """
    with suppress(OSError, msgspec.MsgspecError, ValueError, RecursionError):
        head, rows = _read(path)
        if not _fits(path, manifest, head):
            return None
        taken = State(tally=state.tally, slots=state.slots, fetch=state.fetch)
        for record in _records(rows, taken):
            taken.add(record)
        if len(taken.records) != head.records:
            return None
        _take_head(head, taken)
        vars(state).update(vars(taken))
        return Mark(head.lines, head.end, head.hash)
    return None


def save(path: Path, manifest: Manifest, state: State, mark: Mark | None) -> None:
    """Write the index of a run, whole or not at all; where it cannot be written there is none."""
    assert mark is not None, "see worth"
    part = path / f".{INDEX}-{os.getpid()}"  # a reader may write one, too
    with suppress(OSError):
        digest = hashlib.sha256()
        with part.open("wb") as file:
            for line in _lines(path, manifest, state, mark):
                digest.update(line)
                file.write(line)
            file.write(_encode({"sha256": digest.hexdigest()}) + b"\n")
        part.replace(path / INDEX)
    part.unlink(missing_ok=True)


def worth(end: Mark | None, known: Mark | None, *, closing: bool = False) -> bool:
    """Whether enough stands behind the last index that a new one is worth its time; as a folder is closed, less is."""
    if end is None or end.end < LEAST:
        return False
    more = end.end - (known.end if known else 0)
    return more > 0 if closing else more >= max(LEAST, end.end // 8)


class Held:
    """The index of a run held against its journal, line by line: readers rest on it, so it must say the same."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        """The index that readers of a run would take, if there is one."""
        self._path, self._manifest = path, manifest
        self._head: IndexHead | None = None
        self._last: _Requests | None = None
        with suppress(OSError, msgspec.MsgspecError, ValueError, RecursionError):
            head, rows = _read(path)
            if _fits(path, manifest, head):
                self._head, self._rows = head, iter(rows)

    def check(self, state: State, line: Line, record: Record | None) -> None:
        """Hold it against a line that the state has just taken in, and the input that it finished.

        Raises:
            RunError: it says something else.
        """
        if self._head is None or line.number > self._head.lines:
            return
        same = True
        if record is not None:
            same = next(self._rows, b"") + b"\n" == row_of(record, self._last)
            self._last = record.requests
        if line.number == self._head.lines:
            same &= next(self._rows, None) is None
            same &= _encode(self._head) == _encode(_head(self._manifest, state, line.mark, self._head.sha256))
        if not same:
            raise RunError(f"{self._path / INDEX} does not say what the journal says; remove it: it is made anew")


def _lines(path: Path, manifest: Manifest, state: State, mark: Mark) -> Iterator[bytes]:
    yield _encode(_head(manifest, state, mark, _sum(path, mark.end))) + b"\n"
    last: _Requests | None = None
    for record in state.records.values():
        yield row_of(record, last)
        last = record.requests


def row_of(record: Record, last: _Requests | None) -> bytes:
    """The line of a finished input, behind one that had these requests."""
    asked = record.requests
    said = outcome_line(record.outcome)
    row = IndexRow(
        record.key, record.index, record.label, record.void, record.seconds, record.skipped, record.clean, said,
        None if asked == last else asked,
    )  # fmt: skip
    return _encode(row) + b"\n"


def _head(manifest: Manifest, state: State, mark: Mark, digest: str) -> IndexHead:
    return IndexHead(
        format=FORMAT,
        meaning_hash=manifest.meaning_hash,
        lines=mark.number,
        end=mark.end,
        hash=mark.hash,
        sha256=digest,
        records=len(state.records),
        sessions=state.sessions,
        begun=[None if selection is None else asdict(selection) for selection in state.begun],
        seals=[asdict(selection) for selection in state.seals],
        sealed=state.sealed,
        drawn_in=state.drawn_in,
        open={
            key: {
                stage: [(at.first, at.n, at.votes.slots, dict(at.votes.counts), at.seconds) for at in ranges]
                for stage, ranges in stages.items()
            }
            for key, stages in state.open.items()
        },
    )


def _sum(path: Path, end: int) -> str:
    """SHA-256 of the first bytes of a journal; empty where it has fewer."""
    digest = hashlib.sha256()
    with (path / JOURNAL).open("rb") as file:
        while end:
            if not (some := file.read(min(end, 1 << 20))):
                return ""
            digest.update(some)
            end -= len(some)
    return digest.hexdigest()


def _read(path: Path) -> tuple[IndexHead, list[bytes]]:
    raw = (path / INDEX).read_bytes()
    body, _, last = raw.rstrip(b"\n").rpartition(b"\n")
    if msgspec.json.decode(last) != {"sha256": hashlib.sha256(body + b"\n").hexdigest()}:
        raise ValueError("it is torn or damaged")
    head, *rows = body.split(b"\n")
    return _decode_head(head), rows


def _fits(path: Path, manifest: Manifest, head: IndexHead) -> bool:
    same = (head.format, head.meaning_hash) == (FORMAT, manifest.meaning_hash)
    return same and head.sha256 == _sum(path, head.end)


def _records(rows: list[bytes], state: State) -> Iterator[Record]:
    asked: _Requests = ()
    draws = 0
    for text in rows:
        row = _decode_row(text)
        if row.requests is not None:
            asked, draws = row.requests, sum([n for _, n in row.requests])
        answers = Answers(asked, draws, row.void, state.fetched(row.key))
        yield Record(
            row.key, row.index, row.label, answers, outcome_of(row.outcome), row.seconds, row.skipped, state.tally,
            row.clean,
        )  # fmt: skip


def _take_head(head: IndexHead, state: State) -> None:
    state.sessions = head.sessions
    state.begun = [None if said is None else Selection(**said) for said in head.begun]  # type: ignore[arg-type]  # likewise
    state.seals = [Selection(**said) for said in head.seals]  # type: ignore[arg-type]  # as they were written
    state.sealed = head.sealed
    state.drawn_in = head.drawn_in
    state.open = {
        key: {
            stage: [Range(first, n, Votes(slots, counts), seconds) for first, n, slots, counts, seconds in ranges]
            for stage, ranges in stages.items()
        }
        for key, stages in head.open.items()
    }

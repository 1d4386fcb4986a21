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
from threading import get_ident
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

FORMAT = 2

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
    """A finished input, in a line. ``requests`` stand where they are new; else their number among those before."""

    key: str
    index: Count
    label: Count | None
    void: Count
    seconds: float
    skipped: str | None
    clean: Count | None
    outcome: CertificateLine | PredictionLine | DecisionLine
    requests: _Requests | int


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
    part = path / f".{INDEX}-{os.getpid()}-{get_ident()}"  # a reader may write one, too
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
    """The index of a run held against its journal, line by line: readers rest on it, so it must say the same.

    Attributes:
        head: its first line; None where readers have none.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        """The index that readers of a run would take, if there is one."""
        self._path, self._manifest = path, manifest
        self.head: IndexHead | None = None
        self._seen: dict[_Requests, int] = {}
        with suppress(OSError, msgspec.MsgspecError, ValueError, RecursionError):
            head, self._rows = _read(path)
            if (head.format, head.meaning_hash) == (FORMAT, manifest.meaning_hash):
                self.head = head

    def check(self, state: State, line: Line, record: Record | None) -> None:
        """Hold it against a line that the state has just taken in, and the input that it finished.

        Raises:
            RunError: it says something else.
        """
        if self.head is None or line.number > self.head.lines:
            return
        if record is not None:
            self.check_row(record)
        if line.number == self.head.lines:
            self.check_head(head_of(self._manifest, state, line.mark))

    def check_row(self, record: Record) -> None:
        """Hold its next row against an input.

        Raises:
            RunError: it says something else.
        """
        if self.head is not None and next(self._rows, b"") != row_of(record, self._seen):
            self._wrong()

    def pass_row(self) -> None:
        """Leave its next row to somebody else, who checks it."""
        row = next(self._rows, b"")
        if not row[-3:-2].isdigit():  # it does not end in a number
            asked = _decode_row(row).requests
            assert isinstance(asked, tuple), "what else ends in no digit"
            self._seen.setdefault(asked, len(self._seen))

    def check_head(self, found: IndexHead) -> None:
        """Hold its first line against what the journal says up to there, and that no rows are left.

        Raises:
            RunError: it says something else.
        """
        if self.head is not None:
            found.sha256 = self.head.sha256  # which ``fits`` asks for
            if in_text(found) != in_text(self.head) or self.more_rows():
                self._wrong()
            self.head = None

    def more_rows(self) -> bool:
        """Whether it has rows that nobody asked for."""
        return self.head is not None and next(self._rows, None) is not None

    def close(self) -> None:
        """The journal is at its end.

        Raises:
            RunError: it is about more lines than there are.
        """
        if self.head is not None:
            self._wrong()

    def _wrong(self) -> None:
        """It is one that readers do not take, or an error."""
        assert self.head is not None, "else nobody asks"
        if _fits(self._path, self._manifest, self.head):
            raise RunError(f"{self._path / INDEX} does not say what the journal says; remove it: it is made anew")
        self.head = None


def in_text(head: IndexHead) -> bytes:
    """All that it says, inputs under way in one order."""
    in_order = {name: dict(sorted(getattr(head, name).items())) for name in ("open", "drawn_in")}
    return _encode(msgspec.structs.replace(head, **in_order))


def _lines(path: Path, manifest: Manifest, state: State, mark: Mark) -> Iterator[bytes]:
    head = head_of(manifest, state, mark)
    head.sha256 = _sum(path, mark.end)
    yield _encode(head) + b"\n"
    seen: dict[_Requests, int] = {}
    for record in state.records.values():
        yield row_of(record, seen)


def row_of(record: Record, seen: dict[_Requests, int]) -> bytes:
    """The line of a finished input, behind those that had these requests; its own are added to them."""
    asked = record.requests
    if (number := seen.get(asked)) is None:
        seen[asked] = len(seen)
    said = outcome_line(record.outcome)
    row = IndexRow(
        record.key, record.index, record.label, record.void, record.seconds, record.skipped, record.clean, said,
        asked if number is None else number,
    )  # fmt: skip
    return _encode(row) + b"\n"


def head_of(manifest: Manifest, state: State, mark: Mark) -> IndexHead:
    """What a state says of the journal up to a place, without its SHA-256."""
    return IndexHead(
        format=FORMAT,
        meaning_hash=manifest.meaning_hash,
        lines=mark.number,
        end=mark.end,
        hash=mark.hash,
        sha256="",
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


def _read(path: Path) -> tuple[IndexHead, Iterator[bytes]]:
    """Head and rows of an index that is whole; it is read as it is looked at."""
    rows = _whole(path / INDEX)
    return _decode_head(next(rows)), rows


def _whole(path: Path) -> Iterator[bytes]:
    """The lines of a file, but for the last, which has their sum; from one opening: another may take its place."""
    with path.open("rb") as file:
        digest, last = hashlib.sha256(), b""
        for line in file:
            digest.update(last)
            last = line
        if msgspec.json.decode(last) != {"sha256": digest.hexdigest()}:
            raise ValueError("it is torn or damaged")
        file.seek(0)
        before = next(file)
        for line in file:
            yield before
            before = line


def _fits(path: Path, manifest: Manifest, head: IndexHead) -> bool:
    same = (head.format, head.meaning_hash) == (FORMAT, manifest.meaning_hash)
    return same and head.sha256 == _sum(path, head.end)


def _records(rows: Iterator[bytes], state: State) -> Iterator[Record]:
    seen: list[tuple[_Requests, int]] = []
    for text in rows:
        row = _decode_row(text)
        if isinstance(row.requests, int):
            number = row.requests
        else:
            number = len(seen)
            seen.append((row.requests, sum([n for _, n in row.requests])))
        if not 0 <= number < len(seen):
            raise ValueError("a row names requests that no row before has")
        asked, draws = seen[number]
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

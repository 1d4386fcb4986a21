"""The append-only journal: one JSON object a line, each chained to the one before by a hash."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noiseproof.errors import RunError

_MARK = b',"hash":"'
_HASH_LENGTH = 32  # hex digits: 128 bits, plenty against accidents and edits by hand
_SYNC_EVERY = 1.0  # seconds
_TAIL = 1 << 12  # bytes


@dataclass(frozen=True)
class Line:
    """One good line of a journal.

    Attributes:
        number: 1 for the first.
        entry: the object, without its hash.
        end: file offset just behind the line.
        hash: the line's hash, which the next one continues.
    """

    number: int
    entry: dict[str, Any]
    end: int
    hash: str


class ChainError(RunError):
    """A line of a journal does not follow from the one before."""


def torn(path: Path) -> bool:
    """Whether a journal ends within a line, which ``read_journal`` leaves out; not where there is none."""
    if not path.exists() or not path.stat().st_size:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def last_hash(path: Path) -> str:
    """The hash of the last whole line, which stands for all lines before it; empty where there is no line."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            back = _TAIL
            while True:
                file.seek(max(0, size - back))
                whole, _, _ = file.read(back).rpartition(b"\n")
                line = whole[whole.rfind(b"\n") + 1 :]
                _, mark, rest = line.rpartition(_MARK)
                if mark or back >= size:
                    return rest[:_HASH_LENGTH].decode("ascii", "replace") if mark else ""
                back *= 8
    except OSError:
        return ""


def read_journal(path: Path, start: str) -> Iterator[Line]:
    """The good lines of a journal, in order. A torn last line (no newline) is not a line.

    Args:
        path: the file; a missing one has no lines.
        start: what the first line's hash continues (the run's meaning hash).

    Raises:
        ChainError: a line was changed, removed or inserted.
        RunError: the file cannot be read.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}") from None
    with file:
        end, previous = 0, start
        for number, raw in enumerate(file, start=1):
            if not raw.endswith(b"\n"):
                return
            end += len(raw)
            body, mark, rest = raw.rpartition(_MARK)
            found = rest[:_HASH_LENGTH].decode("ascii", "replace")
            if not mark or rest[_HASH_LENGTH:] != b'"}\n' or found != _chain(previous, body):
                raise ChainError(
                    f"{path}, line {number}: the hash does not follow from the line before; "
                    "the line was changed, or one was removed or inserted"
                )
            try:
                entry = json.loads(body + b"}")
            except (ValueError, RecursionError) as error:  # of brackets too deep, too
                raise ChainError(f"{path}, line {number}: not JSON ({error})") from None
            yield Line(number, entry, end, found)
            previous = found


class Journal:
    """A journal open for appending. What a kill, a short write or a full disk leaves is cut off or taken back."""

    def __init__(self, path: Path, start: str) -> None:
        """Open (or create) and read a journal.

        Args:
            path: the file.
            start: what the first line's hash continues.

        Raises:
            ChainError: the file was changed.
            RunError: it cannot be written.
        """
        self.path = path
        self.lines: list[Line] = list(read_journal(path, start))
        self._hash = self.lines[-1].hash if self.lines else start
        self._end = self.lines[-1].end if self.lines else 0
        self._synced = time.monotonic()
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
            os.ftruncate(self._file, self._end)  # a torn last line is the range that was under way
        except OSError as error:
            raise RunError(f"cannot write {path}: {error.strerror}; choose another --out") from None

    def append(self, entry: dict[str, Any]) -> None:
        """Write one line, whole or not at all; on the disk itself within about a second.

        Raises:
            RunError: the disk is full or the file cannot be written; the journal is as it was before.
        """
        body = json.dumps(entry, separators=(",", ":"), allow_nan=False).encode()[:-1]
        line_hash = _chain(self._hash, body)
        raw = body + _MARK + line_hash.encode() + b'"}\n'
        try:
            written = 0
            while written < len(raw):
                written += os.pwrite(self._file, raw[written:], self._end + written)
            if time.monotonic() - self._synced > _SYNC_EVERY:
                self.sync()
        except OSError as error:
            os.ftruncate(self._file, self._end)
            raise self._unwritable(error) from None
        self._end += len(raw)
        self._hash = line_hash

    def sync(self) -> None:
        """Wait until everything is on the disk."""
        os.fsync(self._file)
        self._synced = time.monotonic()

    def close(self) -> None:
        """Sync and close; appending is over.

        Raises:
            RunError: the last lines may not be on the disk.
        """
        if self._file >= 0:
            try:
                self.sync()
            except OSError as error:
                raise self._unwritable(error) from None
            finally:
                os.close(self._file)
                self._file = -1

    def _unwritable(self, error: OSError) -> RunError:
        return RunError(
            f"cannot write {self.path}: {error.strerror}; everything up to here is kept: "
            "make room and run the same line again"
        )


def _chain(previous: str, body: bytes) -> str:
    return hashlib.sha256(previous.encode() + b"\n" + body).hexdigest()[:_HASH_LENGTH]

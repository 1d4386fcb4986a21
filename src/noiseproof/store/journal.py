"""The append-only journal: one JSON object a line, each chained to the one before by a hash."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from noiseproof.errors import RunError

_MARK = b',"hash":"'
_HASH_LENGTH = 32  # hex digits: 128 bits, plenty against accidents and edits by hand
_TAIL = len(_MARK) + _HASH_LENGTH + len(b'"}\n')
HASH = slice(-len(b'"}\n') - _HASH_LENGTH, -len(b'"}\n'))
"""Where a line has its hash."""
_SYNC_EVERY = 1.0  # seconds
_LAST = 1 << 12  # bytes
_AT_ONCE = 1 << 20  # bytes
_encoder = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


class Line(NamedTuple):
    """One good line of a journal.

    Attributes:
        number: 1 for the first.
        text: the object as it is written, without its hash.
        end: file offset just behind the line.
        hash: the line's hash, which the next one continues.
    """

    number: int
    text: bytes
    end: int
    hash: str

    @property
    def mark(self) -> Mark:
        """The place behind it."""
        return Mark(self.number, self.end, self.hash)

    @property
    def entry(self) -> dict[str, Any]:
        """The object.

        Raises:
            RunError: it is none.
        """
        try:
            entry: dict[str, Any] = json.loads(self.text)
        except (ValueError, RecursionError) as error:  # of brackets too deep, too
            raise RunError(f"not JSON ({error})") from None
        return entry


class Mark(NamedTuple):
    """A place in a journal: behind its line ``number``, of that hash, which ends at that offset."""

    number: int
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
            back = _LAST
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


def read_journal(path: Path, start: str, after: Mark | None = None) -> Iterator[Line]:
    """The good lines of a journal, in order. A torn last line (no newline) is not a line.

    Args:
        path: the file; a missing one has no lines.
        start: what the first line's hash continues (the run's meaning hash).
        after: begin behind this place instead.

    Raises:
        ChainError: a line was changed, removed or inserted.
        RunError: the file cannot be read.
    """
    try:
        file = path.open("rb", buffering=1 << 20)
    except FileNotFoundError:
        return
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}") from None
    first, end, previous = after or Mark(0, 0, start)
    last = previous.encode()
    with file:
        if file.seek(0, os.SEEK_END) < end:
            raise ChainError(f"{path} is shorter than it was: lines that were read are gone")
        file.seek(end)
        for number, raw in enumerate(file, start=first + 1):
            if not follows(raw, last):
                if not raw.endswith(b"\n"):
                    return
                raise ChainError(
                    f"{path}, line {number}: the hash does not follow from the line before; "
                    "the line was changed, or one was removed or inserted"
                )
            end += len(raw)
            last = raw[HASH]
            yield Line(number, text_of(raw), end, last.decode())


def text_of(raw: bytes) -> bytes:
    """The object of a line, without its hash."""
    return raw[:-_TAIL] + b"}"


def follows(raw: bytes, last: bytes) -> bool:
    """Whether the hash of a line continues that of the line before."""
    body = raw[:-_TAIL]
    return raw[len(body) :] == b'%b%b"}\n' % (_MARK, _chain(last, body))


class Journal:
    """A journal open for appending. What a kill, a short write or a full disk leaves is cut off or taken back."""

    def __init__(
        self, path: Path, start: str, take: Callable[[Line], object] = lambda _: None, after: Mark | None = None
    ) -> None:
        """Open (or create) and read a journal.

        Args:
            path: the file.
            start: what the first line's hash continues.
            take: is handed each line that is there.
            after: but those up to here, which are known.

        Raises:
            ChainError: the file was changed.
            RunError: it cannot be written.
        """
        self.path = path
        self.end = after or Mark(0, 0, start)
        for line in read_journal(path, start, after):
            take(line)
            self.end = line.mark
        self._synced = time.monotonic()
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
            os.ftruncate(self._file, self.end.end)  # a torn last line is the range that was under way
        except OSError as error:
            raise RunError(f"cannot write {path}: {error.strerror}; choose another --out") from None

    def append(self, entry: dict[str, Any] | bytes) -> None:
        """Write one line, whole or not at all; on the disk itself within about a second.

        Args:
            entry: an object, or its text.

        Raises:
            RunError: the disk is full or the file cannot be written; the journal is as it was before.
        """
        self.extend([entry if isinstance(entry, bytes) else _encoder.encode(entry).encode()])

    def extend(self, texts: Iterable[bytes]) -> None:
        """Write the texts of several lines as ``append`` does, some thousand of them at once, each time whole or not.

        Raises:
            RunError: as there; what was written before is kept.
        """
        chained, lines, size = self.end.hash.encode(), list[bytes](), 0
        for text in texts:
            body = text[:-1]
            chained = _chain(chained, body)
            lines.append(body + _MARK + chained + b'"}\n')
            size += len(lines[-1])
            if size > _AT_ONCE:
                self._write(lines, chained.decode())
                lines, size = [], 0
        if lines:
            self._write(lines, chained.decode())

    def _write(self, lines: list[bytes], last: str) -> None:
        number, end, _ = self.end
        raw = b"".join(lines)
        try:
            written = os.pwrite(self._file, raw, end)
            while written < len(raw):
                written += os.pwrite(self._file, raw[written:], end + written)
            if time.monotonic() - self._synced > _SYNC_EVERY:
                self.sync()
        except OSError as error:
            os.ftruncate(self._file, end)
            raise self._unwritable(error) from None
        self.end = Mark(number + len(lines), end + len(raw), last)

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


def _chain(previous: bytes, body: bytes) -> bytes:
    return hashlib.sha256(previous + b"\n" + body).hexdigest()[:_HASH_LENGTH].encode()

"""What every folder with a journal has in common: one writer, one meaning, one chain of lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from noiseproof.errors import RunError
from noiseproof.store.journal import ChainError, Journal, Line, Mark
from noiseproof.store.lock import FolderLock
from noiseproof.store.manifest import MANIFEST, Manifest, check_meaning, read_manifest, write_manifest, write_text
from noiseproof.store.settings import to_toml

JOURNAL = "journal.jsonl"
SETTINGS = "settings.toml"


@contextmanager
def taken(path: Path, line: Line) -> Iterator[dict[str, Any]]:
    """The entry of a line, to be taken in; what is wrong with it names the line.

    Raises:
        ChainError: it contradicts what came before, or is malformed.
    """
    try:
        yield line.entry
    except RunError as error:
        raise ChainError(f"{path / JOURNAL}, line {line.number}: {error}") from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ChainError(f"{path / JOURNAL}, line {line.number}: malformed ({repr(error)[:200]})") from None


def other_line(kind: object) -> RunError:
    """What is said of a line of a kind that this version does not know."""
    return RunError(f"a {str(kind)[:40]!r}, which this version does not know")


class JournalFolder:
    """Manifest, journal, settings and lock of a folder that is open for writing: created, or resumed.

    Attributes:
        path: the folder.
        manifest: what its lines mean; once it is open, as it is stored.
    """

    def __init__(self, path: Path, manifest: Manifest, *, called: str) -> None:
        """A folder for this manifest; ``called`` is what a folder of other files is not."""
        self.path = path
        self.manifest = manifest
        self._called = called
        self._lock = FolderLock(path)
        self._journal: Journal | None = None
        self._made = False  # whether the manifest was written by this very object

    def open(self, take: Callable[[Line], object], known: Callable[[Manifest], Mark | None] = lambda _: None) -> None:
        """Lock, create or resume; each line that is there already is handed to ``take``.

        Args:
            take: takes in a line.
            known: up to where the lines are known already, asked once the folder is locked.

        Raises:
            RunError: the folder is locked, unwritable, damaged, holds other files, or is of another meaning.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            names = {entry.name for entry in self.path.iterdir()}
        except OSError as error:
            raise RunError(f"cannot make the folder {self.path}: {error.strerror}; choose another --out") from None
        if MANIFEST not in names and not names <= {"lock", f"{MANIFEST}.part"}:
            raise RunError(f"{self.path} holds other files and is not {self._called}; choose another --out")
        self._lock.acquire()
        try:
            if (self.path / MANIFEST).exists():
                stored = read_manifest(self.path)
                check_meaning(self.path, stored, self.manifest)
                self.manifest = stored  # sigma = 1 and 1.0 mean the same but are not written the same
            else:
                write_manifest(self.path, self.manifest)
                self._made = True
            start, after = self.manifest.meaning_hash, known(self.manifest)
            self._journal = Journal(self.path / JOURNAL, start, take, after)
        except BaseException:
            self.close()
            raise

    def begin(self, environment: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
        """Store the settings of a start; returns the line that notes it."""
        write_text(self.path / SETTINGS, to_toml(settings))
        return {"is": "session", **environment, "settings": settings}

    def append(self, entry: dict[str, Any] | bytes) -> None:
        """Write one line."""
        assert self._journal is not None, "a folder is written inside its with statement"
        self._journal.append(entry)

    @property
    def end(self) -> Mark | None:
        """Where the journal ends; None before it is open."""
        return None if self._journal is None else self._journal.end

    def close(self, *, nothing_kept: bool = False) -> None:
        """Give the folder back.

        Args:
            nothing_kept: it failed before there was anything to keep: a folder that was new is made new again, so that
                another line may use it.
        """
        try:
            if self._journal is not None:
                self._journal.close()
            if nothing_kept and self._made:
                self._forget()
        finally:
            self._lock.release()

    def _forget(self) -> None:
        """Remove what this object wrote, as long as nothing else is there; the lock stays, it may be waited for."""
        ours = (JOURNAL, SETTINGS, MANIFEST)  # the manifest last: what is left by a kill is a run folder still
        if {entry.name for entry in self.path.iterdir()} <= {*ours, "lock"}:
            for name in ours:
                (self.path / name).unlink(missing_ok=True)


class FolderInUse:
    """A folder open for writing, whose lines are taken in one by one; ``with`` opens and closes it.

    Attributes:
        path: the folder.
    """

    def __init__(
        self,
        path: Path,
        manifest: Manifest,
        take: Callable[[Line], object],
        kept: Callable[[], object],
        known: Callable[[Manifest], Mark | None] = lambda _: None,
        *,
        called: str,
    ) -> None:
        """A folder for this manifest.

        Args:
            path: the folder.
            manifest: what its lines mean.
            take: takes in a line that is there already.
            kept: true where there is something to keep.
            known: up to where the lines are known already, asked once the folder is locked.
            called: what a folder of other files is not.
        """
        self.path, self._take, self._kept, self._known = path, take, kept, known
        self._folder = JournalFolder(path, manifest, called=called)

    def __enter__(self) -> Self:
        """Lock, create or resume.

        Raises:
            RunError: the folder is locked, unwritable, damaged, holds other files, or is of another meaning.
        """
        self._folder.open(self._take, self._known)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give it back; one that was new and in which nothing was kept before an error is new again."""
        self._folder.close(nothing_kept=error is not None and not self._kept())

    def begin(self, environment: dict[str, Any], settings: dict[str, Any]) -> None:
        """Note a start: what computes, and what was asked for."""
        self._folder.append(self._folder.begin(environment, settings))

"""What every folder with a journal has in common: one writer, one meaning, one chain of lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from noiseproof.errors import RunError
from noiseproof.store.journal import Journal, Line
from noiseproof.store.lock import FolderLock
from noiseproof.store.manifest import MANIFEST, Manifest, check_meaning, read_manifest, write_manifest, write_text
from noiseproof.store.settings import to_toml

JOURNAL = "journal.jsonl"
SETTINGS = "settings.toml"


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

    def open(self, take: Callable[[Line], None]) -> None:
        """Lock, create or resume; each line that is there already is handed to ``take``.

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
            self._journal = Journal(self.path / JOURNAL, self.manifest.meaning_hash)
            for line in self._journal.lines:
                take(line)
            self._journal.lines.clear()
        except BaseException:
            self.close()
            raise

    def begin(self, environment: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
        """Store the settings of a start; returns the line that notes it."""
        write_text(self.path / SETTINGS, to_toml(settings))
        return {"is": "session", **environment, "settings": settings}

    def append(self, entry: dict[str, Any]) -> None:
        """Write one line."""
        assert self._journal is not None, "a folder is written inside its with statement"
        self._journal.append(entry)

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

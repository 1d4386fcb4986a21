"""All run folders below a folder: found, read, verified in the background, and read again as they grow."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from noiseproof.errors import RunError
from noiseproof.store.manifest import MANIFEST
from noiseproof.store.verify import verify
from noiseproof.viewer.rows import FAILED, FINISHED, STOPPED, RunRow, Watched, said_of, stamp_of

_LOOK = 1.0
"""Seconds between two looks at what is known."""
_FIND = 10.0
"""Seconds between two searches for new folders."""


class Index:
    """The run folders below a folder. ``with`` follows them in a thread; without it ``look`` is called by hand.

    Attributes:
        folder: what is looked at.
        radii: at which certified accuracy is told.
        version: counts up with every row that changed: whoever has seen one asks for what came after.
    """

    def __init__(self, folder: Path, radii: Sequence[float]) -> None:
        """An index of a folder, empty yet.

        Raises:
            RunError: there is no such folder.
        """
        if not folder.is_dir():
            raise RunError(f"{folder} is not a folder; give one with run folders in it")
        self.folder, self.radii, self.version = folder.resolve(), tuple(radii), 0
        self._watched: dict[str, Watched] = {}
        self._changed: dict[str, int] = {}
        self._gone: dict[str, int] = {}
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Index:
        """Follow the folders until the end."""
        self._thread = threading.Thread(target=self._follow, name="noiseproof-view", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop following."""
        self._end.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def rows(self, after: int = -1) -> tuple[int, list[RunRow], list[str]]:
        """The version now, the rows that came or changed after a version, and the names of folders gone since."""
        with self._lock:
            changed = [self._watched[name].row for name, number in self._changed.items() if number > after]
            gone = [name for name, number in self._gone.items() if number > after]
            return self.version, sorted(changed, key=lambda row: row.name), gone

    def path(self, name: str) -> Path | None:
        """The folder of a row; None for what is none: no other path can be asked for."""
        with self._lock:
            watched = self._watched.get(name)
        return None if watched is None else watched.path

    def row(self, name: str) -> RunRow | None:
        """The row of a folder."""
        with self._lock:
            watched = self._watched.get(name)
            return None if watched is None else watched.row

    def find(self) -> None:
        """Look for folders that came or went."""
        found = dict(run_folders(self.folder))
        with self._lock:
            for name in [name for name in self._watched if name not in found]:
                del self._watched[name], self._changed[name]
                self.version += 1
                self._gone[name] = self.version
            for name, path in found.items():
                if name not in self._watched:
                    self._watched[name] = Watched(path, name, self.radii, RunRow(name, said="not read yet"))
                    self._gone.pop(name, None)
                    self._note(name)

    def look(self) -> None:
        """Read what is new in every folder that is known."""
        for watched in list(self._watched.values()):
            if self._end.is_set():
                return
            if watched.look():
                with self._lock:
                    self._note(watched.name)

    def verify_one(self) -> bool:
        """Verify a folder that is finished or was stopped and was not verified yet; returns whether there was one."""
        for watched in list(self._watched.values()):
            if watched.row.state in (FINISHED, STOPPED) and not watched.row.verified:
                if not watched.row.done or watched.row.kind == "import":
                    continue
                stamp = stamp_of(watched.path)
                try:
                    verify(watched.path)
                    row = replace(watched.row, verified=True)
                except Exception as error:  # noqa: BLE001  # likewise: the watch goes on
                    row = replace(watched.row, state=FAILED, said=said_of(error, watched.path))
                if stamp == watched.stamp:
                    watched.row = row
                    with self._lock:
                        self._note(watched.name)
                return True
        return False

    def _note(self, name: str) -> None:
        if name in self._watched:
            self.version += 1
            self._changed[name] = self.version

    def _follow(self) -> None:
        found = looked = float("-inf")
        while not self._end.is_set():
            if time.monotonic() - found > _FIND:
                self.find()
                found = time.monotonic()
            if time.monotonic() - looked > _LOOK:
                self.look()
                looked = time.monotonic()
            if not self.verify_one():
                self._end.wait(_LOOK)


def run_folders(folder: Path) -> Iterator[tuple[str, Path]]:
    """Every folder with a manifest below a folder, and that itself, by its path from there; links are not followed."""
    for here, folders, files in os.walk(folder, onerror=None, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        path = Path(here)
        if MANIFEST in files:
            name = path.relative_to(folder).as_posix()
            yield (folder.name if name == "." else name), path

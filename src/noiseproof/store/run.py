"""The run folder: manifest, journal, settings. One writer, any number of readers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from noiseproof.errors import RunError
from noiseproof.noises import Noise, noise_from
from noiseproof.procedures import Procedure, procedure_from
from noiseproof.store.journal import ChainError, Journal, read_journal
from noiseproof.store.lock import FolderLock
from noiseproof.store.manifest import Manifest, check_meaning, read_manifest, write_manifest, write_text
from noiseproof.store.settings import to_toml
from noiseproof.store.state import Range, State, range_entry, record_entry
from noiseproof.types import Certificate, Prediction, Record

JOURNAL = "journal.jsonl"
SETTINGS = "settings.toml"
DRAWN_BY = ("device", "backend", "precision", "batch_size", "version")
"""What must not change within one input; a partial input begun under another environment starts over."""


@dataclass(frozen=True)
class Run:
    """A run folder as a reader sees it.

    Attributes:
        path: the folder.
        manifest: what its numbers mean.
        state: what its journal says.
    """

    path: Path
    manifest: Manifest
    state: State

    @property
    def records(self) -> list[Record]:
        """The finished inputs, by index."""
        return sorted(self.state.records.values(), key=lambda record: (record.index, record.key))

    @property
    def noise(self) -> Noise:
        """The noise the run was made with."""
        return noise_from(self.manifest.meaning["noise"])

    @property
    def procedure(self) -> Procedure:
        """The procedure the run was made with."""
        return procedure_from(self.manifest.meaning["procedure"])


def read_run(path: Path) -> Run:
    """Read a run folder; another process may be writing it.

    Raises:
        RunError: it is not a run of a procedure, or its journal was changed.
    """
    manifest = read_manifest(path)
    if "procedure" not in manifest.meaning:
        raise RunError(f"{path} is the run folder of noiseproof {manifest.kind}, which has no certificates")
    state = State()
    for _ in apply_lines(path, manifest, state):
        pass
    return Run(path, manifest, state)


def apply_lines(path: Path, manifest: Manifest, state: State) -> Iterator[dict[str, Any]]:
    """Each journal line, after the state has taken it in; errors name the line."""
    for line in read_journal(path / JOURNAL, manifest.meaning_hash):
        try:
            state.apply(line.entry)
        except RunError as error:
            raise ChainError(f"{path / JOURNAL}, line {line.number}: {error}") from None
        yield line.entry


class RunFolder:
    """A run folder open for writing: created, or resumed where it stopped."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        """A folder for this manifest; ``with`` opens it."""
        self.path = path
        self.manifest = manifest
        self.state = State()
        self._lock = FolderLock(path)
        self._journal: Journal | None = None

    def __enter__(self) -> Self:
        """Lock, create or resume.

        Raises:
            RunError: the folder is locked, unwritable, damaged, not a run folder, or of another meaning.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            names = {entry.name for entry in self.path.iterdir()}
        except OSError as error:
            raise RunError(f"cannot make the folder {self.path}: {error.strerror}; choose another --out") from None
        if "manifest.json" not in names and not names <= {"lock", "manifest.json.part"}:
            raise RunError(f"{self.path} holds other files and is not a run folder; choose another --out")
        self._lock.acquire()
        try:
            if (self.path / "manifest.json").exists():
                stored = read_manifest(self.path)
                check_meaning(self.path, stored, self.manifest)
                self.manifest = stored  # sigma = 1 and 1.0 mean the same but are not written the same
            else:
                write_manifest(self.path, self.manifest)
            self._journal = Journal(self.path / JOURNAL, self.manifest.meaning_hash)
            for line in self._journal.lines:
                try:
                    self.state.apply(line.entry)
                except RunError as error:
                    raise ChainError(f"{self._journal.path}, line {line.number}: {error}") from None
            self._journal.lines.clear()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._journal is not None:
                self._journal.close()
        finally:
            self._lock.release()

    def begin(self, environment: dict[str, Any], settings: dict[str, Any]) -> None:
        """Note a start: what draws, and what was asked for. Inputs begun by something else start over."""
        write_text(self.path / SETTINGS, to_toml(settings))
        sessions = self.state.sessions
        drawn_by = {name: environment.get(name) for name in DRAWN_BY}
        stale = [
            key
            for key, session in self.state.drawn_in.items()
            if {name: sessions[session].get(name) for name in DRAWN_BY} != drawn_by
        ]
        self._append({"is": "session", **environment, "settings": settings})
        for key in stale:
            self.restart(key)

    def restart(self, key: str) -> None:
        """Forget the draws of an unfinished input."""
        self._append({"is": "restart", "key": key})

    def add_range(self, key: str, stage: str, drawn: Range) -> None:
        """Keep a range of draws."""
        self._append(range_entry(key, stage, drawn))

    def add_record(
        self,
        key: str,
        index: int,
        label: int | None,
        requests: list[tuple[str, int]],
        outcome: Certificate | Prediction,
        *,
        seconds: float | None = None,
    ) -> Record:
        """Close an input; ``seconds`` are those that no range accounts for (an imported record has no ranges)."""
        self._append(record_entry(key, index, label, requests, outcome, seconds))
        return self.state.records[key]

    def _append(self, entry: dict[str, Any]) -> None:
        assert self._journal is not None, "a run folder is used inside its with statement"
        self.state.apply(entry)  # first: a line that could not be read back is never written
        self._journal.append(entry)

"""One row a run folder: what it is about, how far it is, what it says so far, and whether it holds."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from noiseproof.analysis import certified_share, right_radii
from noiseproof.errors import NoiseproofError
from noiseproof.store.folder import JOURNAL
from noiseproof.store.journal import torn
from noiseproof.store.manifest import MANIFEST, read_manifest
from noiseproof.store.run import Following
from noiseproof.store.whole import wholeness
from noiseproof.types import Certificate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from noiseproof.store.manifest import Manifest
    from noiseproof.types import Record

RUNNING, FINISHED, STOPPED, FAILED = "running", "finished", "stopped", "failed"
_FRESH = 20.0
"""Seconds since the last line of a journal up to which its writer is believed to live."""


@dataclass(frozen=True)
class RunRow:
    """One run folder.

    Attributes:
        name: where it lies below the folder that is looked at.
        kind: the verb that made it; empty where it has no manifest that can be read.
        model: the base classifier.
        data: the data set.
        noise: family and sigma.
        procedure: verb and procedure, where they differ.
        done: finished inputs.
        asked: inputs that were asked for; None where that is not known.
        draws: of the finished inputs.
        certified: certified accuracy at each radius of the table; None where there is none.
        acr: average certified radius, likewise.
        state: "running", "finished", "stopped" or "failed"; empty of kinds that have no journal of inputs.
        said: what is wrong with it, or what else is to be known.
        meaning: the hash of what its numbers mean.
        about: of an attack, that of the run that it is about.
        verified: whether it was verified as it is now.
    """

    name: str
    kind: str = ""
    model: str = ""
    data: str = ""
    noise: str = ""
    procedure: str = ""
    done: int = 0
    asked: int | None = None
    draws: int = 0
    certified: tuple[float, ...] | None = None
    acr: float | None = None
    state: str = ""
    said: str = ""
    meaning: str = ""
    about: str = ""
    verified: bool = False

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


@dataclass
class Watched:
    """A run folder that is looked at again and again; what has not changed is not read again.

    Attributes:
        path: the folder.
        name: as in the row.
        radii: at which certified accuracy is told.
        row: as it was last.
        stamp: of manifest and journal when they were last read.
        following: of a run under way, what was read of it so far; None where nothing is expected to come.
    """

    path: Path
    name: str
    radii: Sequence[float]
    row: RunRow
    stamp: tuple[float, ...] = ()
    following: Following | None = field(default=None, repr=False)

    def look(self) -> bool:
        """Read what is new; returns whether the row is another one than before."""
        stamp, before = stamp_of(self.path), self.row
        if stamp != self.stamp:
            self.row, self.stamp = self._read(), stamp
        elif self.row.state == RUNNING and not _alive(self.path):
            self.row = self._read()
        return self.row != before

    def _read(self) -> RunRow:
        try:
            manifest = read_manifest(self.path)
        except NoiseproofError as error:
            return RunRow(self.name, state=FAILED, said=said_of(error, self.path))
        about = _about(self.name, manifest)
        if "procedure" not in manifest.meaning:
            return RunRow(**about)
        try:
            if self.following is None or self.following.run.manifest != manifest:
                self.following = Following(self.path)
            self.following.advance()
            row = self._counted(about, self.following)
        except Exception as error:  # noqa: BLE001  # one folder, whatever is in it, must not end the watch over the others
            self.following = None
            return RunRow(**about, state=FAILED, said=said_of(error, self.path))
        if row.state != RUNNING:
            self.following = None  # ten thousand finished runs must fit into memory
        return row

    def _counted(self, about: dict[str, Any], following: Following) -> RunRow:
        state = following.run.state
        records = list(state.records.values())
        whole = wholeness(state)
        if state.sealed or not following.run.manifest.has_counts:
            how = FINISHED
        else:
            how = RUNNING if _alive(self.path) else STOPPED
        said = ["" if how == RUNNING else whole.text]
        if how != RUNNING and torn(self.path / JOURNAL):
            said.append("a torn last line, which is not counted")
        certified, acr = _accuracy(records, self.radii)
        return RunRow(
            **about,
            done=len(records),
            asked=_asked(following) or (whole.asked or None),
            draws=sum(record.draws for record in records),
            certified=certified,
            acr=acr,
            state=how,
            said="; ".join(filter(None, said)),
        )


def said_of(error: Exception, path: Path) -> str:
    """What is wrong with a folder, without saying again where it lies."""
    said = str(error) if isinstance(error, NoiseproofError) else f"cannot be read: {error!r:.200}"
    return said.replace(f"{path}{os.sep}", "").replace(str(path), path.name)


def stamp_of(path: Path) -> tuple[float, ...]:
    """What changes when a run folder does."""
    found: list[float] = []
    for name in (MANIFEST, JOURNAL):
        try:
            known = (path / name).stat()
            found += [known.st_size, known.st_mtime_ns]
        except OSError:
            found.append(-1.0)
    return tuple(found)


def _about(name: str, manifest: Manifest) -> dict[str, Any]:
    def of(part: str, field: str) -> str:
        table = manifest.meaning.get(part)
        value = table.get(field, "") if isinstance(table, dict) else ""
        return f"{value:g}" if isinstance(value, float) else str(value)

    return {
        "name": name,
        "kind": manifest.kind,
        "model": of("model", "architecture"),
        "data": of("data", "name"),
        "noise": f"{of('noise', 'family')} {of('noise', 'sigma')}".strip(),
        "procedure": " ".join(dict.fromkeys(filter(None, (manifest.kind, of("procedure", "name"))))),
        "meaning": manifest.meaning_hash,
        "about": str(manifest.meaning.get("run", "")),
    }


def _accuracy(records: Sequence[Record], radii: Sequence[float]) -> tuple[tuple[float, ...] | None, float | None]:
    if not records or not all(isinstance(r.outcome, Certificate) and r.label is not None for r in records):
        return None, None
    try:
        reached = right_radii(records)
    except ValueError:
        return None, None
    return tuple(certified_share(reached, np.asarray(radii)).tolist()), float(np.maximum(reached, 0).mean())


def _asked(following: Following) -> int | None:
    """How many inputs the last session is to have, where its line says."""
    begun = following.run.state.begun
    selection = begun[-1] if begun else None
    return None if selection is None else len(selection.indices)


def _alive(path: Path) -> bool:
    """Whether a run's writer seems to live. Its lock is not tried: whoever tries it may be in the writer's way."""
    try:
        if time.time() - (path / JOURNAL).stat().st_mtime < _FRESH:  # it may be a process of another machine
            return True
        os.kill(int((path / "lock").read_text(encoding="ascii", errors="replace")[:32]), 0)
    except PermissionError:  # of the process: it is there
        return True
    except (OSError, ValueError, OverflowError):
        return False
    return True

"""The folder of an attack: a manifest, and a journal with one line a judged point."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from noiseproof.errors import RunError
from noiseproof.store.journal import ChainError, Journal, read_journal
from noiseproof.store.lock import FolderLock
from noiseproof.store.manifest import Manifest, check_meaning, read_manifest, write_manifest, write_text
from noiseproof.store.settings import to_toml
from noiseproof.types import ABSTAIN

if TYPE_CHECKING:
    from numpy.typing import NDArray

KIND = "attack"
_JOURNAL = "journal.jsonl"
_SETTINGS = "settings.toml"


@dataclass(frozen=True)
class Attacked:
    """One adversarial point and its judgement.

    Attributes:
        key: the input key in the certified run.
        index: the input's index in the data set; a label only.
        label: its true class, or None where unknown.
        certified: the certified class.
        radius: its certified radius R, in input units.
        multiple: the attack was allowed a distance of multiple * R.
        distance: L2 distance of the adversarial point from the input, in input units.
        seed: of the noise it was judged on, from the operating system.
        n: draws of the judgement.
        votes: class votes; n - sum(votes) draws were void.
        prediction: the class PREDICT returned there, or ``ABSTAIN``.
        p_value: of PREDICT's test.
        seconds: wall time of attack and judgement, shared batches split evenly.
    """

    key: str
    index: int
    label: int | None
    certified: int
    radius: float
    multiple: float
    distance: float
    seed: int
    n: int
    votes: tuple[int, ...]
    prediction: int
    p_value: float
    seconds: float

    @property
    def broken(self) -> bool:
        """Whether the smoothed classifier confidently returned another class; abstaining is not a break."""
        return self.prediction not in (ABSTAIN, self.certified)

    @property
    def contradicts(self) -> bool:
        """Whether this breaks a certificate: broken within R."""
        return self.broken and self.multiple <= 1


@dataclass(frozen=True)
class Attack:
    """The folder of an attack as a reader sees it.

    Attributes:
        path: the folder.
        manifest: which run was attacked, how, and how it was judged.
        points: judged points, by index and multiple.
    """

    path: Path
    manifest: Manifest
    points: tuple[Attacked, ...]


def read_attack(path: Path) -> Attack:
    """Read the folder of an attack; another process may be writing it.

    Raises:
        RunError: it is not one, or its journal was changed.
    """
    manifest = read_manifest(path)
    if manifest.kind != KIND:
        raise RunError(f"{path} is the run folder of noiseproof {manifest.kind}, not of {KIND}")
    points: dict[tuple[str, float], Attacked] = {}
    for line in read_journal(path / _JOURNAL, manifest.meaning_hash):
        _apply(path, line.number, line.entry, points)
    return Attack(path, manifest, _sorted(points))


class AttackFolder:
    """The folder of an attack open for writing: created, or resumed where it stopped."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        """A folder for this manifest; ``with`` opens it."""
        self.path = path
        self.manifest = manifest
        self.points: dict[tuple[str, float], Attacked] = {}
        self._lock = FolderLock(path)
        self._journal: Journal | None = None

    def __enter__(self) -> Self:
        """Lock, create or resume.

        Raises:
            RunError: the folder is locked, unwritable, damaged, holds other files, or is of another meaning.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            names = {entry.name for entry in self.path.iterdir()}
        except OSError as error:
            raise RunError(f"cannot make the folder {self.path}: {error.strerror}; choose another --out") from None
        if "manifest.json" not in names and not names <= {"lock", "manifest.json.part"}:
            raise RunError(f"{self.path} holds other files and is not the folder of an attack; choose another --out")
        self._lock.acquire()
        try:
            if (self.path / "manifest.json").exists():
                stored = read_manifest(self.path)
                check_meaning(self.path, stored, self.manifest)
                self.manifest = stored
            else:
                write_manifest(self.path, self.manifest)
            self._journal = Journal(self.path / _JOURNAL, self.manifest.meaning_hash)
            for line in self._journal.lines:
                _apply(self.path, line.number, line.entry, self.points)
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
        """Note a start: what attacks and judges, and what was asked for."""
        write_text(self.path / _SETTINGS, to_toml(settings))
        self._append({"is": "session", **environment, "settings": settings})

    def add(self, point: Attacked, x: NDArray[np.float64]) -> None:
        """Keep a judged point; the adversarial input itself, as ``broken/INDEX-xMULTIPLE.npy``, where it broke."""
        if point.broken:
            place = self.path / "broken" / f"{point.index}-x{point.multiple!r}.npy"
            try:
                place.parent.mkdir(exist_ok=True)
                np.save(place, x)
            except OSError as error:
                raise RunError(
                    f"cannot write {place}: {error.strerror}; make room and run the same line again"
                ) from None
        self._append({"is": "point"} | asdict(point))
        self.points[point.key, point.multiple] = point

    def _append(self, entry: dict[str, Any]) -> None:
        assert self._journal is not None, "the folder of an attack is used inside its with statement"
        self._journal.append(entry)


def _apply(path: Path, number: int, entry: dict[str, Any], points: dict[tuple[str, float], Attacked]) -> None:
    """Take one line of a journal in."""
    try:
        match entry["is"]:
            case "session":
                return
            case "point":
                named = {name: value for name, value in entry.items() if name != "is"}
                point = Attacked(**named | {"votes": tuple(entry["votes"])})
                points[point.key, point.multiple] = point
            case other:
                raise ChainError(f"{path / _JOURNAL}, line {number}: a {other!r}, which this version does not know")
    except (KeyError, TypeError) as error:
        raise ChainError(f"{path / _JOURNAL}, line {number}: malformed ({error!r})") from None


def _sorted(points: dict[tuple[str, float], Attacked]) -> tuple[Attacked, ...]:
    return tuple(sorted(points.values(), key=lambda point: (point.index, point.key, point.multiple)))

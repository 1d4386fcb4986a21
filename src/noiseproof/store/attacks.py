"""The folder of an attack or of a falsifier: a manifest, and a journal with one line a judged point."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from noiseproof.errors import RunError
from noiseproof.store.folder import JOURNAL, FolderInUse, other_line, taken
from noiseproof.store.journal import Line, read_journal
from noiseproof.store.manifest import Manifest, read_manifest
from noiseproof.types import ABSTAIN

if TYPE_CHECKING:
    from numpy.typing import NDArray

KIND = "attack"
KIND_FALSIFY = "falsify"


@dataclass(frozen=True)
class Judgement:
    """What PREDICT said of a point.

    Attributes:
        seed: of the noise it was judged on, from the operating system.
        n: draws of the judgement.
        votes: class votes; n - sum(votes) draws were void.
        prediction: the class PREDICT returned there, or ``ABSTAIN``.
        p_value: of PREDICT's test.
    """

    seed: int
    n: int
    votes: tuple[int, ...]
    prediction: int
    p_value: float


@dataclass(frozen=True)
class Attacked:
    """One adversarial point and its judgement.

    Attributes:
        key: the input key in the certified run.
        index: the input's index in the data set; a label only.
        label: its true class, or None where unknown.
        certified: the certified class; the true one where nothing is certified (radius 0).
        radius: its certified radius R, in input units.
        multiple: the attack was allowed a distance of multiple * R; of an attack that looks for the smallest
            perturbation, and where nothing is certified, multiple * max(R, sigma).
        distance: L2 distance of the adversarial point from the input, in input units.
        seed: of the noise it was judged on, from the operating system.
        n: draws of the judgement.
        votes: class votes; n - sum(votes) draws were void.
        prediction: the class PREDICT returned there, or ``ABSTAIN``.
        p_value: of PREDICT's test.
        seconds: wall time of attack and judgement, shared batches split evenly.
        attack: which one found it.
        arithmetic: of the noise it was judged on; "exact integers" on a run's grid, rounded float noise off it.
        tried: points that were judged until this one was chosen: the nearest that broke.
        again: a second judgement on fresh noise, of a point that broke within R.
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
    attack: str = "pgd"
    arithmetic: str = ""
    tried: int = 1
    again: Judgement | None = None

    @property
    def name(self) -> tuple[str, str, float]:
        """What there is one of in a folder."""
        return self.key, self.attack, self.multiple

    @property
    def broken(self) -> bool:
        """Whether the smoothed classifier confidently returned another class; abstaining is not a break."""
        said = [self.prediction] if self.again is None else [self.prediction, self.again.prediction]
        return all(prediction not in (ABSTAIN, self.certified) for prediction in said)

    @property
    def contradicts(self) -> bool:
        """Whether this breaks a certificate: broken within R."""
        return self.broken and 0 < self.radius >= self.distance


@dataclass(frozen=True)
class AttackRun:
    """The folder of an attack as a reader sees it.

    Attributes:
        path: the folder.
        manifest: which run was attacked, how, and how it was judged.
        points: judged points, by index and multiple.
    """

    path: Path
    manifest: Manifest
    points: tuple[Attacked, ...]


def read_attack(path: Path, kind: str = KIND) -> AttackRun:
    """Read the folder of an attack; another process may be writing it.

    Args:
        path: the folder.
        kind: ``KIND`` or ``KIND_FALSIFY``.

    Raises:
        RunError: it is not one, or its journal was changed.
    """
    manifest = read_manifest(path)
    if manifest.kind != kind:
        raise RunError(f"{path} is the run folder of noiseproof {manifest.kind}, not of {kind}")
    points: dict[tuple[str, str, float], Attacked] = {}
    for line in read_journal(path / JOURNAL, manifest.meaning_hash):
        _take(path, line, points)
    return AttackRun(path, manifest, _sorted(points))


class AttackFolder(FolderInUse):
    """The folder of an attack open for writing: created, or resumed where it stopped."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        """A folder for this manifest; ``with`` opens it."""
        points: dict[tuple[str, str, float], Attacked] = {}
        called, self.points = "the folder of an attack", points
        super().__init__(path, manifest, lambda line: _take(path, line, points), lambda: points, called=called)

    def add(self, point: Attacked, x: NDArray[np.float64]) -> None:
        """Keep a judged point; the adversarial input itself, as ``broken/INDEX-xMULTIPLE.npy``, where it broke.

        In a falsifier's folder as ``broken/INDEX-ATTACK-xMULTIPLE.npy``.
        """
        if point.broken:
            place = self.path / broken_place(point, self._folder.manifest.kind)
            try:
                place.parent.mkdir(exist_ok=True)
                np.save(place, x)
            except OSError as error:
                raise RunError(
                    f"cannot write {place}: {error.strerror}; make room and run the same line again"
                ) from None
        self._folder.append({"is": "point"} | asdict(point))
        self.points[point.name] = point


def broken_place(point: Attacked, kind: str) -> Path:
    """Where a folder of this kind keeps an adversarial input that broke."""
    by = f"{point.attack}-" if kind == KIND_FALSIFY else ""
    return Path("broken") / f"{point.index}-{by}x{point.multiple!r}.npy"


def _take(path: Path, line: Line, points: dict[tuple[str, str, float], Attacked]) -> None:
    with taken(path, line) as entry:
        match entry["is"]:
            case "session":
                return
            case "point":
                named = {name: value for name, value in entry.items() if name != "is"}
                if named.get("again") is not None:
                    named["again"] = Judgement(**_plain(named["again"]))
                point = Attacked(**_plain(named))
                points[point.name] = point
            case other:
                raise other_line(other)


_TEXTS = ("key", "attack", "arithmetic")
_MAY_BE_NONE = ("label", "again")


def _plain(table: dict[str, Any]) -> dict[str, Any]:
    """The fields of a line, each of its kind: whoever reads them calculates with them."""
    for name, value in table.items():
        if value is None and name in _MAY_BE_NONE:
            continue
        if name == "again" and isinstance(value, Judgement):
            continue
        if name == "votes":
            kept = isinstance(value, list) and all(type(vote) is int for vote in value)
        elif name in _TEXTS:
            kept = isinstance(value, str)
        elif name in ("radius", "multiple", "distance", "p_value", "seconds"):
            kept = type(value) in (int, float)
        else:
            kept = type(value) is int
        if not kept:
            raise TypeError(f"{name} is {str(value)[:40]!r}")
    return table | {"votes": tuple(table["votes"])}


def _sorted(points: dict[tuple[str, str, float], Attacked]) -> tuple[Attacked, ...]:
    return tuple(sorted(points.values(), key=lambda point: (point.index, point.key, point.multiple, point.attack)))

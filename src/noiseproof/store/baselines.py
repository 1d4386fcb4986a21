"""The folder of another method's radii: a manifest, and a journal with one line an input."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from noiseproof.errors import RunError
from noiseproof.store.folder import JOURNAL, FolderInUse, other_line, taken
from noiseproof.store.journal import Line, read_journal
from noiseproof.store.manifest import Manifest, read_manifest

KIND_BASELINE = "baselines"


@dataclass(frozen=True)
class Determined:
    """What a certificate without randomness says of one input, and what an attack on it found.

    Attributes:
        key: of the picture, as runs on the 8-bit grid have it.
        index: the input's index in the data set; a label only.
        label: its true class.
        prediction: the network's class.
        radius: L2 distance within which it is claimed not to change, in input units; 0.0 claims nothing.
        seconds: wall time of the certificate.
        attacked: (multiple, class) of each attack: allowed a distance of multiple * radius, and the network's class at
            the point that it ended at.
    """

    key: str
    index: int
    label: int
    prediction: int
    radius: float
    seconds: float
    attacked: tuple[tuple[float, int], ...] = ()

    def broken(self, multiple: float) -> bool | None:
        """Whether the attack at that multiple of the radius changed the class; None where there was none."""
        found = [said != self.prediction for distance, said in self.attacked if distance == multiple]
        return any(found) if found else None


@dataclass(frozen=True)
class Baseline:
    """The folder as a reader sees it.

    Attributes:
        path: the folder.
        manifest: what its numbers mean.
        sessions: environments and settings of each start.
        inputs: by index.
    """

    path: Path
    manifest: Manifest
    sessions: tuple[dict[str, Any], ...]
    inputs: tuple[Determined, ...]


def read_baseline(path: Path) -> Baseline:
    """Read the folder of another method's radii; another process may be writing it.

    Raises:
        RunError: it is not one, or its journal was changed.
    """
    manifest = read_manifest(path)
    if manifest.kind != KIND_BASELINE:
        raise RunError(f"{path} is the run folder of noiseproof {manifest.kind}, not of {KIND_BASELINE} certify")
    inputs: dict[int, Determined] = {}
    sessions: list[dict[str, Any]] = []
    for line in read_journal(path / JOURNAL, manifest.meaning_hash):
        _take(path, line, inputs, sessions)
    return Baseline(path, manifest, tuple(sessions), tuple(inputs[index] for index in sorted(inputs)))


class BaselineFolder(FolderInUse):
    """The folder of another method's radii open for writing: created, or resumed where it stopped."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        """A folder for this manifest; ``with`` opens it."""
        inputs: dict[int, Determined] = {}
        self.inputs = inputs
        called = f"a folder of {KIND_BASELINE} certify"
        super().__init__(path, manifest, lambda line: _take(path, line, inputs, []), lambda: inputs, called=called)

    def add(self, found: Determined) -> None:
        """Keep an input."""
        self._folder.append({"is": "input"} | asdict(found))
        self.inputs[found.index] = found


def _take(path: Path, line: Line, inputs: dict[int, Determined], sessions: list[dict[str, Any]]) -> None:
    with taken(path, line) as entry:
        match entry["is"]:
            case "session":
                sessions.append(entry)
            case "input":
                found = _read({name: value for name, value in entry.items() if name != "is"})
                inputs[found.index] = found
            case other:
                raise other_line(other)


def _read(table: dict[str, Any]) -> Determined:
    kinds = {"key": (str,), "radius": (int, float), "seconds": (int, float)}
    for name, value in table.items():
        if name != "attacked" and type(value) not in kinds.get(name, (int,)):
            raise TypeError(f"{name} is {str(value)[:40]!r}")
    pairs = tuple((multiple, said) for multiple, said in table.get("attacked", ()))
    if any(type(multiple) not in (int, float) or type(said) is not int for multiple, said in pairs):
        raise TypeError(f"attacked is {str(pairs)[:40]!r}")
    return Determined(**(table | {"attacked": pairs}))

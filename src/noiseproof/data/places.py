"""Where data sets lie on a disk, in the order they are looked for.

Not platformdirs: the cache is one line here, and the same folder on every system, as every page says.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

ENVIRONMENT = "NOISEPROOF_DATA"
"""The environment variable that names a folder of data sets."""

SYSTEM = Path("/usr/share/datasets")
"""Where Debian's dataset packages install, such as dataset-fashion-mnist."""


def places(name: str, root: Path | None = None) -> list[Path]:
    """The folders that may hold the data set ``name``, the most explicit first.

    ROOT/NAME for ROOT = ``root``, then the environment variable NOISEPROOF_DATA, then ~/.cache/noiseproof,
    then /usr/share/datasets.
    """
    return [folder / name for folder in roots(root)]


def near(name: str, root: Path | None = None) -> list[Path]:
    """The folders that may hold a set known by the names of what is in it: ROOT/NAME and ROOT for every ROOT."""
    return [folder for place in roots(root) for folder in (place / name, place)]


def roots(root: Path | None = None) -> list[Path]:
    """The folders of data sets, the most explicit first; see ``places``."""
    chosen = os.environ.get(ENVIRONMENT)
    named = [Path(root)] if root is not None else []
    return [*named, *([Path(chosen)] if chosen else []), cache(), SYSTEM]


def cache() -> Path:
    """The user's own folder, where downloads go and decoded pictures are kept: ~/.cache/noiseproof."""
    return Path.home() / ".cache" / "noiseproof"


def destination(name: str, root: Path | None = None) -> Path:
    """The folder that a download of ``name`` goes to: the first of ``places``."""
    return places(name, root)[0]


def find(files: Iterable[str], folders: Iterable[Path]) -> list[Path] | None:
    """The files in the first folder that has every one of them, gzipped or plain; None where no folder has.

    Args:
        files: names that end in ``.gz``; each may lie there without it.
        folders: where to look, in order.
    """
    names = list(files)
    for folder in folders:
        found = [_present(folder, name) for name in names]
        whole = [path for path in found if path is not None]
        if len(whole) == len(names):
            return whole
    return None


def lacking(files: Iterable[str], folders: Iterable[Path]) -> str:
    """What to add where no folder has every one of these: the first that has some, and which it lacks.

    Args:
        files: names, of folders too, as ``find`` takes them.
        folders: where it was looked, in order.
    """
    names = list(files)
    for folder in folders:
        absent = [name for name in names if not ((folder / name).exists() or _present(folder, name))]
        if 0 < len(absent) < len(names):
            return f" ({folder} lacks {', '.join(absent)})"
    return ""


def _present(folder: Path, name: str) -> Path | None:
    for candidate in (folder / name, folder / name.removesuffix(".gz")):
        if candidate.is_file():
            return candidate
    return None

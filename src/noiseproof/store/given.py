"""What a caller names runs by: a folder, a run that was read, NAME=FOLDER; one or several."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from noiseproof.errors import RunError
from noiseproof.store.run import Run, read_run

RunLike: TypeAlias = str | Path | Run
Runs: TypeAlias = RunLike | Iterable[RunLike] | Mapping[str, RunLike]


def run_of(run: RunLike) -> Run:
    """The run: as it was read, or read now; ``NAME=FOLDER`` names it.

    Raises:
        RunError: the folder is no run folder.
        TypeError: it is none of these.
    """
    if isinstance(run, Run):
        return run
    label, folder = _named(run)
    return replace(read_run(folder), label=label) if label else read_run(folder)


def path_of(run: RunLike) -> Path:
    """Its folder.

    Raises:
        TypeError: it is no run.
    """
    return run.path if isinstance(run, Run) else _named(run)[1]


def _named(run: str | Path) -> tuple[str, Path]:
    if not isinstance(run, str | os.PathLike):
        raise TypeError(f"a run must be a run folder or what read_run returns, got {type(run).__name__}")
    label, named, place = os.fspath(run).partition("=")
    return (label, Path(place)) if named and label and place and not Path(run).exists() else ("", Path(run))


def listed(runs: Runs) -> list[RunLike]:
    """One or several as a list, nothing read yet."""
    if isinstance(runs, Mapping):
        return [replace(run_of(run), label=name) for name, run in runs.items()]
    return list(runs) if isinstance(runs, Iterable) and not isinstance(runs, str | os.PathLike) else [runs]


def runs_of(runs: Runs) -> list[Run]:
    """The runs, one or several; folders of one name are told apart by as much of their path as it takes.

    Args:
        runs: a run, several, or several by their names.

    Raises:
        RunError: a folder is no run folder, or two runs have one name.
    """
    found = [run_of(run) for run in listed(runs)]
    twice = [name for name, count in Counter(run.label for run in found if run.label).items() if count > 1]
    if twice:
        raise RunError(f"runs must have different names, got {twice[0]!r} twice")
    return named_apart(found)


def folders_of(runs: Runs) -> dict[str, Path]:
    """Likewise, but nothing is read: the folders by the names of the runs.

    Raises:
        ValueError: two are one folder, or have one name.
    """
    found = [(run.label, run.path) if isinstance(run, Run) else _named(run) for run in listed(runs)]
    apart = names_apart([folder for _, folder in found])
    named = {label or name: folder for (label, folder), name in zip(found, apart, strict=True)}
    if len(named) < len(found):
        names = [label or name for (label, _), name in zip(found, apart, strict=True)]
        raise ValueError(f"runs must be different ones, got {next(n for n in names if names.count(n) > 1)} twice")
    return named


def named_apart(runs: Sequence[Run]) -> list[Run]:
    """The runs, so named that their names differ."""
    unnamed = [run.path for run in runs if not run.label]
    names = dict(zip(unnamed, names_apart(unnamed), strict=True))
    return [run if run.label or run.name == names[run.path] else replace(run, label=names[run.path]) for run in runs]


def names_apart(folders: Sequence[Path]) -> tuple[str, ...]:
    """The folders' names; where two are alike, with as much of the path as tells them apart."""
    paths = [folder.resolve() for folder in folders]
    for parts in range(1, max((len(path.parts) for path in paths), default=0) + 1):
        names = tuple("/".join(path.parts[-parts:]) for path in paths)
        if len(set(names)) == len(set(paths)):
            return names
    return tuple(map(str, paths))

"""``noiseproof data list`` and ``noiseproof data get``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from noiseproof.cli.records import Root
from noiseproof.screen import fold

if TYPE_CHECKING:
    from noiseproof.data.source import Source


def list_sets(*, root: Root = None) -> None:
    """The data sets, their splits, which of them are here and where, and how to have the others."""
    from noiseproof.data import DATA_SETS, FORMS

    for name, source in DATA_SETS.items():
        _row(name, ", ".join(source.splits), _state(source, root))
    for form in FORMS:
        _row(form.written, "", f"{form.holds} (extra {form.extra})" if form.extra else form.holds)


def get(name: str, /, *, root: Root = None) -> None:
    """Download a data set that has a public address, and check it.

    Args:
        name: Data set.
    """
    from noiseproof.data import get as get_data
    from noiseproof.progress import ProgressBar

    with ProgressBar(f"get {name}") as bar:
        folder = get_data(name, root=root, progress=bar.show)
    print(f"{name} is in {folder}")


def _state(source: Source, root: Path | None) -> str:
    """Where its splits are, and how to have those that are not here."""
    from noiseproof.data.source import Located

    if not isinstance(source, Located):
        return source.remedy
    places: dict[Path, list[str]] = {}
    for split in source.splits:
        if (place := source.where(split, root)) is not None:
            places.setdefault(place, []).append(split)
    here = "; ".join(f"here: {', '.join(splits)} in {place}" for place, splits in places.items())
    if sum(map(len, places.values())) == len(source.splits):
        return here
    return "; ".join(filter(None, (here, source.remedy)))


def _row(name: str, splits: str, state: str) -> None:
    print(fold(f"{name:20} {splits:24} {state}"))

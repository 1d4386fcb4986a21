"""ImageNet's validation pictures as they unpack, in one folder: their classes stand in the development kit."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from noiseproof.data.matlab import read_structs
from noiseproof.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

TRUTH = "ILSVRC2012_validation_ground_truth.txt"
META = "meta.mat"
_KIT = "ILSVRC2012_devkit_t12"
_PICTURE = re.compile(r"ILSVRC2012_val_(\d{8})\.JPEG", re.IGNORECASE)
_ID, _WNID = "ILSVRC2012_ID", "WNID"


def kit_of(place: Path) -> Path | None:
    """The folder with the ground truth of the pictures in ``place``: that one, the one above it, or a kit in these."""
    near = [each / below for each in (place, place.parent) for below in (".", "data", f"{_KIT}/data", _KIT)]
    return next((each for each in near if (each / TRUTH).is_file()), None)


def labelled_by_truth(
    place: Path, kit: Path, *, classes: int
) -> tuple[list[Path], list[int], tuple[str, ...], list[str]]:
    """Pictures in the order of their numbers, their labels, the WordNet ids, and the names of what is no such picture.

    The k-th line of the ground truth is the class of ILSVRC2012_val_k, by the challenge's own numbers; which WordNet
    id each has, meta.mat says. Labels are places among the sorted ids, as folders of them would give.

    Args:
        place: holds the pictures, or some of them.
        kit: holds the ground truth and meta.mat.
        classes: how many there are.

    Raises:
        DataError: one of the two is missing or damaged, or a picture has no line.
    """
    wnids = _wnids(kit / META, classes)
    order = {wnid: label for label, wnid in enumerate(sorted(wnids.values()))}
    truth = kit / TRUTH
    try:
        said = [int(line) for line in truth.read_text(encoding="ascii").split()]
        labels = [order[wnids[number]] for number in said]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"{truth}: expected a number from 1 to {classes} a line, found: {str(error)[:100]}; unpack the kit again"
        ) from error
    files: list[Path] = []
    found: list[int] = []
    others: list[str] = []
    for file in sorted(each for each in place.iterdir() if not each.name.startswith(".") and each.is_file()):
        match = _PICTURE.fullmatch(file.name)
        if match is None:
            others += [file.name] if file.name not in (TRUTH, META) else []
            continue
        number = int(match[1])
        if not 1 <= number <= len(labels):
            raise DataError(
                f"{file}: expected a number up to {len(labels):,}, the lines of {truth}; unpack the kit again"
            )
        files.append(file)
        found.append(labels[number - 1])
    return files, found, tuple(order), others


def _wnids(meta: Path, classes: int) -> dict[int, str]:
    """WordNet ids by the challenge's numbers 1 to ``classes``; above these are groups of classes."""
    try:
        rows = read_structs(meta.read_bytes(), "synsets", (_ID, _WNID))
        wnids = {int(row[_ID]): str(row[_WNID]) for row in rows if float(row[_ID]) <= classes}
    except (OSError, ValueError, KeyError, OverflowError) as error:
        found = "no such file" if isinstance(error, FileNotFoundError) else str(error)[:100]
        raise DataError(
            f"{meta}: expected the table of classes of the development kit, found: {found}; without it the numbers in "
            f"{TRUTH} name no class: put both files of the kit there"
        ) from error
    if sorted(wnids) != list(range(1, classes + 1)) or len(set(wnids.values())) != classes:
        raise DataError(f"{meta}: expected {classes} classes, found {len(wnids)}; unpack the development kit again")
    return wnids

"""Results as a folder of numpy arrays, one entry an input: predictions, bounds on probabilities, radii by norm."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from noiseproof.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class ArrayRow:
    """What the arrays say of one input.

    Attributes:
        label: the true class.
        predict: the class.
        radius: in the norm that was asked for; what is no positive number certifies nothing.
        p_lower: the lower bound on its probability; None where the folder has none.
    """

    label: int
    predict: int
    radius: float
    p_lower: float | None


def read_arrays(folder: Path, norm: str, labels: Path | None = None) -> tuple[ArrayRow, ...]:
    """The rows of a folder of arrays.

    Args:
        folder: with ``radius_NORM.npy`` ``[m]``, with ``predicted_labels.npy`` ``[m]`` or ``preds.npy``
            ``[m, classes]`` (the largest is the class), and perhaps with ``prob_lb.npy`` ``[m]`` and ``labels.npy``
            ``[m]``.
        norm: whose radii: "l1", "l2", "linf".
        labels: a file of labels in the same order, ``.npy`` or text with one a line, instead of ``labels.npy``.

    Raises:
        DataError: a file is missing, is no such array, or the arrays have different lengths.

    Source: what ``test.py`` of github.com/tonyduan/rs4a and github.com/alevine0/smoothingSplittingNoise save.
    """
    radii = _array(folder / f"radius_{norm}.npy", 1)
    named = folder / "predicted_labels.npy"
    predicted = _whole(named, _array(named, 1)) if named.exists() else _array(folder / "preds.npy", 2).argmax(axis=1)
    bounds = _array(folder / "prob_lb.npy", 1) if (folder / "prob_lb.npy").exists() else None
    true = _labels(folder / "labels.npy" if labels is None else labels, given=labels is not None)
    found = {"radii": radii, "predictions": predicted, "labels": true} | ({} if bounds is None else {"bounds": bounds})
    if len({len(each) for each in found.values()}) > 1:
        said = ", ".join(f"{len(each)} {name}" for name, each in found.items())
        raise DataError(f"{folder} holds {said}; one of each an input is needed")
    if not len(radii):
        raise DataError(f"{folder} has no rows")
    lower = [None] * len(radii) if bounds is None else bounds.tolist()
    return tuple(map(ArrayRow, true.tolist(), predicted.tolist(), radii.tolist(), lower))


def _labels(path: Path, *, given: bool) -> NDArray[np.int64]:
    if not path.exists() and not given:
        raise DataError(
            f"{path.parent} has no labels.npy, and nothing else there says which classes are right; give --labels "
            "FILE: .npy, or text with one label a line, in the order of the rows"
        )
    if path.suffix == ".npy":
        return _whole(path, _array(path, 1))
    try:
        return np.array([int(line) for line in path.read_text(encoding="utf-8").split()], dtype=np.int64)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, OverflowError):
        raise DataError(f"{path} must hold one label a line, whole numbers, and does not") from None


def _array(path: Path, axes: int) -> NDArray[Any]:
    try:
        found = np.load(path, allow_pickle=False)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or 'no array in it'}") from None
    except (ValueError, EOFError):
        raise DataError(f"{path} is no array of numbers in numpy's form (.npy)") from None
    if not isinstance(found, np.ndarray) or found.ndim != axes or found.dtype.kind not in "iuf" or 0 in found.shape[1:]:
        raise DataError(f"{path} must be an array of numbers with {axes} ax{'i' if axes == 1 else 'e'}s")
    return found


def _whole(path: Path, found: NDArray[Any]) -> NDArray[np.int64]:
    whole = found.astype(np.int64) if np.isfinite(found).all() else np.zeros(len(found), dtype=np.int64)
    if not np.array_equal(whole, found):
        raise DataError(f"{path} must hold classes, whole numbers, and does not")
    return whole

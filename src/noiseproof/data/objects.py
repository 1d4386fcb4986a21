"""A data set of torch, or anything like it: numbered pairs of an input and its label, held to be the same twice."""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
from PIL import Image

from noiseproof.data.arrays import as_pictures, on_grid
from noiseproof.data.dataset import DataSet
from noiseproof.data.form import Wanted, wanted
from noiseproof.data.labels import labelled
from noiseproof.data.picture import converted, mode_of, planes
from noiseproof.errors import DataError, one_line

if TYPE_CHECKING:
    from numpy.typing import NDArray

INPUTS = ("image", "img", "x", "pixel_values")
LABELS = ("label", "labels", "fine_label", "y", "target")
"""Names by which the two are found, where an item is a table, or a file one of columns."""
_TWICE = 16
"""Inputs that are read a second time at once."""


def is_numbered(found: object) -> bool:
    """Whether it has what a data set of torch has: a length and items by number."""
    return (
        not isinstance(found, type | DataSet | np.ndarray | str | dict)
        and hasattr(found, "__getitem__")
        and hasattr(found, "__len__")
    )


def of_items(items: Any, name: str = "") -> DataSet:  # noqa: ANN401  # duck-typed
    """The data set of numbered items (x, y), such as a ``Dataset`` of torch, torchvision or Hugging Face.

    x is a picture of PIL, uint8 [C, H, W], or floats in [0, 1] that are multiples of 1/255, as ``ToTensor`` makes
    them; y is a whole number. Every item is read once for its label, its shape and its hash, and some twice. Whatever
    is read later must have that hash: an item that is another picture the second time has no certificate.

    Args:
        items: has ``len`` and items by number; ``classes``, where it has them, are the names.
        name: what it is called; by default its type.

    Raises:
        DataError: an item is no such pair, two are of different shapes, or one is another one the second time.
    """
    asked = Wanted(name or type(items).__name__, name, wanted("x", ()).path)
    pictures = _Items(items, asked)
    labels, shapes = [], []
    for index in range(len(pictures)):
        steps, label = pictures.item(index)
        shapes.append(steps.shape)
        if steps.shape != shapes[0]:
            raise DataError(
                f"{asked.spec}: item {index} has the shape {list(steps.shape)}, item 0 {list(shapes[0])}; "
                "make all of one shape in the data set (a transform that resizes)"
            )
        labels.append(label)
        pictures.sums.append(_sum(steps))
    if not shapes:
        raise DataError(f"{asked.spec} holds no item; give a data set with at least one")
    found, classes = labelled(np.array(labels), asked, known=_classes(items))
    for index in np.unique(np.linspace(0, len(pictures) - 1, _TWICE).astype(int)).tolist():
        pictures[index]  # raises where it is another
    return DataSet(asked.spec, classes, shapes[0], found, pictures)


def _classes(items: Any) -> tuple[str, ...]:  # noqa: ANN401  # likewise
    """The names that a data set of torchvision, or of Hugging Face, has for its classes."""
    names = getattr(items, "classes", None)
    features = getattr(items, "features", None)
    if names is None and _is_table(features):
        names = next((getattr(features[name], "names", None) for name in LABELS if name in features), None)
    return tuple(map(str, names)) if isinstance(names, Sequence) and not isinstance(names, str) else ()


def _is_table(found: object) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(found, Mapping)


class _Items:
    """Items read when asked for, each held against its hash."""

    def __init__(self, items: Any, asked: Wanted) -> None:  # noqa: ANN401  # duck-typed
        self._items, self._asked = items, asked
        self.sums: list[bytes] = []

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int, /) -> NDArray[Any]:
        steps = self.item(index)[0]
        if _sum(steps) != self.sums[index]:
            raise DataError(
                f"{self._asked.spec}: item {index} is another one the second time; a certificate is about one input: "
                "take random transforms (crops, flips, noise) out of the data set"
            )
        return steps

    def item(self, index: int) -> tuple[NDArray[Any], Any]:
        """8-bit steps, and the label as it is."""
        name = f"{self._asked.spec}: item {index}"
        try:
            found = self._items[index]
            x, label = (found[self._first(found, names)] for names in (INPUTS, LABELS)) if _is_table(found) else found
        except Exception as error:  # whatever a data set does
            raise DataError(
                f"{name}: expected an input and its label, got {type(error).__name__}: {one_line(error)}; give a data "
                "set whose items are pairs (x, y)"
            ) from error
        with suppress(TypeError):  # ``labelled`` says what is wrong with it
            label = operator.index(label)
        if isinstance(x, Image.Image):
            return planes(converted(name, x, mode_of(name, x))), label
        try:
            steps, _ = on_grid(np.asarray(x), Wanted(name, name, self._asked.path, (), {"grid": "255"}))
        except DataError as error:
            said = str(error).partition(";")[0]
            raise DataError(
                f"{said}; give pictures, uint8, or floats k/255 in [0, 1] as ToTensor makes them: normalisation "
                "belongs inside the model; what is on another grid is a DataSet(..., grid=...)"
            ) from None
        return as_pictures(steps[None], name)[0] if steps.ndim in (2, 3) else steps, label

    @staticmethod
    def _first(table: Mapping[str, Any], names: Sequence[str]) -> str:
        return next((name for name in names if name in table), names[0])


def _sum(steps: NDArray[Any]) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(steps).tobytes()).digest()

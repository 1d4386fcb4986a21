"""Labels as they lie in files: numbers 0, 1, ..., or text whose order somebody says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from noiseproof.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noiseproof.data.form import Wanted

_MOST = 1_000_000
"""Classes; more are a mistake."""


def labelled(
    found: Any,  # noqa: ANN401  # whatever a file holds
    asked: Wanted,
    *,
    what: str = "labels",
    known: tuple[str, ...] = (),
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Labels and the names of the classes.

    The setting ``classes`` says the names in the model's order, ``classes=cat+dog``, or how many there are,
    ``classes=10``. Labels that are text are found by these names; without them they have no order, and are refused.

    Args:
        found: one label an input.
        asked: the spec.
        what: the column or array, for the errors.
        known: names of the classes, where the file says them.

    Raises:
        DataError: a label is no whole number or no known name, or labels are text and nobody says their order.
    """
    names = _named(asked, known)
    array = np.asarray(found)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise DataError(f"{asked.spec}: expected one label an input in {what}, found {list(array.shape)}")
    if array.dtype.kind in "USO" and all(isinstance(each, str) for each in array.tolist()):
        return _by_name(array, names, asked, what), names
    if array.dtype.kind == "f" and np.isfinite(array).all() and (array == np.rint(array)).all():
        array = array.astype(np.int64)
    if array.dtype.kind not in "biu":
        raise DataError(
            f"{asked.spec}: expected whole numbers 0, 1, ... in {what}, found {_first_odd(array)}; "
            "give every input a label"
        )
    labels = array.astype(np.int64)
    if len(labels) and not 0 <= labels.min() <= labels.max() < _MOST:
        raise DataError(f"{asked.spec}: expected labels 0, 1, ... in {what}, found {labels.min()} to {labels.max()}")
    return labels, names or tuple(map(str, range(int(labels.max(initial=0)) + 1)))


def _named(asked: Wanted, known: tuple[str, ...]) -> tuple[str, ...]:
    said = asked.settings.get("classes")
    if said is None:
        return known
    if said.isdecimal() and 0 < int(said) <= _MOST:
        return tuple(map(str, range(int(said))))
    names = tuple(said.split("+"))
    if len(set(names)) < len(names) or "" in names:
        raise ValueError(f"classes must be different names with + between them, or their number, got {said!r}")
    return names


def _by_name(array: NDArray[Any], names: tuple[str, ...], asked: Wanted, what: str) -> NDArray[np.int64]:
    seen = sorted(set(array.tolist()))
    if not names:
        order = "+".join(seen) if len(seen) <= 20 else "first+second+..."
        raise DataError(
            f"{asked.spec}: the labels in {what} are text ({', '.join(map(repr, seen[:3]))}"
            f"{', ...' if len(seen) > 3 else ''}), whose order nothing says; give the classes in the order of the "
            f"model: {asked.setting(classes=order)}"
        )
    places = {name: place for place, name in enumerate(names)}
    strangers = [name for name in seen if name not in places]
    if strangers:
        raise DataError(
            f"{asked.spec}: {what} holds {strangers[0]!r}, which is none of the classes {', '.join(names[:10])}; "
            "name it among the classes, or take these inputs out"
        )
    return np.array([places[each] for each in array.tolist()], dtype=np.int64)


def _first_odd(array: NDArray[Any]) -> str:
    for index, value in enumerate(array.tolist()):
        if isinstance(value, bool | int) or (isinstance(value, float) and value.is_integer()):
            continue
        return f"{value!r} at index {index}"
    return f"{array.dtype}"

"""Arrays of one's own as a data set: inputs on a grid, and labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from noiseproof.data.dataset import DataSet
from noiseproof.data.labels import labelled
from noiseproof.errors import DataError
from noiseproof.noises.gaussian import FINEST

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noiseproof.data.form import Wanted

SETTINGS = ("grid", "classes", "spread", "range")
"""What a spec of arrays may set."""
CHANNELS = (1, 3)
_FORM = 2.0**-23
"""Relative: how far a float32 form of k/grid may be from it."""


def of_arrays(name: str, x: NDArray[Any], y: Any, asked: Wanted, *, known: tuple[str, ...] = ()) -> DataSet:  # noqa: ANN401
    """The data set of two arrays.

    Args:
        name: what it is called.
        x: uint8, or other whole numbers or floats with the setting ``grid``: whole numbers are steps of it, floats
            its multiples in [0, 1]; ``grid=0`` takes floats in [0, 1] as they are. Pictures are [N, H, W],
            [N, C, H, W] or [N, H, W, C]; any other shape is taken as it is.
        y: one label an input.
        asked: the spec; see ``labelled`` for its ``classes``.
        known: names of the classes, where the file says them.

    Raises:
        DataError: the inputs are on no stated grid, or labels are none.
    """
    labels, classes = labelled(y, asked, known=known)
    steps, grid = on_grid(x, asked)
    if steps.ndim < 2:
        raise DataError(f"{asked.spec}: expected inputs [N, ...], found {list(steps.shape)}")
    steps = as_pictures(steps, asked.spec) if steps.ndim in (3, 4) else steps
    return DataSet(name, classes, steps.shape[1:], labels, steps, grid=grid)


def on_grid(x: NDArray[Any], asked: Wanted) -> tuple[NDArray[Any], int | None]:
    """Inputs as steps of their grid, and the grid; as they are, and None, off any.

    Raises:
        DataError: they are not where the spec says.
    """
    grid = asked.number("grid", least=0, most=FINEST)
    if x.dtype.kind not in "biuf":
        raise DataError(f"{asked.spec}: expected numbers as inputs, found {x.dtype}")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        index = int(np.argwhere(~np.isfinite(x))[0][0])
        raise DataError(f"{asked.spec}: expected finite numbers, found NaN or infinity in input {index}; take it out")
    if grid is None and x.dtype == np.uint8:
        return x, 255
    if grid is None:
        raise DataError(
            f"{asked.spec}: the inputs are {x.dtype}, from {x.min():g} to {x.max():g}; say on which grid: "
            f"{asked.setting(grid=255)} for multiples of 1/255"
            + (f", {asked.setting(grid=0)} for any in [0, 1] and float noise" if x.dtype.kind == "f" else "")
            + ("" if x.dtype.kind == "f" else " written as 0 to 255")
        )
    most = 1.0 if x.dtype.kind == "f" else grid
    if x.size and not (x.min() >= 0 and x.max() <= most):
        raise DataError(
            f"{asked.spec}: expected inputs in [0, {most:g}], found {x.min():g} to {x.max():g}; "
            "normalisation belongs inside the model"
        )
    if grid == 0:
        if x.dtype.kind != "f":
            raise DataError(f"{asked.spec}: grid=0 is for floats, the inputs are {x.dtype}; say their grid")
        return x.astype(np.float64), None
    kind = np.uint8 if grid <= np.iinfo(np.uint8).max else np.uint16
    if x.dtype.kind != "f":
        return x.astype(kind), grid
    given = x.astype(np.float64) * grid
    steps = np.rint(given)
    off = np.abs(given - steps)
    if (off > steps * _FORM).any():
        raise DataError(
            f"{asked.spec}: expected multiples of 1/{grid}, found one {off.max():.2g} of a step away; "
            "round the inputs, or say grid=0 for float noise, which claims less"
        )
    return steps.astype(kind), grid


def as_pictures(x: NDArray[Any], spec: str) -> NDArray[Any]:
    """Pictures [N, C, H, W], whichever way they lie: [N, H, W], [N, C, H, W] or [N, H, W, C].

    Raises:
        DataError: the shape does not say which of its sides are the channels.
    """
    if x.ndim == 3:
        return x[:, None]
    first, last = x.shape[1] in CHANNELS, x.shape[3] in CHANNELS
    if first and last and x.shape[1:] != (1, 1, 1):
        raise DataError(f"{spec}: of pictures {list(x.shape)} the channels may be first or last; give [N, C, H, W]")
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2)) if last and not first else x

"""Data sets: indexed inputs on a grid, mostly 8-bit pictures, ``(x in [0, 1], y)``. No torch is needed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noiseproof.data.cifar10 import CIFAR10_BATCHES
from noiseproof.data.cifar10_jpeg import CIFAR10_JPEG
from noiseproof.data.cifar100 import CIFAR100_BATCHES
from noiseproof.data.dataset import DataSet
from noiseproof.data.download import download as fetch
from noiseproof.data.fashion_mnist import FASHION_MNIST, FASHION_MNIST_SMALL
from noiseproof.data.folder import FOLDER
from noiseproof.data.foolbox_imagenet import FOOLBOX_IMAGENET
from noiseproof.data.form import Form
from noiseproof.data.huggingface import HUGGING_FACE
from noiseproof.data.imagenet import IMAGENET
from noiseproof.data.mnist import MNIST
from noiseproof.data.numpy_files import NPY, NPZ
from noiseproof.data.objects import is_numbered, of_items
from noiseproof.data.places import destination
from noiseproof.data.published import Downloadable
from noiseproof.data.python_file import PYTHON
from noiseproof.data.shipped import Shipped
from noiseproof.data.svhn import SVHN_CROPPED
from noiseproof.data.table import TABLE
from noiseproof.data.tiny_imagenet import TINY_IMAGENET
from noiseproof.data.wave_files import WAVE
from noiseproof.data.webdataset import WEB_DATASET
from noiseproof.errors import DataError, unknown
from noiseproof.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from noiseproof.data.source import Source
    from noiseproof.progress import Progress

__all__ = ["DATA_SETS", "FORMS", "DataSet", "get", "given", "load"]

DATA_SETS: Registry[Source] = Registry(
    "data set",
    lambda source: source.name,
    [
        CIFAR10_BATCHES,
        CIFAR10_JPEG,
        CIFAR100_BATCHES,
        FASHION_MNIST,
        FASHION_MNIST_SMALL,
        FOOLBOX_IMAGENET,
        IMAGENET,
        MNIST,
        SVHN_CROPPED,
        TINY_IMAGENET,
    ],
    group="noiseproof.data_sets",
)
"""Every data set with a name; ``FORMS`` stand beside them."""

FORMS: tuple[Form, ...] = (FOLDER, PYTHON, NPZ, NPY, TABLE, HUGGING_FACE, WEB_DATASET, WAVE)
"""Every kind of files of one's own, in the order in which a spec is asked for."""


def load(spec: str, *, split: str = "test", root: Path | None = None) -> DataSet:
    """The data set that a spec names.

    Args:
        spec: ``NAME`` or ``NAME:SPLIT``, where the split written there wins over ``split``; ``folder:PATH``, whose
            subfolders are the classes (no splits: give the folder of the split); or another of ``FORMS``.
        split: ``train`` or ``test`` (ImageNet's ``val``), where the spec names none.
        root: a folder of data sets, looked at first.

    Raises:
        ValueError: the name or the split is unknown.
        DataError: the data set is missing or damaged; the text says where it was looked for and what to do.

    >>> data = load("fashion-mnist-small")
    >>> data.name, len(data), data.shape, data.classes[data[0][1]]
    ('fashion-mnist-small:test', 1000, (1, 28, 28), 'Ankle boot')
    """
    name, _, rest = spec.partition(":")
    if name == "folder" and not rest:
        raise ValueError(f"data must say which folder, got {spec!r}; give folder:PATH")
    if name not in DATA_SETS and (form := next((form for form in FORMS if form.takes(spec)), None)) is not None:
        return form.load(spec, split)
    if spec.endswith(".py"):
        raise ValueError(f"{spec} is a Python file; say which data set in it: {spec}:name")
    if name and name not in DATA_SETS and Path(spec).is_dir():
        raise ValueError(f"unknown data set {spec!r}, which is a folder; give folder:{spec}")
    if name not in DATA_SETS:
        raise ValueError(unknown("data set", name, [*DATA_SETS.names(), *(form.written for form in FORMS)]))
    source = DATA_SETS[name]
    chosen = rest or split
    if chosen not in source.splits:
        raise ValueError(unknown(f"split of {name}", chosen, source.splits))
    return source.load(chosen, root)


def given(data: Any, *, split: str = "test", root: Path | None = None) -> DataSet:  # noqa: ANN401  # what a caller has
    """The data set that a caller names, or has: a spec, a ``DataSet``, or one of torch, whose items are (x, y).

    Raises:
        ValueError: it is none of these, or see ``load``.
        DataError: see ``load`` and ``of_items``.
    """
    if isinstance(data, str | os.PathLike):
        return load(os.fspath(data), split=split, root=root)
    if isinstance(data, DataSet):
        return data
    if is_numbered(data):
        return of_items(data)
    raise ValueError(
        f"data must be a spec, a DataSet or a data set of torch with a length, got {type(data).__name__}; give one"
    )


def get(
    name: str,
    *,
    root: Path | None = None,
    progress: Callable[[Progress], None] | None = None,
    address: str | None = None,
    pause: float = 1.0,
) -> Path:
    """Downloads every file of a named public data set; what is already here and right is not fetched again.

    Args:
        name: a data set with a public address, such as ``fashion-mnist``.
        root: the folder of data sets to put it in; without it NOISEPROOF_DATA, then ~/.cache/noiseproof.
        progress: called after every piece.
        address: a base address to use instead of the published ones.
        pause: seconds before a second attempt at one address, doubled for each further one.

    Returns:
        The folder ROOT/NAME, where ``load`` finds the set.

    Raises:
        ValueError: the name is unknown, or ``address`` is not http or https.
        DataError: the set has no public address, no address serves it, a file is not the published one, or
            the folder cannot be written.
    """
    if name not in DATA_SETS:
        raise ValueError(unknown("data set", name, DATA_SETS))
    source = DATA_SETS[name]
    if isinstance(source, Shipped):
        raise DataError(f"{name} ships inside noiseproof: there is nothing to download; load it by its name")
    if not isinstance(source, Downloadable):
        raise DataError(f"{name} has no address to download it from; {source.remedy}")
    return fetch(source, destination(name, root), progress=progress, address=address, pause=pause)

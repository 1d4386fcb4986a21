"""Data sets: indexed 8-bit pictures, ``(x in [0, 1], y)``. No torch is needed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from noiseproof.data.cifar10 import CIFAR10_BATCHES
from noiseproof.data.cifar10_jpeg import CIFAR10_JPEG
from noiseproof.data.dataset import DataSet
from noiseproof.data.download import download as fetch
from noiseproof.data.fashion_mnist import FASHION_MNIST, FASHION_MNIST_SMALL
from noiseproof.data.folder import load_folder
from noiseproof.data.foolbox_imagenet import FOOLBOX_IMAGENET
from noiseproof.data.imagenet import IMAGENET
from noiseproof.data.mnist import MNIST
from noiseproof.data.places import destination
from noiseproof.data.published import Downloadable
from noiseproof.data.python_file import is_python, load_python
from noiseproof.data.shipped import Shipped
from noiseproof.data.svhn import SVHN_CROPPED
from noiseproof.errors import DataError, unknown
from noiseproof.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from noiseproof.data.source import Source
    from noiseproof.progress import Progress

__all__ = ["DATA_SETS", "DataSet", "get", "load"]

DATA_SETS: Registry[Source] = Registry(
    "data set",
    lambda source: source.name,
    [
        CIFAR10_BATCHES,
        CIFAR10_JPEG,
        FASHION_MNIST,
        FASHION_MNIST_SMALL,
        FOOLBOX_IMAGENET,
        IMAGENET,
        MNIST,
        SVHN_CROPPED,
    ],
    group="noiseproof.data_sets",
)
"""Every data set with a name; ``folder:PATH`` and ``file.py:name`` stand beside them."""


def load(spec: str, *, split: str = "test", root: Path | None = None) -> DataSet:
    """The data set that a spec names.

    Args:
        spec: ``NAME`` or ``NAME:SPLIT``, where the split written there wins over ``split``; ``folder:PATH``, whose
            subfolders are the classes (no splits: give the folder of the split); or ``file.py:name``.
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
    if name == "folder":
        if not rest:
            raise ValueError(f"data must say which folder, got {spec!r}; give folder:PATH")
        return load_folder(rest)
    if is_python(spec):
        return load_python(spec)
    if spec.endswith(".py"):
        raise ValueError(f"{spec} is a Python file; say which data set in it: {spec}:name")
    if name and name not in DATA_SETS and Path(spec).is_dir():
        raise ValueError(f"unknown data set {spec!r}, which is a folder; give folder:{spec}")
    if name not in DATA_SETS:
        raise ValueError(unknown("data set", name, [*DATA_SETS.names(), "folder:PATH", "file.py:name"]))
    source = DATA_SETS[name]
    chosen = rest or split
    if chosen not in source.splits:
        raise ValueError(unknown(f"split of {name}", chosen, source.splits))
    return source.load(chosen, root)


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

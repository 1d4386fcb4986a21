"""Data sets: indexed 8-bit pictures, ``(x in [0, 1], y)``. This room needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from noiseproof.data.cifar10 import CIFAR10_BATCHES
from noiseproof.data.cifar10_jpeg import CIFAR10_JPEG
from noiseproof.data.dataset import DataSet
from noiseproof.data.download import get
from noiseproof.data.fashion_mnist import FASHION_MNIST, FASHION_MNIST_SMALL
from noiseproof.data.folder import load_folder
from noiseproof.data.foolbox_imagenet import FOOLBOX_IMAGENET
from noiseproof.data.imagenet import IMAGENET
from noiseproof.data.mnist import MNIST
from noiseproof.data.python_file import is_python, load_python
from noiseproof.data.svhn import SVHN_CROPPED
from noiseproof.errors import unknown
from noiseproof.registry import Registry

if TYPE_CHECKING:
    from noiseproof.data.source import Source

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
        return load_folder(rest)
    if is_python(spec):
        return load_python(spec)
    if name not in DATA_SETS and Path(spec).is_dir():
        raise ValueError(f"unknown data set {spec!r}, which is a folder; give folder:{spec}")
    if name not in DATA_SETS:
        raise ValueError(unknown("data set", name, [*DATA_SETS.names(), "folder:PATH", "file.py:name"]))
    source = DATA_SETS[name]
    chosen = rest or split
    if chosen not in source.splits:
        raise ValueError(unknown(f"split of {name}", chosen, source.splits))
    return source.load(chosen, root)

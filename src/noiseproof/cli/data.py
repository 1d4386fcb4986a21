"""``noiseproof data list`` and ``noiseproof data get``."""

from __future__ import annotations

from noiseproof.cli.records import Root


def list_sets() -> None:
    """The data sets, their splits, and how to have them."""
    from noiseproof.data import DATA_SETS

    for name, source in DATA_SETS.items():
        print(f"{name:20} {', '.join(source.splits):24} {source.remedy}")
    print(f"{'folder:PATH':20} {'':24} pictures in one folder a class")
    print(f"{'file.py:name':20} {'':24} a DataSet, or a function that makes one")


def get(name: str, /, *, root: Root = None) -> None:
    """Download a data set that has a public address, and check it.

    Args:
        name: Data set.
    """
    from noiseproof.cli.progress import ProgressBar
    from noiseproof.data import get as get_data

    with ProgressBar(f"get {name}") as bar:
        folder = get_data(name, root=root, progress=bar.show)
    print(f"{name} is in {folder}")

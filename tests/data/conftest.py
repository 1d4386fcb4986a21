"""A tiny public data set, its files, and a disk without any other data set."""

from __future__ import annotations

import gzip
import hashlib
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from noiseproof.data.places import SYSTEM
from noiseproof.data.published import Published, PublishedFile

Bytes = NDArray[np.uint8]


def idx(array: Bytes) -> bytes:
    """The IDX file of an array, written after the format's description."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def to_idx() -> Callable[[Bytes], bytes]:
    return idx


def _guarded(mkdir: Callable[..., None]) -> Callable[..., None]:
    def guarded(path: Path, *arguments: int, **options: bool) -> None:
        assert SYSTEM not in [path, *path.parents], f"a test would make {path}"
        mkdir(path, *arguments, **options)

    return guarded


@pytest.fixture(autouse=True)
def bare_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No data set in the home folder or the environment; the test says what lies where.

    What goes to the system's folder all the same, by a mistake of ours, fails instead of staying there.
    """
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("NOISEPROOF_DATA", raising=False)
    monkeypatch.setattr(Path, "mkdir", _guarded(Path.mkdir))
    return home


@pytest.fixture
def tiny_arrays() -> dict[str, Bytes]:
    """Five training and three test pictures of 2 x 3 pixels, by file name."""
    rng = np.random.default_rng(20190213)
    return {
        "train-images-idx3-ubyte.gz": rng.integers(0, 256, (5, 2, 3), dtype=np.uint8),
        "train-labels-idx1-ubyte.gz": np.array([0, 1, 1, 0, 1], dtype=np.uint8),
        "t10k-images-idx3-ubyte.gz": rng.integers(0, 256, (3, 2, 3), dtype=np.uint8),
        "t10k-labels-idx1-ubyte.gz": np.array([1, 0, 1], dtype=np.uint8),
    }


@pytest.fixture
def tiny_files(tiny_arrays: dict[str, Bytes]) -> dict[str, bytes]:
    return {name: gzip.compress(idx(array), mtime=0) for name, array in tiny_arrays.items()}


@pytest.fixture
def tiny(tiny_files: dict[str, bytes]) -> Published:
    files = [PublishedFile(name, len(raw), hashlib.sha256(raw).hexdigest()) for name, raw in tiny_files.items()]
    return Published(
        name="tiny",
        classes=("cat", "dog"),
        train=(files[0], files[1]),
        test=(files[2], files[3]),
        addresses=("http://127.0.0.1:9/",),
        remedies=("ask a friend",),
    )

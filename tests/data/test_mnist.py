from __future__ import annotations

import pytest

from noiseproof.data import load
from noiseproof.data.mnist import MNIST
from noiseproof.errors import DataError


def test_the_files_are_the_published_ones():
    # tensorflow_datasets/url_checksums/mnist.txt, by size and the ends of the SHA-256 sums.
    assert [(file.name, file.size, file.sha256[:4], file.sha256[-4:]) for file in MNIST.files] == [
        ("train-images-idx3-ubyte.gz", 9912422, "440f", "3609"),
        ("train-labels-idx1-ubyte.gz", 28881, "3552", "255c"),
        ("t10k-images-idx3-ubyte.gz", 1648877, "8d42", "c4e6"),
        ("t10k-labels-idx1-ubyte.gz", 4542, "f7ae", "aec6"),
    ]
    assert all(len(file.sha256) == 64 for file in MNIST.files)


def test_a_class_is_its_digit():
    assert MNIST.classes == ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")


def test_a_missing_set_advises_the_download_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("noiseproof.data.places.SYSTEM", tmp_path / "system")
    with pytest.raises(DataError, match=r"^no mnist:test in .*; run `noiseproof data get mnist`$"):
        load("mnist")

from __future__ import annotations

import hashlib
import re
from importlib import resources

import numpy as np
import pytest

from noiseproof.data import load
from noiseproof.data.fashion_mnist import FASHION_MNIST_SMALL
from noiseproof.data.shipped import Shipped
from noiseproof.errors import DataError

TRAIN = [942, 1027, 1016, 1019, 974, 989, 1021, 1022, 990, 1000]
TEST = [107, 105, 111, 93, 115, 87, 97, 95, 95, 95]


@pytest.mark.parametrize(("split", "balance"), [("train", TRAIN), ("test", TEST)])
def test_the_part_that_ships_has_its_pictures_and_its_balance(split, balance):
    data = load("fashion-mnist-small", split=split)
    assert data.name == f"fashion-mnist-small:{split}"
    assert data.shape == (1, 28, 28)
    assert np.bincount(data.labels).tolist() == balance
    assert data.images().shape == (sum(balance), 1, 28, 28)


def test_the_readme_states_the_sizes_and_sums_of_the_files():
    folder = resources.files("noiseproof.data").joinpath("fashion_mnist_small")
    readme = folder.joinpath("README.md").read_text(encoding="utf-8")
    stated = re.findall(r"^\| `(\S+\.gz)` \| (\d+) \| ([0-9a-f]{64}) \|$", readme, flags=re.MULTILINE)
    found = []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".gz"):
            raw = entry.read_bytes()
            found.append((entry.name, str(len(raw)), hashlib.sha256(raw).hexdigest()))
    assert len(found) == 4
    assert sorted(stated) == found


def test_the_licence_ships_with_the_pictures():
    assert FASHION_MNIST_SMALL.license.startswith("The MIT License (MIT)\n\nCopyright (c) 2017 Zalando SE")


def test_a_damaged_installation_says_so():
    with pytest.raises(DataError, match=r"absent.test-images-idx3-ubyte\.gz: .*; reinstall noiseproof$"):
        Shipped(name="gone", folder="absent", classes=("a",)).load("test")

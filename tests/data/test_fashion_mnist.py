from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest

from noiseproof.data import load
from noiseproof.data.fashion_mnist import FASHION_MNIST
from noiseproof.errors import DataError

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
needs_debian = pytest.mark.skipif(
    not DEBIAN.is_dir(), reason=f"no {DEBIAN}: apt install dataset-fashion-mnist to run it"
)

# The MD5 sums in the data set's README, and when its four files were packed (31 August 2017).
PUBLISHED = {
    "train-images-idx3-ubyte.gz": ("8d4fb7e6c68d591d4c3dfef9ec88bf0d", 1504176606),
    "train-labels-idx1-ubyte.gz": ("25c81989df183df01b3e8a0aad5dffbe", 1504176606),
    "t10k-images-idx3-ubyte.gz": ("bef4ecab320f06d8554ea6380940ec79", 1504176627),
    "t10k-labels-idx1-ubyte.gz": ("bb300cfdad3c16e7a12a480ee83cd310", 1504176627),
}


@needs_debian
@pytest.mark.parametrize(("split", "each"), [("train", 6000), ("test", 1000)])
def test_the_full_set_is_balanced(split, each):
    data = load(f"fashion-mnist:{split}")
    assert np.bincount(data.labels).tolist() == [each] * 10
    assert data.images().shape == (10 * each, 1, 28, 28)


@needs_debian
def test_the_pictures_are_the_published_ones():
    # The mean and the standard deviation that training scripts commonly normalise Fashion-MNIST by.
    pixels = load("fashion-mnist:train").images()
    assert pixels.mean() / 255 == pytest.approx(0.2860, abs=5e-5)
    assert pixels.std() / 255 == pytest.approx(0.3530, abs=5e-5)


@needs_debian
@pytest.mark.parametrize("split", ["train", "test"])
def test_the_part_that_ships_is_the_beginning_of_the_full_set(split):
    part, full = load(f"fashion-mnist-small:{split}"), load(f"fashion-mnist:{split}")
    assert part.classes == full.classes
    assert np.array_equal(part.images(), full.images()[: len(part)])
    assert np.array_equal(part.labels, full.labels[: len(part)])


@needs_debian
@pytest.mark.parametrize("file", FASHION_MNIST.files, ids=lambda file: file.name)
def test_the_sums_to_download_by_are_those_of_the_published_files(file):
    """Debian repacked the files without name and time; with both back they have the published sums."""
    md5, packed_at = PUBLISHED[file.name]
    name = file.name.removesuffix(".gz").encode() + b"\0"
    head = b"\x1f\x8b\x08\x08" + struct.pack("<I", packed_at) + b"\x00\x03" + name
    upstream = head + (DEBIAN / file.name).read_bytes()[10:]
    assert hashlib.md5(upstream).hexdigest() == md5
    assert hashlib.sha256(upstream).hexdigest() == file.sha256
    assert len(upstream) == file.size


def test_the_classes_are_the_published_ones_in_their_order():
    assert FASHION_MNIST.classes[0] == "T-shirt/top"
    assert FASHION_MNIST.classes[6:] == ("Shirt", "Sneaker", "Bag", "Ankle boot")
    assert len(set(FASHION_MNIST.classes)) == 10


def test_a_missing_set_advises_debian_s_package_and_the_part_that_ships(tmp_path, monkeypatch):
    monkeypatch.setattr("noiseproof.data.places.SYSTEM", tmp_path / "system")
    with pytest.raises(DataError) as error:
        load("fashion-mnist")
    assert str(error.value).startswith("no fashion-mnist:test in ")
    assert str(error.value).endswith(
        "; run `noiseproof data get fashion-mnist`, or `apt install dataset-fashion-mnist` (Debian, Ubuntu), "
        "or take `fashion-mnist-small`, the part that ships inside"
    )

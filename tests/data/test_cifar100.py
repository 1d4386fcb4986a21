from __future__ import annotations

import numpy as np
import pytest

from noiseproof.data import DATA_SETS, load
from noiseproof.errors import DataError
from tests.data.test_cifar10 import python

PIXELS = np.random.default_rng(20190213).integers(0, 256, (3, 3072), dtype=np.uint8)


@pytest.mark.parametrize("below", ["cifar-100-python", "cifar100/cifar-100-python", "cifar100"])
def test_torchvision_s_folder_is_read_by_its_fine_labels(tmp_path, below):
    (tmp_path / below).mkdir(parents=True)
    for name, labels in (("test", [99, 0, 7]), ("train", [1, 2, 3])):
        raw = python(PIXELS, labels).replace(b"T\x06\x00\x00\x00labels", b"T\x0b\x00\x00\x00fine_labels")
        (tmp_path / below / name).write_bytes(raw)
    data = load("cifar100", root=tmp_path)
    assert (data.name, data.shape, len(data.classes)) == ("cifar100:test", (3, 32, 32), 100)
    assert [data.classes[label] for label in data.labels] == ["worm", "apple", "beetle"]
    assert np.array_equal(data.images(), PIXELS.reshape(3, 3, 32, 32))
    assert load("cifar100:train", root=tmp_path).labels.tolist() == [1, 2, 3]


def test_a_batch_of_cifar_10_is_none(tmp_path):
    (tmp_path / "cifar100").mkdir()
    (tmp_path / "cifar100" / "test").write_bytes(python(PIXELS, [1, 2, 3]))
    with pytest.raises(DataError, match="expected `fine_labels`, a list of numbers, found none"):
        load("cifar100", root=tmp_path)


def test_the_published_archive():
    (file,) = DATA_SETS["cifar100"].files
    assert (file.name, file.size) == ("cifar-100-python.tar.gz", 169_001_437)
    assert file.sha256 == "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7"

import numpy as np
import pytest
from scipy.io import savemat

from noiseproof.data import load
from noiseproof.errors import DataError

LABELS = np.array([[10], [1], [9], [10]], dtype=np.uint8)


@pytest.fixture
def pictures():
    return np.random.default_rng(20190213).integers(0, 256, (32, 32, 3, 4), dtype=np.uint8)


def refused(root):
    with pytest.raises(DataError) as error:
        load("svhn", root=root)
    text = str(error.value)
    assert text.startswith(f"{root}/test_32x32.mat: expected ")
    assert text.endswith("; delete it and run `noiseproof data get svhn`")
    return text


@pytest.mark.parametrize("below", ["svhn", "."])
@pytest.mark.parametrize("compressed", [True, False])
def test_the_files_are_found_and_read(tmp_path, pictures, below, compressed):
    (tmp_path / below).mkdir(exist_ok=True)
    savemat(tmp_path / below / "test_32x32.mat", {"X": pictures, "y": LABELS}, do_compression=compressed)
    savemat(tmp_path / below / "train_32x32.mat", {"X": 255 - pictures[..., :1], "y": LABELS[:1]})
    test, train = load("svhn", root=tmp_path), load("svhn:train", root=tmp_path)
    assert (test.name, train.name, test.shape) == ("svhn:test", "svhn:train", (3, 32, 32))
    for index in range(4):
        assert np.array_equal(test.pixels(index), np.moveaxis(pictures[..., index], 2, 0))
    assert np.array_equal(train.images(), 255 - test.images()[:1])


def test_ten_stands_for_nought(tmp_path, pictures):
    savemat(tmp_path / "test_32x32.mat", {"X": pictures, "y": LABELS})
    data = load("svhn", root=tmp_path)
    assert data.labels.tolist() == [0, 1, 9, 0]
    assert data.classes == tuple("0123456789")


@pytest.mark.parametrize("label", [0, 11])
def test_other_labels_are_refused(tmp_path, pictures, label):
    savemat(tmp_path / "test_32x32.mat", {"X": pictures, "y": np.where(LABELS == 9, label, LABELS)})
    assert "expected labels in [1, 10], found " in refused(tmp_path)


def test_a_file_of_another_content(tmp_path, pictures):
    file = tmp_path / "test_32x32.mat"
    savemat(file, {"y": LABELS})
    assert "expected `X`, uint8 [32, 32, 3, N], found none" in refused(tmp_path)
    savemat(file, {"X": pictures / 255, "y": LABELS})
    assert "expected `X`" in refused(tmp_path)
    savemat(file, {"X": pictures[:16], "y": LABELS})
    assert "expected `X`" in refused(tmp_path)
    savemat(file, {"X": pictures})
    assert "expected `y`, integers [N, 1], found none" in refused(tmp_path)


@pytest.mark.parametrize("length", [0, 100, 5000])
def test_a_damaged_file(tmp_path, pictures, length):
    file = tmp_path / "test_32x32.mat"
    savemat(file, {"X": pictures, "y": LABELS}, do_compression=True)
    file.write_bytes(file.read_bytes()[:length])
    assert "expected a whole MATLAB file, found: " in refused(tmp_path)

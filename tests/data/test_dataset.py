from __future__ import annotations

import numpy as np
import pytest

from noiseproof.data import DataSet
from noiseproof.errors import DataError


class OneByOne:
    """Pictures that are no array: decoded when asked for."""

    def __init__(self, array):
        self.array = array
        self.asked = []

    def __len__(self):
        return len(self.array)

    def __getitem__(self, index):
        self.asked.append(index)
        return self.array[index]


@pytest.fixture
def array():
    return np.arange(4 * 3 * 2 * 2, dtype=np.uint8).reshape(4, 3, 2, 2) * 5


@pytest.fixture
def data(array):
    return DataSet("four", ("a", "b"), (3, 2, 2), np.array([0, 1, 1, 0], dtype=np.uint8), array)


def hundred(n=1000):
    return DataSet("grey", ("any",), (1, 1, 1), np.zeros(n, int), np.zeros((n, 1, 1, 1), np.uint8))


def test_a_picture_is_float32_in_the_unit_interval_and_goes_back_to_its_bytes():
    grid = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    x, y = DataSet("grid", ("a",), (1, 16, 16), np.zeros(1, int), grid)[0]
    assert x.dtype == np.float32
    assert x.min() == 0.0
    assert x.max() == 1.0
    assert np.array_equal(np.rint(x * 255).astype(np.uint8), grid[0])
    assert np.array_equal(x, (grid[0].astype(np.float64) / 255).astype(np.float32))
    assert y == 0


def test_labels_are_int64_and_a_label_is_a_python_int(data):
    assert data.labels.dtype == np.int64
    assert data[1][1] == 1
    assert type(data[1][1]) is int


def test_pixels_are_the_bytes_of_the_picture(data, array):
    assert data.pixels(2).dtype == np.uint8
    assert np.array_equal(data.pixels(2), array[2])
    assert np.array_equal(data.pixels(np.int64(3)), array[3])


def test_changing_what_was_handed_out_does_not_change_the_set(data, array):
    before = array.copy()
    data.pixels(1)[:] = 7
    data.images()[:] = 7
    assert np.array_equal(data.images(), before)
    assert data.images().flags.writeable


def test_changing_the_labels_given_does_not_change_the_set(array):
    labels = np.array([0, 1, 1, 0])
    data = DataSet("four", ("a", "b"), (3, 2, 2), labels, array)
    labels[:] = 1
    assert data.labels.tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize("index", [-1, 4])
def test_an_index_outside_is_refused_and_a_negative_one_is_outside(data, index):
    with pytest.raises(IndexError, match=rf"^index must be in \[0, 4\) for four, got {index}$"):
        data.pixels(index)


def test_a_loop_over_the_set_ends(data):
    assert [y for _, y in data] == [0, 1, 1, 0]


def test_lazy_pictures_are_decoded_only_when_asked_for(array):
    pictures = OneByOne(array)
    data = DataSet("lazy", ("a", "b"), (3, 2, 2), np.array([0, 1, 1, 0]), pictures)
    assert np.array_equal(data.pixels(2), array[2])
    assert pictures.asked == [2]
    assert np.array_equal(data.images(), array)


def test_a_limit_counts_inputs_and_not_indices():
    assert hundred().select(every=20, limit=50) == list(range(0, 1000, 20))
    assert hundred().select(every=20, limit=3) == [0, 20, 40]


def test_select_takes_everything_unless_told():
    assert hundred(5).select() == [0, 1, 2, 3, 4]
    assert hundred(5).select(start=3) == [3, 4]
    assert hundred(9).select(every=3, start=1, limit=2) == [1, 4]
    assert hundred(5).select(limit=100) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"every": 0}, "every must be >= 1, got 0"),
        ({"start": 1000}, r"start must be in \[0, 1000\) for grey, got 1000; of --shard I/N, N is 1000 at most"),
        ({"start": -1}, r"start must be in \[0, 1000\) for grey, got -1"),
        ({"limit": 0}, "limit must be >= 1, got 0"),
    ],
)
def test_select_refuses_what_selects_nothing(arguments, text):
    with pytest.raises(ValueError, match=f"^{text}$"):
        hundred().select(**arguments)


def test_a_label_too_few_is_refused(array):
    with pytest.raises(DataError, match=r"found 4 pictures and labels of shape \(3,\)"):
        DataSet("four", ("a", "b"), (3, 2, 2), np.array([0, 1, 1]), array)


@pytest.mark.parametrize("label", [-1, 2])
def test_a_label_without_a_class_is_refused(array, label):
    with pytest.raises(DataError, match=rf"labels in \[0, 2\), found {label} at index 2"):
        DataSet("four", ("a", "b"), (3, 2, 2), np.array([0, 1, label, 1]), array)


def test_an_empty_set_is_refused():
    with pytest.raises(DataError, match="none holds no picture"):
        DataSet("none", ("a",), (1, 1, 1), np.zeros(0, int), np.zeros((0, 1, 1, 1), np.uint8))


def test_labels_that_are_no_integers_are_refused(array):
    with pytest.raises(ValueError, match=r"^labels must be integers, got float64$"):
        DataSet("four", ("a", "b"), (3, 2, 2), np.array([0.5, 1, 1, 0]), array)


def test_pictures_in_floats_or_of_another_shape_are_refused(array):
    labels = np.zeros(4, int)
    with pytest.raises(ValueError, match=r"^pictures must be uint8 \[N, 3, 2, 2\], got float64 \[4, 3, 2, 2\]$"):
        DataSet("four", ("a",), (3, 2, 2), labels, array / 255)
    with pytest.raises(ValueError, match=r"^pictures must be uint8 \[N, 2, 2, 3\], got uint8 \[4, 3, 2, 2\]$"):
        DataSet("four", ("a",), (2, 2, 3), labels, array)

"""Batches of 1 x 2 pictures, pickled here as Python 2 pickled the published ones."""

import os
import pickle
import struct

import numpy as np
import pytest

from noiseproof.data.batches import read_binary_batch, read_python_batch
from noiseproof.errors import DataError

SHAPE = (3, 1, 2)
PICTURES = np.arange(24, dtype=np.uint8).reshape(4, 6)
LABELS = [3, 0, 9, 1]


def text(value: bytes) -> bytes:
    """A string of Python 2."""
    return b"T" + struct.pack("<i", len(value)) + value


def array(pictures, *, columns=False, module=b"numpy.core.multiarray", kind=b"u1", raw=None, rows=None) -> bytes:
    """An array as numpy 1 under Python 2 pickled it, protocol 2."""
    raw = pictures.tobytes(order="F" if columns else "C") if raw is None else raw
    rows = pictures.shape[0] if rows is None else rows
    return (
        b"c%b\n_reconstruct\n" % module
        + b"cnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        + (b"(K\x01" + b"J%b" % struct.pack("<i", rows) + b"K" + bytes([pictures.shape[1]]) + b"\x86")
        + (b"cnumpy\ndtype\n" + text(kind) + b"K\x00K\x01\x87R")
        + (b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb")
        + (b"\x88" if columns else b"\x89")
        + text(raw)
        + b"tb"
    )


def pickled(data: bytes, labels=LABELS, name: bytes = b"data") -> bytes:
    numbers = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    entries = text(b"batch_label") + text(b"testing batch 1 of 1") + text(b"labels") + numbers + text(name) + data
    return b"\x80\x02}(" + entries + b"u."


def refused(read, path):
    with pytest.raises(DataError) as error:
        read(path, SHAPE)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(f"{path}: expected ")
    return str(error.value)


@pytest.mark.parametrize("module", [b"numpy.core.multiarray", b"numpy._core.multiarray"])
@pytest.mark.parametrize("columns", [False, True])
def test_a_python_batch(tmp_path, columns, module):
    raw = pickled(array(PICTURES, columns=columns, module=module))
    (tmp_path / "b").write_bytes(raw)
    pictures, labels = read_python_batch(tmp_path / "b", SHAPE)
    assert np.array_equal(pictures, PICTURES.reshape(4, 3, 1, 2))
    assert labels.tolist() == LABELS
    assert labels.dtype == np.int64


def test_the_pickles_of_these_tests_are_what_numpy_reads():
    for columns in (False, True):
        raw = pickled(array(PICTURES, columns=columns, module=np.zeros(0).__reduce__()[0].__module__.encode()))
        assert np.array_equal(pickle.loads(raw, encoding="bytes")[b"data"], PICTURES)


class Evil:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.system, (f"touch {self.target}",)


def test_a_pickle_that_would_run_something_is_refused_and_nothing_runs(tmp_path):
    (tmp_path / "b").write_bytes(pickle.dumps({"data": Evil(tmp_path / "executed"), "labels": [1]}, protocol=2))
    assert f"found a pickle that asks for {os.system.__module__}.system; delete it" in refused(
        read_python_batch, tmp_path / "b"
    )
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("name", [b"cnumpy\nload\n", b"cnumpy.core.multiarray\nfromfile\n", b"cbuiltins\neval\n"])
def test_other_names_of_the_same_modules_are_refused_too(tmp_path, name):
    (tmp_path / "b").write_bytes(pickled(name))
    module, _, function = name.decode()[1:-1].partition("\n")
    assert f"a pickle that asks for {module}.{function}; " in refused(read_python_batch, tmp_path / "b")


def test_an_object_outside_the_file_is_refused(tmp_path):
    (tmp_path / "b").write_bytes(pickled(b"Px\n"))
    assert "asks for an object outside the file, 'x'; " in refused(read_python_batch, tmp_path / "b")


@pytest.mark.parametrize(
    "data",
    [
        array(PICTURES, kind=b"O8"),
        array(PICTURES, kind=b"f8"),
        array(PICTURES, raw=PICTURES.tobytes()[:-1]),
        array(PICTURES, rows=5),
        array(PICTURES, rows=-4),
        array(PICTURES.reshape(3, 8)),
        text(b"no array"),
        b"cnumpy\nndarray\n",
    ],
    ids=["objects", "floats", "short", "longer", "negative", "other width", "text", "class"],
)
def test_an_array_of_another_kind_is_refused(tmp_path, data):
    (tmp_path / "b").write_bytes(pickled(data))
    assert "expected `data`, bytes [N, 6], found none; " in refused(read_python_batch, tmp_path / "b")


def test_a_batch_without_data_or_labels(tmp_path):
    (tmp_path / "b").write_bytes(pickled(array(PICTURES), name=b"pixels"))
    assert "expected `data`" in refused(read_python_batch, tmp_path / "b")
    (tmp_path / "b").write_bytes(pickled(array(PICTURES)).replace(b"labels", b"babels"))
    assert "expected `labels`, a list of numbers" in refused(read_python_batch, tmp_path / "b")
    (tmp_path / "b").write_bytes(pickle.dumps([1, 2], protocol=2))
    assert "expected `data`" in refused(read_python_batch, tmp_path / "b")


@pytest.mark.parametrize("length", [0, 1, 30, 150, -1])
def test_a_truncated_python_batch(tmp_path, length):
    (tmp_path / "b").write_bytes(pickled(array(PICTURES))[:length])
    assert "expected a whole pickle, found: " in refused(read_python_batch, tmp_path / "b")


def test_a_binary_batch(tmp_path):
    rows = np.column_stack([np.array(LABELS, dtype=np.uint8), PICTURES])
    (tmp_path / "b.bin").write_bytes(rows.tobytes())
    pictures, labels = read_binary_batch(tmp_path / "b.bin", SHAPE)
    assert np.array_equal(pictures, PICTURES.reshape(4, 3, 1, 2))
    assert labels.tolist() == LABELS


@pytest.mark.parametrize("length", [0, 13])
def test_a_truncated_binary_batch(tmp_path, length):
    (tmp_path / "b.bin").write_bytes(bytes(length))
    assert f"expected a multiple of 7 bytes, found {length}; " in refused(read_binary_batch, tmp_path / "b.bin")


@pytest.mark.parametrize("read", [read_python_batch, read_binary_batch])
def test_a_missing_batch(tmp_path, read):
    assert "expected a readable file, found: No such file or directory; " in refused(read, tmp_path / "b")

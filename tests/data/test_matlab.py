import io
import struct

import numpy as np
import pytest
from scipy.io import savemat

from noiseproof.data.matlab import read_arrays


def saved(arrays, **options):
    stream = io.BytesIO()
    savemat(stream, arrays, **options)
    return stream.getvalue()


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("kind", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
def test_numbers_as_scipy_writes_them(kind, compressed):
    array = np.arange(24).reshape(2, 3, 4).astype(kind)
    raw = saved({"other": np.ones(3), "x": array, "y": array[0, :1], "z": array[:1, 0, 0]}, do_compression=compressed)
    found = read_arrays(raw, ("x", "y", "z"))
    assert sorted(found) == ["x", "y", "z"]
    assert found["x"].dtype == array.dtype
    assert np.array_equal(found["x"], array)
    assert np.array_equal(found["y"], array[0, :1])
    assert np.array_equal(found["z"].ravel(), array[:1, 0, 0])


def test_what_is_no_plain_number_is_passed_over():
    raw = saved({"x": np.array([["a", "b"]], dtype=object), "y": "text", "z": np.ones(2) * 1j, "s": {"x": 1}})
    assert read_arrays(raw, ("x", "y", "z", "s")) == {}


def test_a_smaller_kind_may_stand_for_a_larger_one():
    """MATLAB stores a double as bytes where they will do; other byte order, too."""
    for order in "<>":
        flags = struct.pack(f"{order}4I", 6, 8, 6, 0)
        head = flags + struct.pack(f"{order}4I", 5, 8, 1, 2) + struct.pack(f"{order}I", 1 << 16 | 1) + b"x\0\0\0"
        body = head + struct.pack(f"{order}I", 2 << 16 | 2) + b"\7\xff\0\0"
        mark = b"\x00\x01IM" if order == "<" else b"\x01\x00MI"
        raw = bytes(124) + mark + struct.pack(f"{order}2I", 14, len(body)) + body
        found = read_arrays(raw, ("x",))["x"]
        assert found.tolist() == [[7.0, 255.0]]
        assert found.dtype.kind == "f"


@pytest.mark.parametrize("length", [0, 100, 127, 129, 140, 200, 250])
def test_a_file_that_is_cut_off(length):
    raw = saved({"x": np.arange(200, dtype=np.uint8)})
    with pytest.raises(ValueError, match=r"bytes|head of version 5"):
        read_arrays(raw[:length], ("x",))

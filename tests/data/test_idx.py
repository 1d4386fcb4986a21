from __future__ import annotations

import gzip
import re

import numpy as np
import pytest

from noiseproof.data.idx import read_idx
from noiseproof.errors import DataError

PICTURES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_an_array_is_read_whether_packed_or_plain(tmp_path, to_idx, pack):
    file = tmp_path / "any-name"
    file.write_bytes(pack(to_idx(PICTURES)))
    read = read_idx(file, ndim=3)
    assert read.dtype == np.uint8
    assert np.array_equal(read, PICTURES)


def test_the_format_is_the_published_one(tmp_path):
    file = tmp_path / "labels"
    file.write_bytes(bytes([0, 0, 8, 1, 0, 0, 1, 2]) + bytes(range(256)) + b"ab")
    assert read_idx(file, ndim=1).tolist() == [*range(256), ord("a"), ord("b")]


def refused(file, ndim=3):
    with pytest.raises(DataError) as error:
        read_idx(file, ndim=ndim, remedy="do this")
    text = str(error.value)
    assert text.startswith(f"{file}: expected ")
    assert text.endswith("; do this")
    assert "\n" not in text
    return text.removeprefix(f"{file}: ").removesuffix("; do this")


@pytest.mark.parametrize("kept", [0, 1, 2, 10, 30, -1])
def test_a_truncated_gzip_file_is_refused(tmp_path, to_idx, kept):
    file = tmp_path / "pictures.gz"
    file.write_bytes(gzip.compress(to_idx(PICTURES))[:kept])
    refused(file)


def test_a_truncated_gzip_file_is_called_so(tmp_path, to_idx):
    file = tmp_path / "pictures.gz"
    file.write_bytes(gzip.compress(to_idx(PICTURES))[:30])
    assert refused(file).startswith("expected a whole gzip stream, found 30 bytes that do not unpack (")


def test_a_flipped_bit_in_a_gzip_file_is_refused(tmp_path, to_idx):
    raw = bytearray(gzip.compress(to_idx(PICTURES)))
    for place in range(10, len(raw)):  # after the head, whose time and system mean nothing
        broken = raw.copy()
        broken[place] ^= 1
        file = tmp_path / "pictures.gz"
        file.write_bytes(broken)
        refused(file)


def test_every_truncation_of_a_plain_file_is_refused(tmp_path, to_idx):
    raw = to_idx(PICTURES)
    file = tmp_path / "pictures"
    for kept in range(len(raw)):
        file.write_bytes(raw[:kept])
        refused(file)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", "expected the IDX magic number 0x00000803, found nothing"),
        (b"<html>no such page", "expected the IDX magic number 0x00000803, found 0x3c68746d"),
        (bytes([0, 0, 8, 1, 0, 0, 0, 0]), "expected the IDX magic number 0x00000803, found 0x00000801"),
        (bytes([0, 0, 13, 3]) + bytes(12), "expected the IDX magic number 0x00000803, found 0x00000d03"),
        (bytes([0, 0, 8, 3, 0, 0]), "expected an IDX head of 16 bytes, found 6"),
        (
            bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 8, 0]) + bytes(9),
            "expected 12,288 bytes of data (2 x 3 x 2048), found 9",
        ),
        (
            bytes([0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1]) + bytes(2),
            "expected 1 bytes of data (1 x 1 x 1), found 2",
        ),
    ],
    ids=["empty", "a page", "labels", "floats", "short head", "short", "long"],
)
def test_a_wrong_file_is_told_by_what_was_expected_and_found(tmp_path, raw, text):
    file = tmp_path / "pictures"
    file.write_bytes(raw)
    assert refused(file) == text


def test_a_missing_file_is_a_data_error(tmp_path):
    assert re.match("expected a readable file, found: No such file", refused(tmp_path / "none"))

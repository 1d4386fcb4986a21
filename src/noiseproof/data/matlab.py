"""Plain number arrays out of MATLAB files (version 5), read without trust."""

from __future__ import annotations

import math
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from numpy.typing import NDArray

_COMPRESSED, _MATRIX = 15, 14
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
_COMPLEX = 0x800
_STRUCT, _CHAR = 2, 4
_HEAD = 128
_LONGEST = 4096  # bytes of a name or of the list of dimensions
_MOST = 1 << 29
"""Bytes of an array: twice SVHN's training pictures."""
_INSIDE = 1 << 20
"""Bytes of a field of a structure."""
_MOST_ELEMENTS = 100_000
"""Structures of an array; ImageNet's table has 1,860."""


def read_arrays(raw: bytes, names: Collection[str]) -> dict[str, NDArray[Any]]:
    """The arrays of these names, as far as the file has them as real numbers; everything else is passed over.

    Nothing that a head merely claims is made room for, and nothing is nested: no cells, structures or objects.
    ``scipy.io.loadmat`` does both, and ends the process on a cell deep enough.

    Args:
        raw: the whole file.
        names: the arrays wanted.

    Raises:
        ValueError: it is no such file, or damaged.

    Source: "MAT-File Format", MathWorks, "Level 5 MAT-File Format".
    """
    found: dict[str, NDArray[Any]] = {}
    for source, order in _matrices(raw):
        _read_matrix(source, order, names, found)
    return found


def read_structs(raw: bytes, name: str, fields: Collection[str]) -> list[dict[str, float | str]]:
    """The elements of an array of structures: of each, these fields as far as they are single numbers or texts.

    What is inside is looked at one level deep, and no more room is made than it fills.

    Args:
        raw: the whole file.
        name: of the array.
        fields: those wanted.

    Raises:
        ValueError: it is no such file, or damaged, or has no such array.
    """
    for source, order in _matrices(raw):
        kind, title, shape = _head(source, order)
        if title == name and kind == _STRUCT:
            return list(_elements(source, order, math.prod(shape), fields))
    raise ValueError(f"no array of structures called {name}")


def _matrices(raw: bytes) -> Iterator[tuple[_Plain | _Packed, str]]:
    """The matrices of a file, and its byte order."""
    order = {b"IM": "<", b"MI": ">"}.get(raw[126:_HEAD])
    if order is None or raw[124:126][:: 1 if order == ">" else -1] != b"\x01\x00":
        raise ValueError("no head of version 5")
    place = _HEAD
    while place < len(raw):
        kind, length = struct.unpack(f"{order}2I", _whole(raw[place : place + 8], 8))
        body = memoryview(raw)[place + 8 : place + 8 + length]
        if len(body) < length:
            raise ValueError(f"{length:,} bytes named at {place:,}, {len(body):,} there")
        if kind == _MATRIX:
            yield _Plain(body), order
        elif kind == _COMPRESSED:
            source = _Packed(body)
            if struct.unpack(f"{order}2I", source.take(8))[0] == _MATRIX:
                yield source, order
        place += 8 + length


def _elements(
    source: _Plain | _Packed, order: str, count: int, fields: Collection[str]
) -> Iterator[dict[str, float | str]]:
    _, width = _element(source, order, _LONGEST)
    size = struct.unpack(f"{order}i", _whole(width[:4], 4))[0]
    _, listed = _element(source, order, _LONGEST)
    if not 0 < size <= len(listed) or count > _MOST_ELEMENTS:
        raise ValueError(f"{count:,} structures with names of {size} letters")
    names = [listed[k : k + size].split(b"\0")[0].decode("ascii", "replace") for k in range(0, len(listed), size)]
    for _ in range(count):
        element: dict[str, float | str] = {}
        for name in names:
            kind, body = _element(source, order, _INSIDE)
            if kind != _MATRIX:
                raise ValueError(f"{name} is of kind {kind}, no matrix")
            if name in fields and (value := _value(_Plain(memoryview(body)), order)) is not None:
                element[name] = value
        yield element


def _value(source: _Plain, order: str) -> float | str | None:
    """A single number or a text; None for anything else."""
    kind, _, shape = _head(source, order)
    if kind == _CHAR:
        stored, data = _element(source, order, _INSIDE, padded=False)
        coding = {16: "utf-8", 1: "utf-8", 2: "utf-8", 17: "utf-16", 4: f"utf-16-{'le' if order == '<' else 'be'}"}
        return data.decode(coding.get(stored, "utf-8"), "replace")
    if kind not in _CLASSES or math.prod(shape) != 1:
        return None
    stored, data = _element(source, order, 8, padded=False)
    if stored not in _STORED:
        return None
    return float(np.frombuffer(data, dtype=f"{order}{_STORED[stored]}", count=1)[0])


def _head(source: _Plain | _Packed, order: str) -> tuple[int, str, tuple[int, ...]]:
    """Class, name and shape of a matrix; of complex numbers class 0."""
    _, flags = _element(source, order, _LONGEST)
    what = struct.unpack(f"{order}I", _whole(flags[:4], 4))[0]
    _, sizes = _element(source, order, _LONGEST)
    _, title = _element(source, order, _LONGEST)
    shape = struct.unpack(f"{order}{len(sizes) // 4}i", sizes[: len(sizes) // 4 * 4])
    return 0 if what & _COMPLEX else what & 0xFF, title.decode("ascii", "replace"), shape


class _Plain:
    """Bytes as they lie there."""

    def __init__(self, raw: memoryview) -> None:
        self._raw, self._place = raw, 0

    def take(self, count: int) -> bytes:
        self._place += count
        return _whole(bytes(self._raw[self._place - count : self._place]), count)


class _Packed:
    """A zlib stream, unpacked as far as it is asked for."""

    def __init__(self, raw: memoryview) -> None:
        self._left, self._unpack = bytes(raw), zlib.decompressobj()

    def take(self, count: int) -> bytes:
        if count == 0:
            return b""
        try:
            taken = self._unpack.decompress(self._left, count)
        except zlib.error as error:
            raise ValueError(str(error)) from error
        self._left = self._unpack.unconsumed_tail
        return _whole(taken, count)


def _read_matrix(source: _Plain | _Packed, order: str, names: Collection[str], found: dict[str, NDArray[Any]]) -> None:
    number, name, shape = _head(source, order)
    kind = _CLASSES.get(number)
    if name not in names or kind is None:
        return
    if min(shape, default=-1) < 0:
        raise ValueError(f"{name} has the shape {shape[:8]}")
    stored, data = _element(source, order, min(8 * math.prod(shape), _MOST), padded=False)
    if stored not in _STORED:
        raise ValueError(f"{name} is stored as kind {stored}")
    numbers = np.frombuffer(data, dtype=f"{order}{_STORED[stored]}") if data else np.empty(0, dtype="u1")
    if numbers.size != math.prod(shape) or numbers.size == 0:
        raise ValueError(f"{name} has the shape {shape[:8]} and {numbers.size:,} numbers")
    found[name] = numbers.astype(kind, copy=False).reshape(shape, order="F")


def _element(source: _Plain | _Packed, order: str, most: int, *, padded: bool = True) -> tuple[int, bytes]:
    """Kind and bytes of the next element; up to four bytes may stand in its head."""
    head = source.take(8)
    kind, length = struct.unpack(f"{order}2I", head)
    if kind >> 16:
        length, kind = kind >> 16, kind & 0xFFFF
        if length > 4:
            raise ValueError(f"{length:,} bytes in a head of 4")
        return kind, head[4 : 4 + length]
    if length > most:
        raise ValueError(f"{length:,} bytes named where at most {most:,} can be")
    data = source.take(length)
    if padded:
        source.take(-length % 8)
    return kind, data


def _whole(data: bytes, count: int) -> bytes:
    if len(data) != count:
        raise ValueError(f"{count:,} bytes expected, {len(data):,} left")
    return data

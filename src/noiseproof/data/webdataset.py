"""WebDataset shards: tar files in which files of one key are one sample, ``0001.jpg`` and ``0001.cls``."""

from __future__ import annotations

import logging
import re
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from noiseproof.arguments import expanded
from noiseproof.data.dataset import DataSet
from noiseproof.data.encoded import Encoded
from noiseproof.data.folder import some
from noiseproof.data.form import Form, Wanted, parted, wanted
from noiseproof.data.labels import labelled
from noiseproof.data.picture import SUFFIXES
from noiseproof.errors import DataError, one_line

log = logging.getLogger(__name__)

_BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}")
_MOST = 100_000
"""Shards; more are a mistake."""
_LABEL = "cls"
_LONGEST = 256
"""Bytes of a label."""


@dataclass
class _Sample:
    """Where the picture of a sample lies, and its label."""

    name: str
    picture: tuple[Path, int, int] | None = None
    label: str | None = None
    others: list[str] = field(default_factory=list)


def _load(spec: str, split: str) -> DataSet:
    """The samples of all shards in their order; ``{0000..0009}`` in the path stands for so many of them.

    A sample is a picture and ``KEY.cls``, a whole number or, with the setting ``classes``, a name. Nothing is
    unpacked: pictures are read where they lie.
    """
    del split
    asked = wanted(spec, ("classes", "resize"))
    samples = [sample for shard in _shards(asked) for sample in _samples(shard)]
    whole = [each for each in samples if each.picture is not None and each.label is not None]
    if len(whole) < len(samples):
        lacking = [each.name for each in samples if each.picture is None or each.label is None]
        log.warning(
            "%s: %d of %d samples have no picture or no .%s, and were left out: %s",
            spec, len(lacking), len(samples), _LABEL, some(lacking),
        )  # fmt: skip
    if not whole:
        raise DataError(
            f"{spec}: expected samples of a picture and a .{_LABEL} (0001.jpg and 0001.{_LABEL}), found "
            f"{some([name for each in samples for name in each.others]) or 'none'}; write such shards"
        )
    text = [str(each.label) for each in whole]
    numbers = np.array([int(each) for each in text]) if all(map(str.isdecimal, text)) else np.array(text)
    labels, classes = labelled(numbers, asked, what=f"its .{_LABEL} files")
    places = [each.picture for each in whole if each.picture is not None]

    def raw(index: int) -> bytes:
        file, offset, size = places[index]
        with file.open("rb") as stream:
            stream.seek(offset)
            return stream.read(size)

    pictures = Encoded.of([each.name for each in whole], raw, asked)
    return DataSet(spec, classes, pictures.shape, labels, pictures)


def _shards(asked: Wanted) -> list[Path]:
    head = asked.head
    match = _BRACES.search(head)
    if match is None:
        return [asked.path]
    first, last = int(match[1]), int(match[2])
    if not first <= last < first + _MOST:
        raise ValueError(f"shards must be {{FIRST..LAST}}, at most {_MOST:,}, got {match[0]} in {asked.spec}")
    width = len(match[1])
    return [expanded(f"{head[: match.start()]}{k:0{width}}{head[match.end() :]}") for k in range(first, last + 1)]


def _samples(shard: Path) -> list[_Sample]:
    """The samples of one shard in the order of their first files."""
    samples: dict[str, _Sample] = {}
    try:
        with tarfile.open(shard, "r:") as archive:
            for member in archive:
                folder, _, base = member.name.rpartition("/")
                stem, _, kind = base.partition(".")
                if not member.isfile() or not stem:
                    continue
                key = f"{folder}/{stem}" if folder else stem
                sample = samples.setdefault(key, _Sample(f"{shard}: {key}"))
                if f".{kind.lower()}" in SUFFIXES and sample.picture is None:
                    sample.picture = (shard, member.offset_data, member.size)
                elif kind == _LABEL and (text := archive.extractfile(member)) is not None:
                    sample.label = text.read(_LONGEST).decode("utf-8", "replace").strip()
                else:
                    sample.others.append(member.name[:200])
            with shard.open("rb") as stream:  # tarfile takes a damaged head for the end
                stream.seek(archive.offset)
                if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                    raise tarfile.ReadError(f"no end but something else after {len(samples)} samples")
            if not samples:
                raise tarfile.ReadError("no file in it")
    except (OSError, tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        found = "no such file" if isinstance(error, FileNotFoundError) else one_line(error)
        raise DataError(f"{shard}: expected a whole tar file, found: {found}; get it again") from error
    return list(samples.values())


def _takes(spec: str) -> bool:
    return parted(spec)[0].endswith(".tar")


WEB_DATASET = Form("SHARD-{0..9}.tar", "WebDataset shards, a picture and a .cls a sample", _takes, _load)

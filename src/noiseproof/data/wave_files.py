"""``wav:PATH``: recordings in one folder a class, all equally long."""

from __future__ import annotations

import logging
import wave
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from noiseproof.data.dataset import DataSet
from noiseproof.data.folder import some
from noiseproof.data.form import Form, wanted
from noiseproof.data.scaling import Scaling
from noiseproof.data.table import grid_of, of_rows
from noiseproof.errors import DataError, one_line

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

PREFIX = "wav:"
FULL_SCALE = Scaling(("amplitude",), (-1.0,), (1.0,), "full scale, from -1 to 1")
"""Of samples as they are usually read: the largest amplitude is 1."""


def _load(spec: str, split: str) -> DataSet:
    """Recordings [channels, samples], the classes and the files sorted by name."""
    del split
    asked = wanted(spec, ("grid",), prefix=PREFIX)
    folder = asked.path
    classes = sorted(each.name for each in folder.iterdir() if each.is_dir()) if folder.is_dir() else []
    classes = [name for name in classes if not name.startswith(".")]
    files: list[Path] = []
    labels: list[int] = []
    others: list[str] = []
    for label, name in enumerate(classes):
        for file in sorted((folder / name).iterdir()):
            if file.suffix.lower() == ".wav":
                files.append(file)
                labels.append(label)
            elif not file.name.startswith("."):
                others.append(f"{name}/{file.name}")
    if not files:
        raise DataError(f"{spec}: expected a folder of .wav files for each class, found none; put them there")
    if others:
        log.warning("%s: %d entries are no .wav files, and were passed over: %s", spec, len(others), some(others))
    first, rate = _read(files[0])
    samples = np.empty((len(files), *first.shape))
    for index, file in enumerate(files):
        found, its_rate = _read(file)
        if found.shape != first.shape or its_rate != rate:
            raise DataError(
                f"{file}: expected {_words(first, rate)} as {files[0]} is, found {_words(found, its_rate)}; cut or "
                "resample the recordings"
            )
        samples[index] = found
    return of_rows(spec, samples, np.array(labels), tuple(classes), FULL_SCALE, grid=grid_of(asked))


def _read(file: Path) -> tuple[NDArray[np.float64], int]:
    """Samples [channels, samples] in [-1, 1], and how many a second."""
    try:
        with wave.open(str(file), "rb") as stream:
            width, channels, rate = stream.getsampwidth(), stream.getnchannels(), stream.getframerate()
            count = stream.getnframes()
            raw = stream.readframes(count)
    except Exception as error:  # damaged files fail in any way
        raise DataError(
            f"{file}: expected a whole .wav file of PCM, found: {one_line(error)}; save it again"
        ) from error
    if width not in (1, 2, 4):
        raise DataError(f"{file}: expected 8, 16 or 32 bits a sample, found {8 * width}; convert the file")
    if not raw or len(raw) != count * width * channels:
        raise DataError(f"{file}: expected {count:,} samples, found {len(raw) // (width * channels):,}; save it again")
    numbers = np.frombuffer(raw, dtype={1: "u1", 2: "<i2", 4: "<i4"}[width]).astype(np.float64)
    numbers = numbers - 128 if width == 1 else numbers
    return (numbers / 2.0 ** (8 * width - 1)).reshape(-1, channels).T, rate


def _words(samples: NDArray[np.float64], rate: int) -> str:
    return f"{samples.shape[1]:,} samples of {samples.shape[0]} channels at {rate} Hz"


WAVE = Form("wav:PATH", "recordings in one folder a class", lambda spec: spec.startswith(PREFIX), _load)

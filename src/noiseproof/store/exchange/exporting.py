"""Export: a run as a table for other tools, one row an input; the run folder stays the truth."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from noiseproof.errors import RunError, unknown
from noiseproof.store.exchange.columns import columns
from noiseproof.store.exchange.parquet import write_parquet
from noiseproof.store.exchange.published import PublishedRow, print_down, published_text
from noiseproof.store.given import RunLike, run_of
from noiseproof.store.manifest import write_text
from noiseproof.types import Certificate

if TYPE_CHECKING:
    from noiseproof.store.run import Run
    from noiseproof.types import Record


_TEXT = ("", "txt")
"""Suffixes that say no format."""


def export_run(run: RunLike, *, out: str | Path, format: str | None = None) -> Path:
    """Write the finished inputs of a run as one table, by index.

    - ``tsv``: what the research script writes (idx, label, predict, radius, correct, time), three significant digits,
      rounded *down*; time in seconds.
    - ``csv``: everything with all digits, counts included, a column a stage and class.
    - ``parquet``: the same table; needs ``pip install 'noiseproof[parquet]'``.

    Args:
        run: of certify, predict or import; ``tsv`` needs certificates and labels.
        out: the file; replaced whole or not at all.
        format: "tsv", "csv" or "parquet"; by default that of the file's suffix, tsv of .txt or none.

    Returns:
        The file.

    Raises:
        NoiseproofError: parquet is asked for and pyarrow is not installed.
        RunError: not a run folder, it has no finished input, or the file cannot be written.
        ValueError: the format is unknown or not that of the suffix, or ``tsv`` has no room for what the run holds.
    """
    path = Path(out)
    suffix = path.suffix.lower().removeprefix(".")
    if format is not None and format not in WRITERS:
        raise ValueError(unknown("format", format, WRITERS))
    if format is not None and suffix in WRITERS and suffix != format:
        raise ValueError(f"format must be that of the file, got {format!r} for {path.name!r}; leave one of the two out")
    if format is None and suffix not in (*WRITERS, *_TEXT) and not suffix.isdecimal():  # as in sigma_0.25
        raise ValueError(f"out must end in .tsv, .csv or .parquet, got {path.name!r}; or say its format (--format)")
    format = format or (suffix if suffix in WRITERS else "tsv")
    found = run_of(run)
    if not found.records:
        raise RunError(f"{run} has no finished input yet: there is nothing to export")
    if format == "tsv" and (unit := found.manifest.unit):
        raise ValueError(f"tsv is of radii in pixels, but those of {run} are in units of {unit}; export csv or parquet")
    WRITERS[format](found, path)
    return path


def _write_csv(run: Run, path: Path) -> None:
    table = columns(run)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table)
    writer.writerows(zip(*table.values(), strict=True))
    write_text(path, text.getvalue())


def _published(record: Record) -> PublishedRow:
    said = record.outcome
    if not isinstance(said, Certificate):
        raise ValueError(  # noqa: TRY004 - a run of another procedure, not a wrong type
            f"tsv is a format of certificates, but input {record.index} has a prediction; export csv or parquet"
        )
    if record.label is None:
        raise ValueError(f"tsv needs labels, but input {record.index} has none; export csv or parquet")
    correct = int(said.prediction == record.label)
    return PublishedRow(record.index, record.label, said.prediction, print_down(said.radius), correct, record.seconds)


WRITERS: dict[str, Callable[[Run, Path], None]] = {
    "tsv": lambda run, path: write_text(path, published_text([_published(record) for record in run.records])),
    "csv": _write_csv,
    "parquet": lambda run, path: write_parquet(columns(run), path),
}

"""``noiseproof export``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal


def export(run: Path, /, *, out: Path, format: Literal["tsv", "csv", "parquet"] | None = None) -> None:
    """A run as one table, a row an input.

    Args:
        run: Run folder of certify, predict or import.
        out: The file; replaced whole.
        format: tsv as the research script writes, radii rounded down; csv and parquet have all. Else --out's suffix.
    """
    from noiseproof.store.exchange import export_run

    print(f"written: {export_run(run, out=out, format=format)}")

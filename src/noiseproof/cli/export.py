"""``noiseproof export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    run: Annotated[Path, typer.Argument(help="Run folder of certify, predict or import.", metavar="RUN")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The file; replaced whole.")],
    format: Annotated[
        str,
        typer.Option("--format", help="tsv: as the research script writes, radii rounded down. csv, parquet: all."),
    ] = "tsv",
) -> None:
    """A run as one table, a row an input."""
    from noiseproof.store.exchange import export_run

    typer.echo(f"written: {export_run(run, out=out, format=format)}")

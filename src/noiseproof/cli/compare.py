"""``noiseproof compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from noiseproof.cli import options


def compare(
    runs: Annotated[
        list[Path], typer.Argument(help="Run folders of certify or import, two or more.", metavar="RUN...")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the tables and the figure.")],
    radii: Annotated[
        str, typer.Option("--radii", help="START:STOP:STEP (both ends in) or a,b,c, in input units (L2).")
    ] = "0:1.5:0.25",
    config: options.Config = None,
) -> None:
    """Methods side by side on the same inputs: curves, exact paired tests, what each training cost."""
    del config  # its settings have become defaults
    from noiseproof.reports.compare import compare as write_comparison

    written = write_comparison(runs, radii=radii, out=out)
    typer.echo(written.text)
    typer.echo("written: " + ", ".join(str(path) for path in written.files))

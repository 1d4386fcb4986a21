"""``noiseproof report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from noiseproof.cli import options


def report(
    runs: Annotated[list[Path], typer.Argument(help="Run folders of certify.", metavar="RUN...")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the tables and the figure.")],
    radii: Annotated[
        str, typer.Option("--radii", help="START:STOP:STEP (both ends in) or a,b,c, in input units (L2).")
    ] = "0:1.5:0.25",
    config: options.Config = None,
) -> None:
    """Certified accuracy with its band, from stored counts: tables as text, Markdown, LaTeX; curves as PNG, PDF."""
    del config  # its settings have become defaults
    from noiseproof.reports.report import report as write_report

    written = write_report(runs, radii=radii, out=out)
    typer.echo(written.text)
    typer.echo("written: " + ", ".join(str(path) for path in written.files))

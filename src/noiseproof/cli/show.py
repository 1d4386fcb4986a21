"""``noiseproof show``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def show(run: Annotated[Path, typer.Argument(help="Run folder.", metavar="RUN")]) -> None:
    """A run's settings, progress and fingerprints."""
    from noiseproof.reports.show import show as show_run

    typer.echo(show_run(run))

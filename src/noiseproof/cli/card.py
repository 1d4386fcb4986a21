"""``noiseproof card``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def card(
    run: Annotated[Path, typer.Argument(help="Run folder of certify.", metavar="RUN")],
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write it there instead.")] = None,
) -> None:
    """One page on what a run promises and what it does not, as Markdown; the run is verified first."""
    from noiseproof.reports.card import card as write_card
    from noiseproof.store.manifest import write_text

    text = write_card(run)
    if out is None:
        typer.echo(text, nl=False)
    else:
        write_text(out, text)
        typer.echo(f"written: {out}")

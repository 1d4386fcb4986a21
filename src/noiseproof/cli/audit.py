"""``noiseproof audit``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from noiseproof.cli import options


def audit(
    files: Annotated[list[Path], typer.Argument(help="Published per-image files (TSV).", metavar="FILE...")],
    sigma: Annotated[
        float | None, typer.Option("--sigma", help="As stated; read from a name like sigma_0.25.tsv if left out.")
    ] = None,
    n: Annotated[int, typer.Option("--n", help="Draws an input, as stated.")] = 100_000,
    alpha: options.Alpha = 0.001,
    rows: Annotated[
        int | None, typer.Option("--rows", help="How many a file should have; inferred from its indices if left out.")
    ] = None,
    num_classes: Annotated[int, typer.Option("--num-classes", help="Of the data set.")] = 10,
    rounding: Annotated[
        str, typer.Option("--rounding", help="Of the radii: nearest, down (as export does), or auto.")
    ] = "auto",
    table: Annotated[
        bool, typer.Option("--table", help="Instead: certified accuracy by sigma and radius, the best sigma starred.")
    ] = False,
) -> None:
    """What published radii say of the alpha behind them, and what is wrong. Exits 1 if a file does not hold."""
    if table:
        from noiseproof.analysis.best_sigma import best_sigma_table

        typer.echo(best_sigma_table(files).markdown(), nl=False)
        return
    from noiseproof.analysis.audit import audit as audit_files
    from noiseproof.reports.audit import audit_text

    found = audit_files(files, sigma=sigma, n=n, alpha=alpha, rows=rows, num_classes=num_classes, rounding=rounding)
    typer.echo("\n\n".join(audit_text(one) for one in found))
    if not all(one.holds for one in found):
        raise typer.Exit(1)

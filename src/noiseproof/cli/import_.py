"""``noiseproof import``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from noiseproof.cli import options


def import_(
    source: Annotated[Path, typer.Argument(help="The file.", metavar="FILE")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Run folder.")],
    sigma: Annotated[
        float | None, typer.Option("--sigma", help="As stated; read from a name like sigma_0.25.tsv if left out.")
    ] = None,
    n: Annotated[int, typer.Option("--n", help="Draws an input, as stated.")] = 100_000,
    n0: Annotated[
        int | None, typer.Option("--n0", help="Selection draws, as stated (100 if left out); topk has none.")
    ] = None,
    alpha: options.Alpha = 0.001,
    format: Annotated[
        str, typer.Option("--format", help="tsv: printed radii. topk: class counts and the label, which certify.")
    ] = "tsv",
) -> None:
    """Another tool's result file as a run folder that says what is known of its numbers."""
    from noiseproof.store.exchange import import_run

    run = import_run(source, out=out, sigma=sigma, n=n, n0=n0, alpha=alpha, format=format)
    told = (
        "certified from their counts, every class at alpha/num_classes: noiseproof verify replays them"
        if run.manifest.has_counts
        else "radii as printed, not verified: noiseproof audit says what their rows allow to be said"
    )
    typer.echo(f"{out}: {len(run.records):,} inputs from {source}, {told}")

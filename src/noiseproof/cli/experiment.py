"""``noiseproof experiment``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from noiseproof.cli import options


def experiment(
    name: Annotated[
        str,
        typer.Argument(
            help="sigma, training-noise, n, alpha, guarantee, predict, bounds or tightness.", metavar="NAME"
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the tables and the figure.")],
    runs: Annotated[list[Path] | None, typer.Argument(help="Run folders.", metavar="RUN...")] = None,
    radii: Annotated[
        str | None, typer.Option("--radii", help="START:STOP:STEP (both ends in) or a,b,c, in --units.")
    ] = None,
    units: Annotated[int, typer.Option("--units", help="1: input units, pixels in [0, 1]; 255: 8-bit steps.")] = 1,
    config: options.Config = None,
) -> None:
    """A figure and tables of the paper from finished runs; nothing is drawn anew.

    \b
    sigma           runs of certify: varying sigma, the best of each radius marked
    training-noise  runs of certify: models trained differently, at one sigma
    n               a run of certify: what fewer draws would have said, exactly
    alpha           a run of certify: what other alphas would have said, exploratory
    guarantee       runs of certify: what holds with high probability
    predict         a run of predict: right, wrong, abstained for each n
    bounds          no run: radius against p_A, beside earlier certificates
    tightness       no run: the worst-case half-space, just within and just beyond R
    """  # noqa: D301 (\b keeps the list below from being wrapped)
    del config  # its settings have become defaults
    from noiseproof.reports.experiments import experiment as write_experiment

    written = write_experiment(name, runs or [], out=out, radii=radii, units=units)
    typer.echo(written.text)
    typer.echo("written: " + ", ".join(str(path) for path in written.files))

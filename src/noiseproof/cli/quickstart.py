"""``noiseproof quickstart``: the main job on real pictures, from nothing, in about a minute."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DATA = "fashion-mnist-small"
SIGMA = 0.25


def quickstart(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for everything.")] = Path("quickstart"),
    epochs: Annotated[int, typer.Option("--epochs", help="Of the training.")] = 12,
    inputs: Annotated[int, typer.Option("--inputs", help="Test pictures to certify.")] = 200,
    n: Annotated[int, typer.Option("--n", help="Draws a picture.")] = 2000,
) -> None:
    """Train, certify, verify and report on the Fashion-MNIST pictures that ship with noiseproof."""
    from noiseproof.cli.jobs import run_job
    from noiseproof.cli.train import training_bar
    from noiseproof.procedures import Certify

    procedure = Certify(n0=100, n=n, alpha=0.001)
    from noiseproof.reports.report import report
    from noiseproof.runners import job
    from noiseproof.store import verify
    from noiseproof.training import train

    model, run = out / "model", out / "run"
    _say(
        1,
        f"train --data {DATA} --arch lenet --sigma {SIGMA} --epochs {epochs} --batch-size 64 --step-size 10 "
        f"--out {model}",
    )
    with training_bar("train") as show:
        train(
            data=DATA,
            arch="lenet",
            sigma=SIGMA,
            epochs=epochs,
            batch_size=64,
            step_size=10,
            out=model,
            progress=show,
        )
    every = max(1, 1000 // inputs)
    _say(
        2,
        f"certify --model {model} --data {DATA}:test --sigma {SIGMA} --n0 100 --n {n} --alpha 0.001 "
        f"--every {every} --limit {inputs} --out {run}",
    )
    asked = job(procedure, model=str(model), data=f"{DATA}:test", sigma=SIGMA, every=every, limit=inputs)
    run_job(asked, run, "certify")
    _say(3, f"verify {run}")
    held = verify(run)
    typer.echo(f"   {held.records} certificates follow from their {held.draws:,} draws")
    _say(4, f"report {run} --radii 0:0.6:0.1 --out {out / 'report'}")
    written = report([run], radii="0:0.6:0.1", out=out / "report")
    typer.echo(f"\n{written.text}\n")
    typer.echo("written: " + ", ".join(str(path) for path in written.files))


def _say(step: int, command: str) -> None:
    typer.echo(f"{step}. noiseproof {command}")

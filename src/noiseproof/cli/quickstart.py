"""``noiseproof quickstart``: the main job on real pictures, from nothing, in about a minute; ImageNet in some more."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DATA = "fashion-mnist-small"
SIGMA = 0.25


def quickstart(
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Folder for everything.  [default: quickstart, quickstart-imagenet]"),
    ] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", help="Of the training.  [default: 12]")] = None,
    inputs: Annotated[
        int | None, typer.Option("--inputs", help="Test pictures to certify.  [default: 200, ImageNet 20]")
    ] = None,
    n: Annotated[int | None, typer.Option("--n", help="Draws a picture.  [default: 2000, ImageNet 1000]")] = None,
    imagenet: Annotated[
        bool,
        typer.Option(
            "--imagenet",
            help="Pretrained weights, pictures of 224 x 224, a denoiser (extra imagenet-demo), in minutes.",
        ),
    ] = False,
) -> None:
    """Train, certify, verify and report on the Fashion-MNIST pictures that ship with noiseproof; or on ImageNet's."""
    if imagenet:
        if epochs is not None:
            raise ValueError(f"--epochs is of the training, and --imagenet trains nothing, got {epochs}; leave one out")
        from noiseproof.cli.quickstart_imagenet import quickstart_imagenet

        quickstart_imagenet(
            out or Path("quickstart-imagenet"), 20 if inputs is None else inputs, 1000 if n is None else n
        )
        return
    _fashion_mnist(
        out or Path("quickstart"),
        12 if epochs is None else epochs,
        200 if inputs is None else inputs,
        2000 if n is None else n,
    )


def _fashion_mnist(out: Path, epochs: int, inputs: int, n: int) -> None:
    """Train, certify, verify and report."""
    from noiseproof.cli.jobs import run_job
    from noiseproof.cli.progress import ProgressBar
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
    with ProgressBar("train") as bar:
        train(
            data=DATA,
            arch="lenet",
            sigma=SIGMA,
            epochs=epochs,
            batch_size=64,
            step_size=10,
            out=model,
            progress=bar.show,
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

"""``noiseproof falsify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from noiseproof.cli import options


def falsify(
    run: Annotated[Path, typer.Argument(help="Run folder of certify or decide.", metavar="RUN")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Folder, by default RUN-falsify; resumes in it.")
    ] = None,
    at: Annotated[
        str, typer.Option("--at", help="Distances: multiples of each input's certified radius.")
    ] = "0.5,0.9,1,1.5,2",
    limit: Annotated[int | None, typer.Option("--limit", help="The first so many inputs of the run.")] = None,
    n: Annotated[int, typer.Option("--n", help="Draws of a judgement (PREDICT, on fresh noise).")] = 1000,
    alpha: Annotated[float, typer.Option("--alpha", help="Its failure probability.")] = 0.001,
    seed: Annotated[int, typer.Option("--seed", help="Of the attacks' noise; judgements take theirs from the OS.")] = 0,
    model: options.CertifiedModel = None,
    denoiser: options.Denoiser = None,
    root: options.Root = None,
    device: options.Device = "auto",
    batch_size: options.BatchSize = None,
    workers: options.Workers = None,
    config: options.Config = None,
) -> None:
    """Try to show that certificates are false, by all attacks there are. Exits 1 if one breaks within its radius."""
    del config  # its settings have become defaults
    multiples = options.numbers("at", at)

    from noiseproof.cli.progress import ProgressBar
    from noiseproof.runners.falsify import falsify as falsify_run

    with ProgressBar("falsify") as bar:
        found = falsify_run(
            run,
            out=out,
            at=multiples,
            limit=limit,
            n=n,
            alpha=alpha,
            seed=seed,
            model=options.behind(denoiser, model) or None,
            root=root,
            device=device,
            batch_size=batch_size,
            workers=workers,
            progress=bar.show,
        )
    typer.echo(found.text)
    typer.echo("written: " + ", ".join(str(path) for path in found.files))
    if found.contradiction:
        typer.echo(f"noiseproof: {found.contradiction}", err=True)
        raise typer.Exit(1)

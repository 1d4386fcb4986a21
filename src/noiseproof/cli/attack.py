"""``noiseproof attack``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from noiseproof.cli import options


def attack(
    run: Annotated[Path, typer.Argument(help="Run folder of certify or decide.", metavar="RUN")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder; the same line again resumes in it.")],
    at: Annotated[str, typer.Option("--at", help="Distances: multiples of each input's certified radius.")] = "1,1.5,2",
    limit: Annotated[int | None, typer.Option("--limit", help="The first so many certified inputs.")] = None,
    steps: Annotated[int, typer.Option("--steps", help="Gradient steps of the attack.")] = 20,
    draws: Annotated[int, typer.Option("--draws", help="Noisy copies each gradient is taken over.")] = 64,
    step: Annotated[
        float | None, typer.Option("--step", help="L2 length of a step; by default 2 distance / steps.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh/--kept", help="New noise in every step, or one kept.")] = False,
    clip: Annotated[bool, typer.Option("--clip/--no-clip", help="Stay in [0, 1], as pictures do.")] = True,
    n: Annotated[int, typer.Option("--n", help="Draws of a judgement (PREDICT, on fresh noise).")] = 1000,
    alpha: Annotated[float, typer.Option("--alpha", help="Its failure probability.")] = 0.001,
    seed: Annotated[int, typer.Option("--seed", help="Of the attack's noise; judgements take theirs from the OS.")] = 0,
    model: options.CertifiedModel = None,
    denoiser: options.Denoiser = None,
    root: options.Root = None,
    device: options.Device = "auto",
    batch_size: options.BatchSize = None,
    workers: options.Workers = None,
    config: options.Config = None,
) -> None:
    """Attack a run's certified inputs, at and beyond their radii. Exits 1 if one breaks within its radius."""
    del config  # its settings have become defaults
    multiples = options.numbers("at", at)

    from noiseproof.attacks import PGD
    from noiseproof.cli.progress import ProgressBar
    from noiseproof.runners.attack import attack as attack_run

    with ProgressBar("attack") as bar:
        found = attack_run(
            run,
            out=out,
            at=multiples,
            limit=limit,
            method=PGD(steps=steps, draws=draws, step=step, fresh=fresh, clip=clip),
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

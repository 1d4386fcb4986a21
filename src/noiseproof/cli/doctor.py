"""``noiseproof doctor``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from noiseproof.cli import options


def doctor(
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model", metavar="MODEL...", help="As of certify: `noiseproof models` lists all; several are averaged."
        ),
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", metavar="NAME[:SPLIT]", help="Data set; `noiseproof data list`.")
    ] = None,
    sigma: Annotated[
        float | None,
        typer.Option("--sigma", help="Of the noise to certify under.  [default: as trained, or 0.25]"),
    ] = None,
    num_classes: options.NumClasses = None,
    consensus: options.Consensus = None,
    denoiser: options.Denoiser = None,
    limit: Annotated[
        int | None, typer.Option("--limit", help="Pictures to measure accuracy on.  [default: 512, of large ones 64]")
    ] = None,
    seed: options.Seed = 0,
    root: options.Root = None,
    device: options.Device = "auto",
    noise: Annotated[bool, typer.Option("--noise", help="Test the noise instead; needs no model.")] = False,
    rng: options.Rng = "philox",
    grid: options.Grid = 255,
    draws: Annotated[int, typer.Option("--draws", help="Of --noise: draws of 3,072 numbers each.")] = 2_400,
    json: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the findings there too.")] = None,
    config: options.Config = None,
) -> None:
    """Check a base classifier before it is certified, or the noise: one line a check. Exits 1 if it is refused."""
    del config  # its settings have become defaults
    from json import dumps

    from noiseproof.runners.doctor import doctor as examine
    from noiseproof.runners.doctor import doctor_noise
    from noiseproof.store.manifest import write_text

    if noise:
        if model or data is not None:
            raise ValueError("--noise tests the noise alone; leave --model and --data out, or leave --noise out")
        found = doctor_noise(sigma=sigma, grid=grid or None, seed=seed, rng=rng, draws=draws)
    elif not model or data is None:
        raise ValueError("--model and --data must be given, or --noise to test the noise alone")
    else:
        found = examine(
            model=options.behind(denoiser, model, sigma=sigma),
            data=data,
            sigma=sigma,
            num_classes=num_classes,
            consensus=consensus,
            limit=limit,
            seed=seed,
            root=root,
            device=device,
        )
    typer.echo(found.text())
    if json is not None:
        write_text(json, dumps(found.table(), indent=2) + "\n")
        typer.echo(f"written: {json}")
    if found.verdict == "refuse":
        raise typer.Exit(1)

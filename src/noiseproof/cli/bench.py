"""``noiseproof bench``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from noiseproof.cli import options


def bench(
    model: options.Model,
    data: Annotated[
        str | None, typer.Option("--data", metavar="NAME[:SPLIT]", help="Data set; without it random pixels.")
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", help="For the measurement itself.")] = 30.0,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE.json", help="Also as JSON.")] = None,
    sigma: options.Sigma = 0.5,
    num_classes: options.NumClasses = None,
    consensus: options.Consensus = None,
    root: options.Root = None,
    device: options.Device = "auto",
    precision: options.Precision = "fp32",
    backend: options.Backend = "torch",
    batch_size: options.BatchSize = None,
    workers: options.Workers = None,
) -> None:
    """Measure draws a second: forward only, certify, and the textbook loop, interleaved in one run."""
    import json

    from noiseproof.reports.bench import bench_table, bench_values
    from noiseproof.runners.bench import bench as measure
    from noiseproof.store.manifest import write_text

    found = measure(
        model=model,
        data=data,
        seconds=seconds,
        sigma=sigma,
        num_classes=num_classes,
        consensus=consensus,
        root=root,
        device=device,
        precision=precision,
        backend=backend,
        batch_size=batch_size,
        workers=workers,
    )
    typer.echo(bench_table(found).markdown())
    if out is not None:
        write_text(out, json.dumps(bench_values(found), indent=2) + "\n")
        typer.echo(f"written: {out}", err=True)

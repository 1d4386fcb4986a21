"""``noiseproof predict``."""

from __future__ import annotations

from typing import Annotated

import typer

from noiseproof.cli import options


def predict(
    model: options.Model,
    data: options.Data,
    sigma: options.Sigma,
    out: options.Out,
    n: Annotated[int, typer.Option("--n", help="Draws.")] = 1000,
    alpha: options.Alpha = 0.001,
    grid: options.Grid = 255,
    seed: options.Seed = 0,
    every: options.Every = 1,
    start: options.Start = 0,
    limit: options.Limit = None,
    num_classes: options.NumClasses = None,
    model_id: options.ModelId = None,
    root: options.Root = None,
    device: options.Device = "auto",
    precision: options.Precision = "fp32",
    batch_size: options.BatchSize = None,
    workers: options.Workers = None,
    dry_run: options.DryRun = False,
    config: options.Config = None,
) -> None:
    """Predict inputs: the class of the smoothed classifier, or an abstention."""
    del config  # its settings have become defaults
    from noiseproof.procedures import Predict

    procedure = Predict(n=n, alpha=alpha)
    from noiseproof.cli.jobs import print_cost, print_void, run_job
    from noiseproof.runners import job

    asked = job(
        procedure,
        model=model,
        data=data,
        sigma=sigma,
        grid=grid or None,
        seed=seed,
        every=every,
        start=start,
        limit=limit,
        num_classes=num_classes,
        model_id=model_id,
        root=root,
        device=device,
        precision=precision,
        batch_size=batch_size,
        workers=workers,
    )
    if dry_run:
        print_cost(asked, out)
        return
    run = run_job(asked, out, "predict")
    print_void(run)

    from noiseproof.reports.report import summary_table

    typer.echo(summary_table(run))
    typer.echo(f"{out} holds {len(run.records)} predictions")

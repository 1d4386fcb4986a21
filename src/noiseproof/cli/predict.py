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
    procedure: Annotated[
        str, typer.Option("--procedure", help="predict; or sequential, which stops as early as it can.")
    ] = "predict",
    n: Annotated[int | None, typer.Option("--n", help="Draws.  [default: 1000]")] = None,
    n_max: options.NMaxOrNone = None,
    alpha: options.Alpha = 0.001,
    budget: options.Budget = None,
    grid: options.Grid = 255,
    seed: options.Seed = 0,
    rng: options.Rng = "philox",
    every: options.Every = 1,
    start: options.Start = 0,
    limit: options.Limit = None,
    skip_bad: options.SkipBad = False,
    num_classes: options.NumClasses = None,
    consensus: options.Consensus = None,
    denoiser: options.Denoiser = None,
    model_id: options.ModelId = None,
    root: options.Root = None,
    device: options.Device = "auto",
    precision: options.Precision = "fp32",
    backend: options.Backend = "torch",
    batch_size: options.BatchSize = None,
    workers: options.Workers = None,
    dry_run: options.DryRun = False,
    config: options.Config = None,
) -> None:
    """Predict inputs: the class of the smoothed classifier, or an abstention."""
    del config  # its settings have become defaults
    from noiseproof.procedures.choose import predict_procedure

    chosen = predict_procedure(procedure, n=n, n_max=n_max, alpha=alpha)
    from noiseproof.cli.jobs import print_cost, print_void, run_job
    from noiseproof.runners import job

    asked = job(
        chosen,
        model=options.behind(denoiser, model, sigma=sigma),
        data=data,
        sigma=sigma,
        grid=grid or None,
        seed=seed,
        rng=rng,
        every=every,
        start=start,
        limit=limit,
        skip_bad=skip_bad,
        num_classes=num_classes,
        consensus=consensus,
        model_id=model_id,
        root=root,
        device=device,
        precision=precision,
        backend=backend,
        batch_size=batch_size,
        workers=workers,
        budget=budget,
    )
    if dry_run:
        print_cost(asked, out)
        return
    run = run_job(asked, out, "predict")
    print_void(run)

    from noiseproof.reports.report import summary_table

    typer.echo(summary_table(run))
    typer.echo(f"{out} holds {len(run.records)} predictions")

"""``noiseproof decide``."""

from __future__ import annotations

from typing import Annotated

import typer

from noiseproof.cli import options


def decide(
    model: options.Model,
    data: options.Data,
    sigma: options.Sigma,
    radius: Annotated[float, typer.Option("--radius", metavar="R", help="L2 radius asked about, in input units.")],
    out: options.Out,
    test: Annotated[
        str, typer.Option("--test", help="group-sequential, or anytime: valid at any look, for more draws.")
    ] = "group-sequential",
    n_max: options.NMax = 100_000,
    alpha: options.Alpha = 0.001,
    label_aware: Annotated[
        bool, typer.Option("--label-aware/--every-class", help="Test the true class alone, for evaluation.")
    ] = False,
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
    """Decide whether inputs are certified at one radius, each with as few draws as it takes."""
    del config  # its settings have become defaults
    from noiseproof.procedures.choose import decide_procedure

    procedure = decide_procedure(test, radius=radius, n_max=n_max, alpha=alpha, label_aware=label_aware)
    from noiseproof.cli.jobs import print_cost, print_void, run_job
    from noiseproof.runners import job

    asked = job(
        procedure,
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
    run = run_job(asked, out, "decide")
    print_void(run)

    from noiseproof.reports.report import summary_table

    typer.echo(summary_table(run))
    typer.echo(f"{out} holds {len(run.records)} decisions; next: noiseproof verify {out}")

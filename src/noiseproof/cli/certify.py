"""``noiseproof certify``."""

from __future__ import annotations

from typing import Annotated

import typer

from noiseproof.cli import options


def certify(
    model: options.Model,
    data: options.Data,
    sigma: options.Sigma,
    out: options.Out,
    procedure: Annotated[
        str, typer.Option("--procedure", help="certify; or sequential, which stops as early as it can.")
    ] = "certify",
    n0: Annotated[int | None, typer.Option("--n0", help="Draws that select the class.  [default: 100]")] = None,
    n: Annotated[
        int | None, typer.Option("--n", help="Fresh draws that estimate its probability.  [default: 100000]")
    ] = None,
    n_max: options.NMaxOrNone = None,
    alpha: options.Alpha = 0.001,
    two_sided: Annotated[
        bool | None,
        typer.Option("--two-sided/--one-sided", help="Bound the runner-up by its own count.  [default: one-sided]"),
    ] = None,
    acr_loss: Annotated[
        float | None,
        typer.Option("--acr-loss", help="Of sequential: share of a radius that may be given up.  [default: 0.01]"),
    ] = None,
    radii: Annotated[
        str | None,
        typer.Option(
            "--radii", help="Of sequential: certify the largest of START:STOP:STEP (or a,b,c), for far fewer draws."
        ),
    ] = None,
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
    """Certify inputs: the class of the smoothed classifier and the L2 radius inside which it cannot change."""
    del config  # its settings have become defaults
    from noiseproof.procedures.choose import certify_procedure
    from noiseproof.reports.grid import parse_radii

    chosen = certify_procedure(
        procedure,
        n0=n0,
        n=n,
        n_max=n_max,
        alpha=alpha,
        two_sided=two_sided,
        acr_loss=acr_loss,
        radii=None if radii is None else parse_radii(radii),
    )
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
    run = run_job(asked, out, "certify")
    print_void(run)

    from noiseproof.reports.report import summary_table

    typer.echo(summary_table(run))
    typer.echo(f"{out} holds {len(run.records)} certified inputs; next: noiseproof report {out} --out report")

"""``noiseproof plan``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from noiseproof.cli import options


def plan(
    sigma: Annotated[
        float | None, typer.Option("--sigma", help="Standard deviation of the noise, in [0, 1] pixel units.")
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="MODEL...",
            help="As of certify: `noiseproof models` lists all; several are averaged. Without one: what n buys.",
        ),
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", metavar="NAME[:SPLIT]", help="Data set, or folder:PATH; with --model.")
    ] = None,
    radius: Annotated[
        float | None, typer.Option("--radius", metavar="R", help="Target: is this L2 radius certified?")
    ] = None,
    radii: Annotated[
        str | None, typer.Option("--radii", help="Target: the largest of START:STOP:STEP (or a,b,c).")
    ] = None,
    acr: Annotated[bool, typer.Option("--acr", help="Target: every input's full radius.  [default]")] = False,
    n: Annotated[
        int | None,
        typer.Option("--n", help="Draws of an input at most.  [default: 100000, more where the radius needs it]"),
    ] = None,
    alpha: options.Alpha = 0.001,
    pilot: Annotated[int, typer.Option("--pilot", metavar="K", help="Inputs that are tried.")] = 20,
    pilot_draws: Annotated[
        int | None, typer.Option("--pilot-draws", help="Draws of each of them.  [default: 200, or up to 1000]")
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", help="Time the draws for so long at least.")] = 3.0,
    within: Annotated[
        str | None, typer.Option("--within", metavar="TIME", help="Say how many devices finish in 90s, 30m, 2h, 1.5d.")
    ] = None,
    devices: Annotated[int, typer.Option("--devices", metavar="K", help="Devices that share the inputs.")] = 1,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE.json", help="Keep the plan.")] = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option("--compare", metavar="FILE.json RUN", help="Hold a kept plan against the run that followed."),
    ] = None,
    grid: options.Grid = 255,
    seed: options.Seed = 0,
    rng: options.Rng = "philox",
    every: options.Every = 1,
    start: options.Start = 0,
    limit: options.Limit = None,
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
    config: options.Config = None,
) -> None:
    """Say what n buys which radius, and what a run will cost here, before it is made; compare it afterwards."""
    del config  # its settings have become defaults
    if compare is not None:
        _compare(*compare, alone=sigma is None and not model and data is None)
        return
    if sigma is None:
        raise ValueError("--sigma must be given (or --compare FILE.json RUN)")
    if bool(model) != (data is not None):
        raise ValueError("--model and --data must be given together; without both, plan says what n buys")
    if devices < 1:
        raise ValueError(f"devices must be >= 1, got {devices}")
    if pilot < 1:
        raise ValueError(f"pilot must be >= 1, got {pilot}")
    time_left = None if within is None else _seconds(within)

    from noiseproof.analysis.plan import Target, draws_for
    from noiseproof.noises import Gaussian
    from noiseproof.reports.grid import parse_radii
    from noiseproof.reports.plan import plan_text, radii_text

    target = Target.of(radius, None if radii is None else parse_radii(radii), acr=acr)
    noise = Gaussian(sigma=sigma, grid=grid or None)
    draws_for(target, noise, alpha, n)  # refuses before anything is printed
    typer.echo(radii_text(noise, alpha=alpha, radii=target.radii))
    if not model or data is None:
        if out is not None:
            raise ValueError("--out keeps what a run will cost; give --model and --data too")
        typer.echo("next: give --model and --data (and a target) to see what it will cost")
        return

    from noiseproof.cli.progress import ProgressBar
    from noiseproof.runners.plan import plan as make
    from noiseproof.store.manifest import write_text

    with ProgressBar("plan") as bar:
        made = make(
            model=options.behind(denoiser, model, sigma=sigma),
            data=data,
            sigma=sigma,
            radius=radius,
            radii=target.radii if target.kind == "radii" else None,
            acr=acr,
            n=n,
            alpha=alpha,
            pilot=pilot,
            pilot_draws=pilot_draws,
            seconds=seconds,
            grid=grid or None,
            seed=seed,
            rng=rng,
            every=every,
            start=start,
            limit=limit,
            num_classes=num_classes,
            consensus=consensus,
            model_id=model_id,
            root=root,
            device=device,
            precision=precision,
            backend=backend,
            batch_size=batch_size,
            workers=workers,
            progress=bar.show,
        )
    if out is not None:
        write_text(out, made.text())
    typer.echo("\n" + plan_text(made, devices=devices, within=time_left))
    if out is not None:
        typer.echo(f"written: {out}; after the run: noiseproof plan --compare {out} RUN")


def _compare(stored: Path, run: Path, *, alone: bool) -> None:
    if not alone:
        raise ValueError("--compare takes a kept plan and a run folder; leave --sigma, --model and --data out")
    from noiseproof.analysis.plan import read_plan
    from noiseproof.analysis.plan_outcome import plan_outcome
    from noiseproof.reports.plan import outcome_text
    from noiseproof.store.run import read_run

    made = read_plan(stored)
    typer.echo(outcome_text(made, plan_outcome(made, read_run(run))))


def _seconds(text: str) -> float:
    """A time such as 90s, 30m, 2h or 1.5d, in seconds."""
    units = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
    number = text.strip().rstrip("smindh")
    unit = text.strip()[len(number) :]
    try:
        found = float(number) * units[unit]
    except (ValueError, KeyError):
        raise ValueError(f"within must be a time such as 90s, 30m, 2h or 1.5d, got {text!r}") from None
    if not 0 < found < float("inf"):
        raise ValueError(f"within must be > 0, got {text!r}")
    return found

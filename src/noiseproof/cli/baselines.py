"""``noiseproof baselines``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from noiseproof.cli import options
from noiseproof.cli.progress import ProgressBar

if TYPE_CHECKING:
    from noiseproof.baselines import Method

app = typer.Typer(
    help="Smoothing beside other certificates in L2.", no_args_is_help=True, rich_markup_mode=None, add_completion=False
)

_Method = Annotated[str, typer.Argument(help="wong (Wong et al. 2018) or lipschitz (deel-torchlip).", metavar="METHOD")]


@app.command("train")
def train(
    method: _Method,
    data: options.Data,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder; the same line again resumes in it.")],
    eps: Annotated[float, typer.Option("--eps", help="Of wong: L2 radius of the robust loss, in input units.")] = 0.25,
    projections: Annotated[
        int, typer.Option("--projections", help="Of wong: random directions a bound is estimated from in training.")
    ] = 10,
    tau: Annotated[
        float, typer.Option("--tau", help="Of lipschitz: factor of the scores; small for large radii.")
    ] = 10.0,
    steps: Annotated[int, typer.Option("--steps", help="Batches to learn from.")] = 1000,
    batch_size: Annotated[int, typer.Option("--batch-size", help="Pictures a step.")] = 50,
    lr: Annotated[float, typer.Option("--lr", help="Initial learning rate of Adam.")] = 1e-3,
    seed: options.Seed = 0,
    root: options.Root = None,
    config: options.Config = None,
) -> None:
    """Train a network for another certificate, on the CPU."""
    del config  # its settings have become defaults
    from noiseproof.baselines import train as train_baseline

    with ProgressBar(f"train {method}") as bar:
        weights = train_baseline(
            _method(method, eps=eps, projections=projections, tau=tau),
            data=data,
            out=out,
            steps=steps,
            batch_size=batch_size,
            lr=lr,
            seed=seed,
            root=root,
            progress=bar.show,
        )
    typer.echo(f"{weights.parent} holds the network; next: noiseproof baselines certify {method} --model {out} ...")


@app.command("certify")
def certify(
    method: _Method,
    model: Annotated[str, typer.Option("--model", help="Folder of train, of plain layers.", metavar="MODEL")],
    data: options.Data,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder; the same line again resumes in it.")],
    every: options.Every = 1,
    start: options.Start = 0,
    limit: options.Limit = None,
    at: Annotated[str, typer.Option("--at", help="Distances of the attack, in units of each input's radius.")] = "1,2",
    root: options.Root = None,
    config: options.Config = None,
) -> None:
    """Class and certified radius of each input, and PGD within it. Exits 1 if it changes a class there."""
    del config  # its settings have become defaults
    multiples = options.numbers("at", at)

    from noiseproof.baselines import certify as certify_baseline

    with ProgressBar(f"certify {method}") as bar:
        found = certify_baseline(
            _method(method),
            model=model,
            data=data,
            out=out,
            every=every,
            start=start,
            limit=limit,
            at=multiples,
            root=root,
            progress=bar.show,
        )
    from noiseproof.reports.baselines import broken_within, one_line

    typer.echo(one_line(found))
    wrong = broken_within(found)
    if wrong:
        typer.echo(f"noiseproof: the certificate is contradicted at inputs {', '.join(map(str, wrong))}", err=True)
        raise typer.Exit(1)


@app.command("report")
def report(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the table and the figure.")],
    smoothed: Annotated[
        list[Path], typer.Option("--smoothed", metavar="RUN", help="Run folder of certify; again for another.")
    ],
    other: Annotated[
        list[Path] | None,
        typer.Option("--other", metavar="DIR", help="Folder of baselines certify; again for another."),
    ] = None,
    attacked: Annotated[
        list[Path] | None,
        typer.Option("--attacked", metavar="DIR", help="Folder of noiseproof attack on one of the runs; again."),
    ] = None,
    earlier: Annotated[
        bool, typer.Option("--earlier/--no-earlier", help="Earlier bounds from the counts of the first run, too.")
    ] = True,
    radii: Annotated[
        str, typer.Option("--radii", help="START:STOP:STEP (both ends in) or a,b,c, in input units (L2).")
    ] = "0:1.5:0.25",
    config: options.Config = None,
) -> None:
    """Certified accuracy of all methods on their common inputs: one figure, one table, the cost of an input."""
    del config  # its settings have become defaults
    from noiseproof.reports.baselines import baselines_report

    written = baselines_report(smoothed, other or [], attacked=attacked or [], earlier=earlier, out=out, radii=radii)
    typer.echo(written.text)
    typer.echo("written: " + ", ".join(str(path) for path in written.files))


def _method(name: str, *, eps: float = 0.25, projections: int = 10, tau: float = 10.0) -> Method:
    from noiseproof.baselines import METHODS, Lipschitz, Wong
    from noiseproof.errors import unknown

    if name not in METHODS:
        raise ValueError(unknown("method", name, METHODS))
    return Wong(eps=eps, projections=projections) if name == Wong.name else Lipschitz(tau=tau)

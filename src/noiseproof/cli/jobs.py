"""What certify and predict share: run a job with a bar, or say what it will cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from noiseproof.cli.progress import ProgressBar, duration

if TYPE_CHECKING:
    from noiseproof.progress import Progress
    from noiseproof.runners import Job
    from noiseproof.store import Run


def run_job(job: Job, out: Path, title: str) -> Run:
    """Run a job with a progress bar."""
    cost = _cost(job)
    with ProgressBar(title) as bar:

        def show(progress: Progress) -> None:
            while cost:  # said once, when it is sure that the run goes on
                typer.echo(f"noiseproof: {cost.pop()}", err=True)
            bar.show(progress)

        return job.run(out, show)


def print_cost(job: Job, out: Path) -> None:
    """Say what is left of a job and how long it will take."""
    cost = job.cost(out)
    typer.echo(f"{cost.inputs:,} of {cost.inputs_total:,} inputs to do, {cost.draws:,} draws at most")
    typer.echo(f"{cost.draws_per_second:,.0f} draws/s on this machine now: about {duration(cost.seconds)}")
    for line in _cost(job):
        typer.echo(line)


def print_void(run: Run) -> None:
    """Warn where scores were not numbers."""
    void = sum(record.void for record in run.records)
    if void:
        draws = sum(record.draws for record in run.records)
        typer.echo(
            f"noiseproof: warning: {void:,} of {draws:,} draws were void (NaN or infinite scores); "
            "they count against the top class; look at the base classifier",
            err=True,
        )


def _cost(job: Job) -> list[str]:
    """What a draw takes, where it is more than one forward pass."""
    from noiseproof.models.ensemble import passes

    said = passes(job.model)
    return [f"{job.model.architecture}: a draw takes {said}"] if said else []

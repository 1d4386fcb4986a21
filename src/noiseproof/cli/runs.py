"""``noiseproof certify``, ``decide`` and ``predict``: one job, three questions."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from noiseproof.asked import Asked
from noiseproof.asked.options import line
from noiseproof.cli.records import AskedBefore, Before, Out, asked_for
from noiseproof.cli.signals import EndedBySignalError, ended_by_signals
from noiseproof.progress import ProgressBar, duration

if TYPE_CHECKING:
    from noiseproof.runners.job import Job
    from noiseproof.store import Run
    from noiseproof.store.signing import Signer

_OTHERS = "Another one's flags: add --help behind its name."


def certify(asked: Annotated[Asked, asked_for("certify", _OTHERS)], before: AskedBefore, *, out: Out) -> None:
    """Certify inputs: the class of the smoothed classifier and the radius inside which it cannot change."""
    following = line("report", {"out": "report"}, out)
    with ended_by_signals():
        run_asked(asked, out, before, then=f"certified inputs; next: {following}")


def decide(asked: Annotated[Asked, asked_for("decide", _OTHERS)], before: AskedBefore, *, out: Out) -> None:
    """Decide whether inputs are certified at one radius, each with as few draws as it takes."""
    with ended_by_signals():
        run_asked(asked, out, before, then=f"decisions; next: {line('verify', {}, out)}")


def predict(asked: Annotated[Asked, asked_for("predict", _OTHERS)], before: AskedBefore, *, out: Out) -> None:
    """Predict inputs: the class of the smoothed classifier, or an abstention."""
    with ended_by_signals():
        run_asked(asked, out, before, then="predictions")


def run_asked(asked: Asked, out: Path, before: Before, *, then: str) -> None:
    """Run what is asked and say what came of it; or only what it will cost, or will be."""
    from getpass import getpass

    from noiseproof.runners.resolve import resolve
    from noiseproof.store.signing import signer

    signed_by = None if before.sign is None else signer(before.sign, getpass)
    job = resolve(asked)
    if before.dry_run:
        _print_cost(job, out)
        return
    if before.commit is not None:
        made = job.commit(out, before.commit)
        inputs = f"{len(made.selection.indices):,} inputs"
        print(f"{before.commit} commits to {made.kind} of {inputs} in {out}; nothing is drawn yet")
        print(f"publish it, or its SHA-256 {made.sha256}, then give the same line without --commit")
        return
    run = run_job(job, out, signed_by)
    void = sum(record.void for record in run.records)
    if void:
        print(
            f"noiseproof: warning: {void:,} of {sum(record.draws for record in run.records):,} draws were void (NaN or "
            "infinite scores); they count against the top class; look at the base classifier",
            file=sys.stderr,
        )
    if not run.state.sealed:
        print("noiseproof: stopped before its end; the same line goes on from here", file=sys.stderr)
    from noiseproof.reports.summaries import summary_table

    print(summary_table(run))
    print(f"{out} holds {len(run.records)} {then}")


def run_job(job: Job, out: Path, signer: Signer | None = None) -> Run:
    """Run a job with a progress bar; where a signal ends it, that says how far it is."""
    for said in _takes(job):
        print(f"noiseproof: {said}", file=sys.stderr)
    with ProgressBar(job.asked.procedure.verb) as bar:
        try:
            return job.run(out, bar.show, signer=signer)
        except EndedBySignalError as ended:
            far = "" if bar.told is None else f": {int(bar.told.done):,} of {bar.told.total:,.0f} inputs are finished"
            raise EndedBySignalError(f"{ended}{far}") from None


def _print_cost(job: Job, out: Path) -> None:
    cost = job.cost(out)
    print(f"{cost.inputs:,} of {cost.inputs_total:,} inputs to do, {cost.draws:,} draws at most")
    print(f"{cost.draws_per_second:,.0f} draws/s on this machine now: about {duration(cost.seconds)}")
    for said in _takes(job):
        print(said)


def _takes(job: Job) -> list[str]:
    """What a draw takes, where it is more than one forward pass."""
    from noiseproof.models.ensemble import passes

    said = passes(job.model)
    return [f"{job.model.architecture}: a draw takes {said}"] if said else []

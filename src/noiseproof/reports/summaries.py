"""What a run says, in numbers and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from noiseproof.analysis import Summary, decision_table, prediction_table, summarize
from noiseproof.errors import RunError
from noiseproof.procedures.radii import parse_radii
from noiseproof.reports.tables import Table, accuracy_table, norm_name
from noiseproof.store.manifest import KIND_IMPORT, import_note, noise_note
from noiseproof.store.run import Run
from noiseproof.store.whole import wholeness
from noiseproof.types import Record

DEFAULT_RADII = "0:1.5:0.25"


def summary_table(run: Run) -> str:
    """What one run says, for a terminal: certified accuracy, or for a PREDICT run right, wrong and abstained."""
    return run_table(run).screen()


def run_table(run: Run, radii: Sequence[float] | None = None) -> Table:
    """The same as a table.

    Args:
        run: of certify, import, predict or decide.
        radii: where certified accuracy is evaluated, in input units.
    """
    if run.manifest.kind == "predict":
        shares = prediction_table(run.records)
        table = Table(
            header=("run", "inputs", "right", "wrong", "abstained"),
            rows=(
                (run.path.name, str(shares.m), f"{shares.right:.1%}", f"{shares.wrong:.1%}", f"{shares.abstained:.1%}"),
            ),
            caption=(f"PREDICT, {_draws(run)}, alpha = {run.procedure.alpha:g}.",),
        )
        return with_gaps(table, [run])
    if run.manifest.kind == "decide":
        return with_gaps(_decisions(run), [run])
    return with_gaps(accuracy_table([run_summary(run, radii or parse_radii(DEFAULT_RADII))]), [run])


def with_gaps(table: Table, runs: Sequence[Run]) -> Table:
    """The table, and below it which runs are not whole, and whose noise may have been chosen."""
    said = list(table.caption)
    for run in runs:
        if run.manifest.kind != KIND_IMPORT:
            noise = noise_note(run.manifest)
            texts = (wholeness(run.state).text, f"noise {noise}" if noise else "")
            said += [f"{run.path.name}: {text}." for text in texts if text]
    return replace(table, caption=tuple(said))


def _decisions(run: Run) -> Table:
    said = decision_table(run.records, alpha=run.procedure.alpha)
    return Table(
        header=("run", "inputs", "certified", "wrong class", "not certified", "undecided", "mean draws", "most"),
        rows=(
            (
                run.path.name,
                str(said.m),
                f"{said.certified:.1%}",
                f"{said.wrong:.1%}",
                f"{said.not_certified:.1%}",
                f"{said.undecided:.1%}",
                f"{said.mean_draws:,.0f}",
                f"{said.most_draws:,}",
            ),
        ),
        caption=(
            f"DECIDE: {norm_name(said.norm)} radius {said.radius:g}, {_draws(run)}, alpha = {run.procedure.alpha:g}.",
            f"certified: with the right class. Of these inputs at least {said.fixed_set_lower:.1%} are right and "
            f"robust at this radius, of their population at least {said.population_lower:.1%}; each with probability "
            f"{1 - said.rho:.10g}.",
            "not certified: more draws would hardly certify it, which is no proof of the contrary; undecided: the "
            "draws were spent" + ("." if shared_draws(run) is None else ", its own or those of all inputs together."),
        ),
    )


def _draws(run: Run) -> str:
    settings = run.manifest.meaning["procedure"]
    together = shared_draws(run)
    all_together = "" if together is None else f" and {together:,} for all inputs together"
    return f"n = {settings['n']}" if "n" in settings else f"at most {settings['n_max']} draws an input{all_together}"


def run_summary(
    run: Run,
    radii: Sequence[float],
    *,
    name: str = "",
    records: Sequence[Record] | None = None,
    alpha: float | None = None,
) -> Summary:
    """Everything the finished inputs of a run of certify say.

    Args:
        run: a run of certify.
        radii: where to evaluate the curve, in input units.
        name: what tables and figures call it; the folder's name where empty.
        records: derived from the run's, where they are not to be taken as they are.
        alpha: that those were made with, where it is not the run's own.

    Raises:
        RunError: another kind of run, or one without a finished input.
        ValueError: a label is missing, or radii are out of range.
    """
    if run.manifest.kind not in ("certify", KIND_IMPORT):
        raise RunError(f"{run.path} is a run of {run.manifest.kind}, which has no radii; give runs of certify")
    records = run.records if records is None else records
    if not records:
        raise RunError(f"{run.path} has no finished input yet; run its certify line again")
    sigma = run.manifest.meaning["noise"].get("sigma")
    summary = summarize(
        records,
        alpha=run.procedure.alpha if alpha is None else alpha,
        radii=radii,
        sigma=sigma,
        two_sided=run.procedure.config().get("two_sided", False),
        name=name or run.path.name,
        note=import_note(run.manifest),
    )
    return replace(
        summary,
        arithmetic=run.manifest.meaning.get("arithmetic", ""),
        shared_draws=shared_draws(run),
        unfinished=wholeness(run.state).unfinished,
    )


def shared_draws(run: Run) -> int | None:
    """The budget of a run: draws for all its inputs together; None where each had its own."""
    budget = run.manifest.meaning.get("budget")
    return None if budget is None else int(budget["draws"])

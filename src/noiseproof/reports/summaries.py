"""What a run says, in numbers and as a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf

from noiseproof.analysis import Summary, ceiling_of, decision_table, prediction_table, summarize
from noiseproof.arguments import real
from noiseproof.errors import RunError
from noiseproof.reports.tables import Table, accuracy_table, norm_name, percent_down
from noiseproof.reports.units import INPUT_UNITS, Units
from noiseproof.store.manifest import KIND_IMPORT, import_note, noise_note
from noiseproof.store.run import Run
from noiseproof.store.whole import wholeness
from noiseproof.types import Certificate, Record

DEFAULT_RADII = INPUT_UNITS.default_radii

_WITH_RADII = ("certify", KIND_IMPORT)


def radii_of(
    runs: Sequence[Run], radii: str | float | Sequence[float] | None, units: Units = INPUT_UNITS
) -> tuple[float, ...]:
    """Where tables evaluate curves, in input units: what was asked for, or steps as far as the runs' draws can certify.

    Args:
        runs: of certify or import; another kind has no say.
        radii: "start:stop:step" with both ends in, "a,b,c" in ``units``, or numbers in input units.
        units: of a text.

    Raises:
        ValueError: radii cannot be read, or are none.
    """
    if radii is None:
        steps = units.parse(units.default_radii)
        ends = [_end(run) for run in runs if run.manifest.kind in _WITH_RADII and run.records]
        return tuple(radius for radius in steps if radius <= max(ends, default=inf))
    numbers = (radii,) if isinstance(radii, int | float) else radii
    grid = units.parse(numbers) if isinstance(numbers, str) else tuple(real("radii", each) for each in numbers)
    if not grid:
        raise ValueError("radii must not be empty: name at least one")
    return grid


def _end(run: Run) -> float:
    """How far the curve of a run can go."""
    sigma, two_sided = run.manifest.meaning["noise"].get("sigma"), run.procedure.config().get("two_sided", False)
    ceiling = ceiling_of(run.records, alpha=run.procedure.alpha, sigma=sigma, two_sided=two_sided)
    largest = max(each.outcome.radius for each in run.records if isinstance(each.outcome, Certificate))
    return inf if ceiling is None else max(ceiling, largest)


def summary_table(run: Run) -> str:
    """What one run says, for a terminal: certified accuracy, or the answers of PREDICT or DECIDE."""
    return run_table(run).screen()


def run_table(run: Run, radii: Sequence[float] | None = None) -> Table:
    """The same as a table.

    Args:
        run: of certify, import, predict or decide.
        radii: where certified accuracy is evaluated, in input units.
    """
    tables = {"predict": predictions_table, "decide": decisions_table}
    if run.manifest.kind in tables:
        return with_gaps(tables[run.manifest.kind]([run]), [run])
    return with_gaps(accuracy_table([run_summary(run, radii_of([run], radii))]), [run])


def predictions_table(runs: Sequence[Run]) -> Table:
    """One row a run of PREDICT: shares of right, wrong and abstained answers."""
    found = [prediction_table(_some(run)) for run in runs]
    return Table(
        header=("run", "inputs", "right", "wrong", "abstained"),
        rows=tuple(
            (run.name, f"{said.m}", *(f"{share:.1%}" for share in (said.right, said.wrong, said.abstained)))
            for run, said in zip(runs, found, strict=True)
        ),
        caption=_each(runs, lambda run: f"PREDICT, {_draws(run)}, alpha = {run.procedure.alpha:g}."),
    )


def with_gaps(table: Table, runs: Sequence[Run]) -> Table:
    """The table, and below it which runs are not whole, and whose noise may have been chosen."""
    said = list(table.caption)
    for run in runs:
        if run.manifest.kind != KIND_IMPORT:
            noise = noise_note(run.manifest)
            texts = (wholeness(run.state).text, f"noise {noise}" if noise else "")
            said += [f"{run.name}: {text}." for text in texts if text]
    return replace(table, caption=tuple(said))


def decisions_table(runs: Sequence[Run]) -> Table:
    """One row a run of DECIDE: what was answered, for how many draws, and what is guaranteed of it."""
    found = [decision_table(_some(run), alpha=run.procedure.alpha) for run in runs]
    together = any(shared_draws(run) is not None for run in runs)
    return Table(
        header=("run", "inputs", "certified", "wrong class", "not certified", "undecided", "mean draws", "most"),
        rows=tuple(
            (
                *(run.name, f"{said.m}"),
                *(f"{share:.1%}" for share in (said.certified, said.wrong, said.not_certified, said.undecided)),
                *(f"{said.mean_draws:,.0f}", f"{said.most_draws:,}"),
            )
            for run, said in zip(runs, found, strict=True)
        ),
        caption=(
            *_each(runs, _asked),
            *_each(runs, _guaranteed),
            "not certified: more draws would hardly certify it, which is no proof of the contrary; undecided: the "
            "draws were spent" + (", its own or those of all inputs together." if together else "."),
        ),
    )


def _asked(run: Run) -> str:
    said = run.procedure.config()
    radius, alpha = float(said["radius"]), run.procedure.alpha
    units = f" ({Units(unit=run.manifest.unit).name})" if run.manifest.unit else ""
    return f"DECIDE: {norm_name(run.norm)} radius {radius:g}{units}, {_draws(run)}, alpha = {alpha:g}."


def _guaranteed(run: Run) -> str:
    said = decision_table(run.records, alpha=run.procedure.alpha)
    these, population = percent_down(said.fixed_set_lower), percent_down(said.population_lower)
    return (
        f"certified: with the right class. Of these inputs at least {these}% are right and robust at this radius, of "
        f"their population at least {population}%; each with probability {1 - said.rho:.10g}."
    )


def _each(runs: Sequence[Run], say: Callable[[Run], str]) -> tuple[str, ...]:
    """Once where it is the same of all."""
    said = [say(run) for run in runs]
    return (
        (said[0],) if len({*said}) == 1 else tuple(f"{run.name}: {text}" for run, text in zip(runs, said, strict=True))
    )


def _some(run: Run) -> Sequence[Record]:
    if not run.records:
        raise RunError(f"{run.path} has no finished input yet; run its {run.manifest.kind} line again")
    return run.records


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
    if run.manifest.kind not in _WITH_RADII:
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
        name=name or run.name,
        note=import_note(run.manifest),
    )
    return replace(
        summary,
        norm=run.norm,
        unit=run.manifest.unit,
        arithmetic=run.manifest.meaning.get("arithmetic", ""),
        shared_draws=shared_draws(run),
        unfinished=wholeness(run.state).unfinished,
    )


def shared_draws(run: Run) -> int | None:
    """The budget of a run: draws for all its inputs together; None where each had its own."""
    budget = run.manifest.meaning.get("budget")
    return None if budget is None else int(budget["draws"])

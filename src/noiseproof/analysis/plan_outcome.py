"""A plan held against the run that followed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from noiseproof.analysis.certified import average_certified_radius, certified_accuracy
from noiseproof.analysis.decided import decision_table
from noiseproof.analysis.pilot import Estimate
from noiseproof.errors import RunError
from noiseproof.store.manifest import differences

if TYPE_CHECKING:
    from noiseproof.analysis.plan import Plan, Planned
    from noiseproof.store import Run

SAME_RATE = 1.25
"""Draws a second that differ by a smaller factor are what another moment on the same device gives."""


@dataclass(frozen=True)
class Compared:
    """One number as planned and as it came.

    Attributes:
        what: its name.
        planned: with its spread; a single number where it has none.
        actual: what the run says.
        unit: "count", "share", "seconds" or "radius": how to print it.
        held: whether the outcome lies within the spread (for a rate: within a factor).
    """

    what: str
    planned: Estimate
    actual: float
    unit: str
    held: bool


@dataclass(frozen=True)
class PlanOutcome:
    """What was planned beside what came.

    Attributes:
        planned: the procedure of the plan that the run used.
        inputs: that the run has finished; planned totals are for so many.
        rows: number by number.
        deviations: a sentence each: what was not as planned.
    """

    planned: Planned
    inputs: int
    rows: tuple[Compared, ...]
    deviations: tuple[str, ...]


def plan_outcome(plan: Plan, run: Run) -> PlanOutcome:
    """Hold a plan against a run of one of its procedures.

    Args:
        plan: as stored.
        run: of certify or decide, with labels.

    Raises:
        RunError: the run has nothing finished, or is not of a procedure of the plan with the same target.
    """
    records = run.records
    if not records:
        raise RunError(f"{run.path} has no finished input; run it, and compare then")
    if run.procedure.alpha != plan.alpha:
        raise RunError(f"{run.path} was run with alpha {run.procedure.alpha:g}, the plan is about {plan.alpha:g}")
    planned = _planned(plan, run)
    inputs, forecast = len(records), planned.forecast
    drawn = sum(record.draws for record in records)
    seconds = sum(record.seconds for record in records)
    each, total = forecast.draws, _times(forecast.draws, inputs)
    wall = _times(total, 1 / plan.draws_per_second)
    rows = [
        _row("draws an input", each, drawn / inputs, "count"),
        _row("draws", total, drawn, "count"),
        _row("seconds", wall, seconds, "seconds"),
    ]
    if seconds > 0:
        rate, found = plan.draws_per_second, drawn / seconds
        held = 1 / SAME_RATE <= found / rate <= SAME_RATE
        rows.insert(2, Compared("draws a second", Estimate(rate, rate, rate), found, "count", held))
    shares: list[float] = []
    acr = None
    if run.manifest.kind == "decide":
        shares = [decision_table(records, alpha=plan.alpha).certified]
    else:
        shares = [float(share) for share in certified_accuracy(records, np.array(plan.target.radii))]
        acr = average_certified_radius(records)
    for radius, share, actual in zip(plan.target.radii, forecast.certified, shares, strict=True):
        rows.append(_row(f"certified and right at r = {radius:g}", share, actual, "share"))
    if acr is not None and forecast.acr is not None and plan.target.kind == "acr":
        rows.append(_row("ACR", forecast.acr, acr, "radius"))
    return PlanOutcome(planned, inputs, tuple(rows), (*_other_meaning(plan, run, planned), *_of_inputs(plan, inputs)))


def _planned(plan: Plan, run: Run) -> Planned:
    config = run.procedure.config()
    named = [each for each in plan.planned if each.procedure["name"] == config["name"]]
    if not named:
        known = ", ".join(str(each.procedure["name"]) for each in plan.planned)
        raise RunError(f"{run.path} is a run of {config['name']}, the plan has {known}; make a plan for its target")
    for asked in ("radius", "radii"):
        if named[0].procedure.get(asked) != config.get(asked):
            raise RunError(
                f"{run.path} asks about {asked} {config.get(asked)}, the plan about "
                f"{named[0].procedure.get(asked)}; make a plan for that"
            )
    return named[0]


def _other_meaning(plan: Plan, run: Run, planned: Planned) -> list[str]:
    found = {name: run.manifest.meaning.get(name) for name in plan.meaning}
    differing = differences(
        {**found, "procedure": run.procedure.config()}, {**plan.meaning, "procedure": planned.procedure}
    )
    lines = [f"the run is another than planned: {each} as in the plan" for each in differing]
    before = plan.device.get("device")
    lines += [
        f"drawn on another device: planned on {before}, run on {name}"
        for name in dict.fromkeys(session.get("device") for session in run.state.sessions)
        if name != before
    ]
    if run.manifest.meaning.get("budget"):
        lines.append(f"the run had a budget of {run.manifest.meaning['budget']['draws']:,} draws, the plan none")
    return lines


def _of_inputs(plan: Plan, inputs: int) -> list[str]:
    if inputs == plan.inputs:
        return []
    return [f"the run has {inputs:,} finished inputs, the plan {plan.inputs:,}; planned totals are for {inputs:,}"]


def _row(what: str, planned: Estimate, actual: float, unit: str) -> Compared:
    # a spread of no width is that of an exact number, printed and stored in full
    slack = 1e-9 * max(abs(planned.mean), 1.0)
    return Compared(what, planned, actual, unit, planned.low - slack <= actual <= planned.high + slack)


def _times(estimate: Estimate, factor: float) -> Estimate:
    return Estimate(estimate.mean * factor, estimate.low * factor, estimate.high * factor)

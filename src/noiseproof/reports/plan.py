"""A plan as tables: what n buys, what a target costs, and afterwards what came of it."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from scipy.special import ndtri

from noiseproof.analysis.draws_needed import draws_needed, largest_radius
from noiseproof.progress import UNFINISHED
from noiseproof.reports.tables import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noiseproof.analysis.pilot import Estimate
    from noiseproof.analysis.plan import Plan, Planned
    from noiseproof.analysis.plan_outcome import Compared, PlanOutcome
    from noiseproof.noises import Noise

NS = (100, 1_000, 10_000, 100_000, 1_000_000)
"""Draws for which the first table says the radius."""

SHARDS = 8
"""Lines that are printed for so many devices; of more, the first and the last."""


def radii_text(noise: Noise, *, alpha: float, radii: Sequence[float] = (), unit: str = "") -> str:
    """What n draws buy, and what the radii asked about need: nothing is drawn for it.

    Args:
        noise: of the run.
        alpha: failure probability per input.
        radii: asked about, in input units.
        unit: what these are, where inputs are no pixels.

    Raises:
        ValueError: alpha is out of range, or a radius is one that no probability has.
    """
    rows = []
    for n in NS:
        radius = largest_radius(noise, n, alpha)
        steps = () if unit else (f"{255 * radius:.1f}",)
        rows.append((f"{n:,}", f"{radius / noise.sigma:.4f}", f"{radius:.4f}", *steps))
    needs = [
        f"r = {radius:g} needs p_A > {noise.p_needed(radius):.6g}, so n >= {draws_needed(noise, radius, alpha):,}."
        for radius in radii
    ]
    return Table(
        header=("n", "radius / sigma", "radius", *(() if unit else ("in 1/255",))),
        rows=tuple(rows),
        caption=(
            f"The largest {noise.norm.upper()} radius that n draws can certify, at sigma {noise.sigma:g} and alpha "
            f"{alpha:g}: all n votes agree. Input units: {unit or 'pixels in [0, 1]'}.",
            *needs,
        ),
    ).screen()


def plan_text(plan: Plan, *, devices: int = 1, within: float | None = None) -> str:
    """What a plan says, for a terminal.

    Args:
        plan: as made.
        devices: like the one that was measured, to share the inputs.
        within: seconds in which all should be done, or None.
    """
    lines = [*_measured(plan), "", _costs(plan, devices).screen(), *plan.left_out]
    if plan.target.kind == "radii":
        lines += ["", _found(plan).screen(), ""]
    if plan.takes:
        lines.append(f"A draw takes {plan.takes}; draws a second include that.")
    best = plan.best
    if within is not None:
        expected, high = (_devices(plan, best, draws, within) for draws in ("mean", "high"))
        at_most = f", {high} where it comes dear" if high != expected else ""
        lines.append(
            f"{best.procedure['name']} within {time_text(within)}: {_so_many(expected)} like this one{at_most}."
        )
        devices = max(devices, min(expected, plan.inputs))
    if devices == 1:
        return "\n".join([*lines, "", "run", f"  {best.line} --out run"])
    lines += ["", f"run on {devices} devices, each with a part of the inputs and a run folder of its own"]
    if devices > plan.inputs:
        raise ValueError(f"devices must be at most as many as inputs, {plan.inputs}, got {devices}")
    shown = range(1, devices + 1) if devices <= SHARDS else (1, devices)
    lines += [f"  {shard_line(best, i, devices)}" for i in shown]
    lines += ["", "or as a job array of SLURM:", "", batch_script(plan, best, devices), ""]
    return "\n".join([*lines, f"then: {merge_line(devices)}"])


def outcome_text(plan: Plan, outcome: PlanOutcome) -> str:
    """Planned beside actual, and a line for each deviation."""
    rows = [
        (each.what, _number(each.planned.mean, each.unit), _between(each), _number(each.actual, each.unit))
        for each in outcome.rows
    ]
    marked = frozenset((i, 3) for i, each in enumerate(outcome.rows) if not each.held)
    table = Table(
        header=(f"{outcome.planned.procedure['name']}, {outcome.inputs:,} inputs", "planned", "5% to 95%", "actual"),
        rows=tuple(rows),
        caption=(f"Planned for {plan.target.name}.", *(("*: not as planned.",) if marked else ())),
        marked=marked,
    ).screen()
    deviations = [*outcome.deviations, *(_deviation(each) for each in outcome.rows if not each.held)]
    return "\n".join([table, *(deviations or ["as planned: every number lies where it was expected"])])


def shard_line(planned: Planned, i: int, devices: int) -> str:
    """The line for device i of several, counted from 1."""
    return f"{planned.line} --shard {i}/{devices} --out run-{i}"


def merge_line(devices: int) -> str:
    """The line that puts the run folders of ``shard_line`` together; of many, as bash writes them.

    >>> merge_line(2)
    'noiseproof merge run-1 run-2 --out run'
    >>> merge_line(100)
    'noiseproof merge run-{1..100} --out run'
    """
    runs = [f"run-{i + 1}" for i in range(devices)] if devices <= SHARDS else [f"run-{{1..{devices}}}"]
    return " ".join(["noiseproof merge", *runs, "--out run"])


def batch_script(plan: Plan, planned: Planned, devices: int) -> str:
    """A job array of SLURM, a job a device: a job that its time does not suffice for is queued again, and goes on."""
    most = plan.seconds(planned.forecast.draws.high) / devices
    minutes = ceil(1.25 * most / 60) + 10
    takes = f"--cpus-per-task={plan.device['workers']}" if plan.device["device"] == "cpu" else "--gpus-per-task=1"
    return f"""\
#!/bin/bash
#SBATCH --job-name=noiseproof --array=1-{devices} --ntasks=1 {takes}
#SBATCH --time={minutes} --signal=USR1@60 --requeue --open-mode=append
srun {planned.line} --shard auto/{devices} --out "run-$SLURM_ARRAY_TASK_ID"
status=$?
if [ $status -eq {UNFINISHED} ]; then scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID"; fi
exit $status"""


def time_text(seconds: float) -> str:
    """Seconds to two or three digits, as an estimate should be said.

    >>> time_text(0.04), time_text(75), time_text(8000), time_text(400_000)
    ('0.0 s', '1.2 min', '2.2 h', '4.6 days')
    """
    for most, unit, name in ((60, 1, "s"), (3600, 60, "min"), (48 * 3600, 3600, "h")):
        if seconds < most:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds / 86400:,.1f} days"


def _measured(plan: Plan) -> list[str]:
    pilot, device = plan.pilot, plan.device
    draws = sum(each.n for each in pilot)
    void = draws - sum(sum(each.votes) for each in pilot)
    lines = [
        f"pilot: {len(pilot)} of the {plan.inputs:,} inputs, {pilot[0].n} draws each, which no certificate uses; "
        f"{sum(each.right for each in pilot)} of {len(pilot)} right",
        f"speed: {plan.draws_per_second:,.0f} draws/s over {plan.measured_seconds:.1f} s on {device['device']} "
        f"({device['backend']}, {device['precision']}, batch {device['batch_size']}, {device['workers']} workers)",
    ]
    seen = plan.meaning["noise"]["sigma"] * -ndtri(1 / pilot[0].n)
    lines.append(f"so few draws see radii up to about {seen:.2g}; beyond, all are taken to be equally likely")
    if void:
        lines.append(f"warning: {void:,} of {draws:,} draws were void (NaN or infinite scores); see noiseproof doctor")
    return lines


def _costs(plan: Plan, devices: int) -> Table:
    rows, simulated = [], False
    for each in plan.planned:
        said = each.forecast
        simulated = simulated or not said.exact
        low, high = (plan.seconds(draws) / devices for draws in (said.draws.low, said.draws.high))
        cells = [
            _label(each) + ("" if said.exact else " ~"),
            f"{said.draws.mean:,.0f}",
            _range(said.draws, "count"),
            f"{said.draws.mean * plan.inputs:,.0f}",
            time_text(plan.seconds(said.draws.mean) / devices),
            "" if said.draws.low == said.draws.high else f"{time_text(low)} to {time_text(high)}",
        ]
        if plan.target.kind == "radius":
            cells.append(_with_range(said.certified[0], "share"))
        if plan.target.kind == "acr" and said.acr is not None:
            cells.append(_with_range(said.acr, "radius"))
        rows.append(tuple(cells))
    asked = {"radius": ["certified and right"], "acr": ["ACR"]}.get(plan.target.kind, [])
    where = "this device" if devices == 1 else f"{devices} devices"
    return Table(
        header=("procedure", "draws an input", "5% to 95%", "draws in all", where, "5% to 95%", *asked),
        rows=tuple(rows),
        caption=(
            f"Expected for {plan.target.name}: {plan.inputs:,} inputs, at most n = {plan.n:,} draws each, "
            f"alpha {plan.alpha:g}.",
            f"A pilot of {len(plan.pilot)} inputs is small: 5% to 95% is where runs lie if its inputs are like the "
            "others (resampled).",
            *(["~: simulated; the others are exact expectations given the pilot."] if simulated else []),
            *(
                ["A smaller --n costs less; how far its radii go, the table above says."]
                if plan.target.kind == "acr"
                else []
            ),
        ),
    )


def _found(plan: Plan) -> Table:
    """A row a radius, a column a procedure."""
    return Table(
        header=("radius", *(_label(each) for each in plan.planned)),
        rows=tuple(
            (f"{radius:g}", *(_with_range(each.forecast.certified[i], "share") for each in plan.planned))
            for i, radius in enumerate(plan.target.radii)
        ),
        caption=("Share of the inputs expected to be certified with the right class.",),
    )


def _label(planned: Planned) -> str:
    match planned.procedure["name"]:
        case "certify":
            return "certify (fixed n)"
        case "curve":
            return "certify --procedure sequential --radii"
        case "sequential":
            return "certify --procedure sequential"
    return str(planned.procedure["name"])


def _devices(plan: Plan, planned: Planned, which: str, within: float) -> int:
    return max(1, ceil(plan.seconds(getattr(planned.forecast.draws, which)) / within))


def _so_many(devices: int) -> str:
    return "1 device" if devices == 1 else f"{devices:,} devices"


def _number(value: float, unit: str) -> str:
    match unit:
        case "share":
            return f"{100 * value:.1f}%"
        case "seconds":
            return time_text(value)
        case "radius":
            return f"{value:.3f}"
    return f"{value:,.0f}"


def _range(estimate: Estimate, unit: str) -> str:
    if estimate.low == estimate.high:
        return "exactly" if unit == "count" else _number(estimate.low, unit)
    return f"{_number(estimate.low, unit)} to {_number(estimate.high, unit)}"


def _with_range(estimate: Estimate, unit: str) -> str:
    return f"{_number(estimate.mean, unit)} ({_range(estimate, unit)})"


def _between(each: Compared) -> str:
    return "" if each.planned.low == each.planned.high else _range(each.planned, each.unit)


def _deviation(each: Compared) -> str:
    planned, actual = each.planned.mean, each.actual
    if each.unit in ("count", "seconds") and planned > 0:
        by = f"{100 * (actual / planned - 1):+.0f}%"
    else:
        by = "more" if actual > planned else "less"
    spread = "" if each.planned.low == each.planned.high else f"; 90% of such runs: {_range(each.planned, each.unit)}"
    return f"{each.what}: {_number(actual, each.unit)}, planned {_number(planned, each.unit)} ({by}{spread})"

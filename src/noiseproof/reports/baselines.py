"""Smoothing beside other certificates in L2 on the same inputs: one figure, one table, the cost of an input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from noiseproof.analysis import certified_share
from noiseproof.analysis.compared import common_inputs
from noiseproof.analysis.training_cost import training_cost
from noiseproof.asked.kinds import check_kinds
from noiseproof.asked.look import SCREEN, Look
from noiseproof.errors import RunError
from noiseproof.reports.baselines_figure import DELTA, Row, baselines_figure
from noiseproof.reports.files import Written, write_findings
from noiseproof.reports.summaries import radii_of
from noiseproof.reports.tables import Table, percent_up
from noiseproof.stats import dkw_band, lecuyer_radius, li_radius
from noiseproof.store.attacks import AttackRun, read_attack
from noiseproof.store.baselines import Baseline, read_baseline
from noiseproof.store.given import Runs, runs_of
from noiseproof.store.manifest import differences
from noiseproof.store.run import Run
from noiseproof.types import Certificate

if TYPE_CHECKING:
    from noiseproof.types import Record

NOT_REPRODUCED = (
    "Of the comparison in Cohen et al. 2019 not reproduced: the Lipschitz-margin training of Tsuzuku et al. 2018 and "
    "the bounds of Weng et al. 2018 (their code is no package), those of Zhang et al. 2018 (not tried), and the "
    "networks and the data of Wong et al. 2018 (CIFAR-10).",
)
"""What the table leaves out, in words."""

_COLUMNS = ("ACR", "s/input", "training s", "alpha", "broken at R", "at 2 R")
_EARLIER: tuple[tuple[str, Callable[[float, float, float], float]], ...] = (
    ("Li et al. 2019", li_radius),
    ("Lecuyer et al. 2019", lecuyer_radius),
)


@dataclass(frozen=True, repr=False)
class BaselinesReport(Written):
    """What was found and written.

    Attributes:
        rows: one a method.
        m: inputs that all methods have.
    """

    rows: tuple[Row, ...]
    m: int


def baselines_report(
    smoothed: Runs,
    others: Sequence[str | Path] = (),
    *,
    attacked: Sequence[str | Path] = (),
    earlier: bool = True,
    out: str | Path,
    radii: str | None = None,
    look: Look = SCREEN,
) -> BaselinesReport:
    """All methods on the inputs that each of them has: ``baselines.txt``, ``.md``, ``.tex``, ``.png`` and ``.pdf``.

    Args:
        smoothed: runs of certify, at least one.
        others: folders of ``noiseproof baselines certify``.
        attacked: folders of ``noiseproof attack``, each on one of the runs.
        earlier: whether earlier bounds on the first smoothed classifier stand there, too, from the same counts.
        out: folder.
        radii: "start:stop:step" with both ends in, or "a,b,c", in input units; by default as ``report`` has them.
        look: of the figure.

    Raises:
        RunError: a folder is not what it should be, or ``out`` cannot be written.
        ValueError: nothing smoothed is given, or the folders are not on the same data, or have no input in common.

    Source: the comparison in section 4 of Cohen et al. 2019.
    """
    check_kinds({"look": look})
    runs = runs_of(smoothed)
    if not runs:
        raise ValueError("smoothed must name a run of certify at least, got none")
    grid = radii_of(runs, radii)
    found = [read_baseline(Path(other)) for other in others]
    attacks = [read_attack(Path(folder)) for folder in attacked]
    indices = _common(runs, found)
    rows: list[Row] = []
    for run in runs:
        records = [record for record in run.records if record.index in indices]
        own = [attack for attack in attacks if attack.manifest.meaning["run"] == run.manifest.meaning_hash]
        rows += _smoothed_rows(run, records, own, earlier=earlier and run is runs[0])
    rows += [_other_row(baseline, indices) for baseline in found]
    for attack in attacks:
        if all(attack.manifest.meaning["run"] != run.manifest.meaning_hash for run in runs):
            raise ValueError(f"attacked must be attacks on the runs, but {attack.path} is on another one")
    m = len(indices)
    figure = baselines_figure(rows, m, look)
    written = write_findings([_table(rows, grid, m)], figure, out, "baselines")
    return BaselinesReport(written.text, written.files, tuple(rows), m)


def broken_within(baseline: Baseline) -> list[int]:
    """Indices of inputs whose class an attack changed within the radius: the certificate is false there."""
    return [
        each.index
        for each in baseline.inputs
        if any(multiple <= 1 and said != each.prediction for multiple, said in each.attacked)
    ]


def one_line(baseline: Baseline) -> str:
    """What a folder of another method says, in a line."""
    row = _other_row(baseline, {each.index for each in baseline.inputs})
    right = row.radii >= 0
    median = float(np.median(np.maximum(row.radii, 0)))
    return (
        f"{len(row.radii)} inputs: {right.mean():.1%} right, median radius {median:.3f}, "
        f"{row.seconds / len(row.radii):.3g} s an input; broken within: {row.broken} of {row.checked}"
    )


def _common(runs: Sequence[Run], found: Sequence[Baseline]) -> set[int]:
    """Indices that every method has, of the same pictures."""
    records = common_inputs(runs)  # refuses runs on different data
    known: dict[int, Record] = {record.index: record for record in records[0]}
    on_grid = runs[0].manifest.meaning["noise"].get("grid") == 255
    for baseline in found:
        data, expected = baseline.manifest.meaning["data"], runs[0].manifest.meaning.get("data")
        if expected is not None and differences(data, expected):
            raise ValueError(
                f"methods must be on the same data, got {data['name']} in {baseline.path.name} "
                f"and {expected['name']} in {runs[0].name}"
            )
        for each in baseline.inputs:
            record = known.get(each.index)
            if record is None:
                continue
            same = not on_grid or each.key.rpartition("-")[0] == record.key.rpartition("-")[0]
            if each.label != record.label or not same:
                raise ValueError(f"input {each.index} of {baseline.path.name} is not that of {runs[0].name}")
        if not baseline.inputs:
            raise RunError(f"{baseline.path} has no finished input yet; run its certify line again")
    common = set(known).intersection(*({each.index for each in baseline.inputs} for baseline in found))
    if not common:
        raise ValueError("methods to compare must have inputs in common, but no index is in all of them")
    return common


def _smoothed_rows(run: Run, records: Sequence[Record], attacks: Sequence[AttackRun], *, earlier: bool) -> list[Row]:
    meaning = run.manifest.meaning
    sigma = float(meaning["noise"]["sigma"])
    seconds = sum(record.seconds for record in records)
    alpha = run.procedure.alpha
    cost = training_cost(run).seconds
    points = [point for attack in attacks for point in attack.points if point.radius > 0]
    at = [[point.broken for point in points if point.multiple == multiple] for multiple in (1.0, 2.0)]
    name = f"smoothing, {meaning['model']['architecture']}, sigma {sigma:g}"
    radii = np.array([_radius(record) for record in records])
    rows = [Row(name, radii, seconds, cost, alpha, *_tried(*at))]
    for title, bound in _EARLIER if earlier else ():
        radii = np.array([_radius(record, bound, sigma) for record in records])
        rows.append(Row(f"{title}, same counts", radii, seconds, cost, alpha, family=1))
    return rows


def _tried(within: Sequence[bool], beyond: Sequence[bool]) -> tuple[int, int, int, int]:
    """Attacks at R, how many of them broke, and the same at 2 R."""
    return len(within), sum(within), len(beyond), sum(beyond)


def _radius(record: Record, bound: Callable[[float, float, float], float] | None = None, sigma: float = 0.0) -> float:
    said = record.outcome
    if not isinstance(said, Certificate):
        raise ValueError("smoothed must be runs of certify, got one of another procedure")  # noqa: TRY004
    if said.abstained or said.prediction != record.label:
        return -1.0
    if bound is None:
        return said.radius
    p_lower = min(said.p_lower, 1 - 2.0**-53)
    return bound(p_lower, min(said.p_upper, 1 - p_lower), sigma)


def _other_row(baseline: Baseline, indices: set[int]) -> Row:
    meaning = baseline.manifest.meaning
    inputs = [each for each in baseline.inputs if each.index in indices]
    trained: dict[str, Any] = baseline.sessions[-1].get("trained", {}) if baseline.sessions else {}
    at = [[said for each in inputs if (said := each.broken(k)) is not None] for k in (1.0, 2.0)]
    seconds = trained.get("seconds")
    return Row(
        _name(meaning, trained),
        np.array([each.radius if each.prediction == each.label else -1.0 for each in inputs]),
        sum(each.seconds for each in inputs),
        float(seconds) if isinstance(seconds, int | float) else None,
        0.0,
        *_tried(*at),
        family=2,
    )


def _name(meaning: dict[str, Any], trained: dict[str, Any]) -> str:
    """The method, its network and what that was trained with."""
    title = {"wong": "Wong et al. 2018", "lipschitz": "Lipschitz"}
    method = str(meaning["certificate"]["method"])
    said = trained.get("baseline")
    if isinstance(said, dict):
        of = f"trained for eps {said['eps']:g}" if "eps" in said else f"trained at tau {said.get('tau', 0):g}"
    else:
        sigma = trained.get("sigma")
        of = (
            "plain training" if sigma == 0 else f"trained at sigma {sigma}" if sigma is not None else "training unknown"
        )
    return f"{title.get(method, method)}, {meaning['model']['architecture']}, {of}"


def _table(rows: Sequence[Row], grid: Sequence[float], m: int) -> Table:
    cells, marked = [], set()
    shares = np.array([certified_share(row.radii, np.asarray(grid)) for row in rows])
    for i, row in enumerate(rows):
        cells.append(
            (
                row.name,
                *(f"{share * 100:.1f}" for share in shares[i]),
                f"{np.maximum(row.radii, 0).mean():.3f}",
                f"{row.seconds / m:.2g}",
                "" if row.training is None else f"{row.training:,.0f}",
                f"{row.alpha:g}",
                f"{row.broken} of {row.checked}" if row.checked else "-",
                f"{row.beyond_broken} of {row.beyond}" if row.beyond else "-",
            )
        )
        marked |= {(i, j + 1) for j in range(len(grid)) if shares[i, j] == shares[:, j].max() > 0}
    return Table(
        header=("method", *(f"r={radius:g}" for radius in grid), *_COLUMNS),
        rows=tuple(cells),
        caption=(
            f"Certified accuracy in % of the {m} inputs that all methods have, at L2 radius r (input units: pixels in "
            "[0, 1]); marked: the largest at each r, chosen after looking.",
            f"Each share is that of the population of the inputs to ±{percent_up(dkw_band(m, DELTA))} points, with "
            f"probability {1 - DELTA:g}, at all r at once (DKW).",
            "ACR: average certified radius, wrong or abstained counts 0. s/input: wall time of one certificate; "
            "training s: of the network, blank where unknown; to be compared on one idle machine only.",
            "alpha: largest probability that a certificate is false, 0 where nothing is random. A row of smoothing is "
            "about the smoothed classifier, not about its base network.",
            "broken at R: certified inputs, right or wrong, whose class PGD changed within the radius, of those "
            "attacked: each would be a false certificate. At 2 R there is no claim.",
            "The rounding of the bounds of Wong et al. (float32, 1e-4 of room in the scores) and of Lipschitz ones "
            "(float64) is not bounded; that of smoothing on the grid is part of its certificate.",
            "Same counts: earlier bounds on the smoothed classifier of the row above them, smaller by theory.",
            *NOT_REPRODUCED,
        ),
        marked=frozenset(marked),
    )

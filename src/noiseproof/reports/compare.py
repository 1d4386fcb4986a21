"""Methods side by side on the same inputs: curves, exact paired tests, and what each training cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from noiseproof.analysis import Summary
from noiseproof.analysis.compared import PairedTest, common_inputs, paired_tests
from noiseproof.analysis.training_cost import TrainingCost, training_cost
from noiseproof.asked.kinds import check_kinds
from noiseproof.asked.look import SCREEN, Look
from noiseproof.procedures.radii import parse_radii
from noiseproof.reports.figures import curves_figure
from noiseproof.reports.files import Written, write_findings
from noiseproof.reports.summaries import radii_of, run_summary
from noiseproof.reports.tables import Table, accuracy_table, norm_name
from noiseproof.reports.units import INPUT_UNITS
from noiseproof.store.given import Runs, listed, named_apart, runs_of
from noiseproof.store.run import Run

if TYPE_CHECKING:
    from noiseproof.types import Record

LEVEL = 0.05
"""Of all paired tests of a comparison together."""

ACR_WARNING = (
    "ACR rewards easy inputs: a few large radii outweigh many inputs lost, so a classifier that answers one class "
    "everywhere has a high ACR at a large sigma, and training on easy inputs alone raises it (acr-weakness, 2025). "
    "Read the whole curve first, ACR second."
)

_NOT_BY_EYE = "Which run is better at a radius, the paired tests say, not whether bands overlap."


@dataclass(frozen=True, repr=False)
class Comparison(Written):
    """What was found and written.

    Attributes:
        summaries: one a run, in the order given, over the inputs that all runs have.
        tests: every pair of runs at every radius.
        costs: of the training behind each run.
    """

    summaries: tuple[Summary, ...]
    tests: tuple[PairedTest, ...]
    costs: tuple[TrainingCost, ...]


def compare(
    runs: Runs, *, out: str | Path, radii: str | Sequence[float] | None = None, look: Look = SCREEN
) -> Comparison:
    """Runs of certify side by side on the inputs that all of them have: tables, exact paired tests, and the curves.

    Args:
        runs: two or more of certify or import, on the same data: folders, read runs, or either by name.
        out: folder for ``compare.txt``, ``.md``, ``.tex``, ``.png`` and ``.pdf``.
        radii: "start:stop:step" with both ends in, "a,b,c", or numbers; input units; 0:1.5:0.25 as far as their draws
            can certify. To be fixed before looking: there is a test for every pair of runs at every radius, and more
            of them find less.
        look: of the figure.

    Raises:
        RunError: a folder is not such a run, or ``out`` cannot be written.
        ValueError: radii cannot be read, or the runs are not on the same data or have no input in common.
    """
    check_kinds({"look": look})
    given = listed(runs)
    if len(given) < 2:
        raise ValueError(f"compare takes two runs or more, got {len(given)}; noiseproof report shows one")
    if isinstance(radii, str):
        parse_radii(radii)  # before the work
    read = runs_of(given)
    compared = compare_runs(read, radii_of(read, radii))
    summaries = compared.summaries
    figure = curves_figure(summaries, look, title=f"Certified accuracy on the same {summaries[0].m} inputs")
    written = write_findings(compared.tables, figure, out, "compare")
    return Comparison(written.text, written.files, summaries, compared.tests, compared.costs)


@dataclass(frozen=True)
class SideBySide:
    """Runs side by side, before anything is written.

    Attributes:
        tables: certified accuracy, differences, tests, trainings.
        summaries: one a run, over the inputs that all runs have.
        tests: every pair of runs at every radius.
        costs: of the training behind each run.
    """

    tables: tuple[Table, Table, Table, Table]
    summaries: tuple[Summary, ...]
    tests: tuple[PairedTest, ...]
    costs: tuple[TrainingCost, ...]


def compare_runs(read: Sequence[Run], grid: Sequence[float]) -> SideBySide:
    """What ``compare`` says of runs that are read.

    Args:
        read: two runs or more, of certify or import, on the same data.
        grid: radii in input units, at least one.

    Raises:
        RunError: a run is of another kind.
        ValueError: they are not on the same data or have no input in common.
    """
    check_different([run.path for run in read])
    names = tuple(run.name for run in named_apart(read))
    whole = [run_summary(run, grid) for run in read]  # refuses what has no radii, in words of that run
    records = common_inputs(read)
    summaries = tuple(
        replace(summary, name=name) if len(own) == summary.m else run_summary(run, grid, name=name, records=own)
        for run, summary, name, own in zip(read, whole, names, records, strict=True)
    )
    accuracy = accuracy_table(summaries)
    tests = paired_tests(records, grid)
    costs = tuple(map(training_cost, read))
    inputs, ceilings = _inputs(read, names, records), _ceilings(summaries)
    differences = differences_table(summaries, tests)
    tables = (
        replace(accuracy, caption=(*accuracy.caption, inputs, *ceilings, _NOT_BY_EYE, ACR_WARNING)),
        replace(differences, caption=(*differences.caption, *_unlike(read, names), *ceilings)),
        tests_table(summaries, tests),
        training_table(read, names, costs),
    )
    return SideBySide(tables, summaries, tests, costs)


def differences_table(summaries: Sequence[Summary], tests: Sequence[PairedTest]) -> Table:
    """One row a pair of runs: by how many points the first certifies more than the second at each radius.

    Args:
        summaries: the runs, with the same radii.
        tests: of every pair at every radius, as ``paired_tests`` returns them.
    """
    radii = summaries[0].radii
    rows = list(_by_pair(summaries, tests))
    return Table(
        header=("first - second", *(f"r={INPUT_UNITS.number(radius)}" for radius in radii)),
        rows=tuple((pair, *(_signed(test.difference) for test in row)) for pair, row in rows),
        caption=(
            "Certified accuracy of the first run less that of the second, in points, at "
            f"{norm_name(summaries[0].norm)} radius r on the same {summaries[0].m} inputs.",
            f"Marked: the two differ on inputs drawn like these. All marks together are wrong anywhere with "
            f"probability at most {LEVEL:g} (exact McNemar tests, two-sided; Holm over all {len(tests)}: "
            f"{len(rows)} {'pair' if len(rows) == 1 else 'pairs'} x {len(radii)} "
            f"{'radius' if len(radii) == 1 else 'radii'}, fixed before looking).",
            "Not marked is not equal. The tests are about these trained models and their certificates, not about "
            "training again: another seed of the same method may differ as much.",
        ),
        marked=frozenset(
            (i, j + 1) for i, (_, row) in enumerate(rows) for j, test in enumerate(row) if test.adjusted <= LEVEL
        ),
    )


def tests_table(summaries: Sequence[Summary], tests: Sequence[PairedTest]) -> Table:
    """One row a pair of runs: the counts that each test rests on, and its p-value adjusted by Holm.

    Arguments are those of ``differences_table``.
    """
    return Table(
        header=("first, second", *(f"r={INPUT_UNITS.number(radius)}" for radius in summaries[0].radii)),
        rows=tuple(
            (pair.replace(" - ", ", "), *(f"{t.only_first}:{t.only_second} p{_p_value(t.adjusted)}" for t in row))
            for pair, row in _by_pair(summaries, tests)
        ),
        caption=(
            "a:b p: inputs that only the first certifies as right at r, inputs that only the second does, and the "
            f"exact McNemar p-value adjusted by Holm over all {len(tests)} tests (rounded up).",
        ),
    )


def training_table(runs: Sequence[Run], names: Sequence[str], costs: Sequence[TrainingCost]) -> Table:
    """One row a run: at which noise it was certified, and what its training was and cost; blank where not known.

    Args:
        runs: of certify or import.
        names: what to call them.
        costs: of the training behind each.
    """
    return Table(
        header=("run", "sigma", "loss", "trained at", "epochs", "passes", "seconds"),
        rows=tuple(
            (
                name,
                _known(run.manifest.meaning["noise"].get("sigma"), "g"),
                cost.loss or "",
                _known(cost.sigma, "g"),
                _known(cost.epochs, ","),
                _known(cost.passes, ","),
                _known(cost.seconds, ",.0f"),
            )
            for name, run, cost in zip(names, runs, costs, strict=True)
        ),
        caption=(
            "sigma: of the certified noise. The rest is what the run and the model folder it names say of the "
            "training: labels, not verified; blank where unknown.",
            "passes: forward-backward passes a picture over all epochs, without those of models it started from or "
            "learned from. seconds: wall time, to be compared on one idle device only.",
        ),
    )


def check_different(folders: Sequence[Path]) -> None:
    """Raise ``ValueError`` where a folder is there twice."""
    paths = [folder.resolve() for folder in folders]
    for path in paths:
        if paths.count(path) > 1:
            raise ValueError(f"runs to compare must be different ones, got {path.name} twice")


def _by_pair(
    summaries: Sequence[Summary], tests: Sequence[PairedTest]
) -> tuple[tuple[str, tuple[PairedTest, ...]], ...]:
    return tuple(
        (f"{summaries[a].name} - {summaries[b].name}", tuple(t for t in tests if (t.first, t.second) == (a, b)))
        for a, b in combinations(range(len(summaries)), 2)
    )


def _inputs(runs: Sequence[Run], names: Sequence[str], records: Sequence[Sequence[Record]]) -> str:
    common = len(records[0])
    left_out = [len(run.records) - common for run in runs]
    if not any(left_out):
        return f"All runs are on the same {common} inputs."
    counts = ", ".join(f"{count} of {name}" for name, count in zip(names, left_out, strict=True) if count)
    return f"Only the {common} inputs that all runs have finished are compared; left out: {counts}."


def _ceilings(summaries: Sequence[Summary]) -> tuple[str, ...]:
    """Which runs had too few draws for the largest radius."""
    low = [f"{s.name} {s.ceiling:.3f}" for s in summaries if s.ceiling is not None and s.ceiling < max(s.radii)]
    if not low:
        return ()
    return (f"Their draws can certify no more than: {', '.join(low)}. A 0 beyond says nothing about the model.",)


def _unlike(runs: Sequence[Run], names: Sequence[str]) -> tuple[str, ...]:
    """What besides the method differs between the runs."""
    said = []
    procedures = [str(run.manifest.meaning["procedure"]["name"]) for run in runs]
    if len(set(procedures)) > 1:
        each = "; ".join(f"{name}: {procedure}" for name, procedure in zip(names, procedures, strict=True))
        said.append(f"The radii come from different procedures ({each}): part of what differs is the procedure.")
    elif any(run.manifest.meaning["procedure"] != runs[0].manifest.meaning["procedure"] for run in runs):
        said.append("The runs were not certified with the same settings: part of what differs are the settings.")
    if len({run.manifest.meaning["noise"].get("sigma") for run in runs}) > 1:
        said.append("The runs are not at one sigma: part of what differs is sigma, not the training.")
    if len({run.manifest.meaning.get("arithmetic") for run in runs if "arithmetic" in run.manifest.meaning}) > 1:
        said.append("The runs do not claim the same: their noise is not of one arithmetic; see noiseproof card.")
    imported = [name for name, run in zip(names, runs, strict=True) if "data" not in run.manifest.meaning]
    if imported:
        said.append(f"That {', '.join(imported)} is on the same pictures is known from index and label alone.")
    return tuple(said)


def _signed(difference: float) -> str:
    return f"{difference * 100:+.1f}" if difference else "0.0"


def _p_value(p: float) -> str:
    if p < 0.0001:
        return "<.0001"
    up = math.ceil(p * 10_000) / 10_000  # what is printed never claims more than what was found
    return "=1" if up >= 1 else "=" + f"{up:.4f}".removeprefix("0")


def _known(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)

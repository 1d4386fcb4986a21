"""Runs in pairs: the inputs they have in common, and the exact tests of who certifies more of them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from noiseproof.analysis.certified import right_radii
from noiseproof.errors import RunError
from noiseproof.stats import holm_adjusted, mcnemar
from noiseproof.store.manifest import KIND_IMPORT, differences

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noiseproof.store.run import Run
    from noiseproof.types import Record


@dataclass(frozen=True)
class PairedTest:
    """Two runs at one radius, on the same inputs.

    Attributes:
        first: position of the first run.
        second: position of the second run, larger.
        radius: in input units.
        m: inputs.
        only_first: how many of them the first run alone certifies as right at that radius.
        only_second: how many the second alone does.
        p_value: exact and two-sided, by itself.
        adjusted: by Holm, over all tests of the comparison.
    """

    first: int
    second: int
    radius: float
    m: int
    only_first: int
    only_second: int
    p_value: float
    adjusted: float

    @property
    def difference(self) -> float:
        """Certified accuracy of the first run less that of the second."""
        return (self.only_first - self.only_second) / self.m


def paired_tests(records: Sequence[Sequence[Record]], radii: Sequence[float]) -> tuple[PairedTest, ...]:
    """Every pair of runs at every radius: does one certify more inputs drawn like these than the other?

    Args:
        records: of each run, the same inputs in the same order, with labels and certificates.
        radii: in input units, fixed before looking.

    Returns:
        Pair by pair, radii in the order given.

    Raises:
        ValueError: no records, not the same inputs, a label is missing, or an outcome is no certificate.

    Source: McNemar 1947, exact; Holm 1979.
    """
    if any([r.index for r in each] != [r.index for r in records[0]] for each in records[1:]):
        raise ValueError("records must be of the same inputs in the same order; see common_inputs")
    reached = [right_radii(each)[:, None] >= np.asarray(radii, dtype=np.float64) for each in records]
    counted = [
        (a, b, radius, int((~other & one).sum()), int((other & ~one).sum()))
        for a, b in combinations(range(len(records)), 2)
        for radius, one, other in zip(radii, reached[a].T, reached[b].T, strict=True)
    ]
    p_values = [mcnemar(only_first, only_second) for *_, only_first, only_second in counted]
    return tuple(
        PairedTest(a, b, float(radius), len(records[0]), only_first, only_second, p, adjusted)
        for (a, b, radius, only_first, only_second), p, adjusted in zip(
            counted, p_values, holm_adjusted(p_values).tolist(), strict=True
        )
    )


def common_inputs(runs: Sequence[Run]) -> tuple[tuple[Record, ...], ...]:
    """The inputs that every run has finished, by index, in the same order for every run.

    An import says neither its data set nor its pictures: it is held against the others by index and label alone.

    Args:
        runs: at least one.

    Raises:
        RunError: a run has no finished input.
        ValueError: the runs are on different data, or have no input in common.
    """
    _check_data(runs)
    found = [{record.index: record for record in run.records} for run in runs]
    for run, records in zip(runs, found, strict=True):
        if not records:
            raise RunError(f"{run.path} has no finished input yet; run its {run.manifest.kind} line again")
    common = sorted(set.intersection(*(set(records) for records in found)))
    if not common:
        raise ValueError("runs to compare must have inputs in common, but no index is in all of them")
    # Pairs of neighbours would not do: an import between two runs of certify would hide that their pictures differ.
    for a, b in combinations(range(len(runs)), 2):
        # a key is of the picture as its noise stores it, and numbers equal pictures in the order they came
        alike = _keys(runs[a]) is not None and _keys(runs[a]) == _keys(runs[b])
        for index in common:
            _check_same(runs[a], runs[b], found[a][index], found[b][index], alike=alike)
    return tuple(tuple(records[index] for index in common) for records in found)


def _check_data(runs: Sequence[Run]) -> None:
    known = [(run, run.manifest.meaning["data"]) for run in runs if "data" in run.manifest.meaning]
    for run, data in known[1:]:
        first, expected = known[0]
        if differing := differences(data, expected):
            got = f"got {expected['name']} in {first.name} and {data['name']} in {run.name}"
            more = f" ({'; '.join(differing)})" if data["name"] == expected["name"] else ""
            raise ValueError(f"runs to compare must be on the same data, {got}{more}")


def _check_same(one: Run, other: Run, a: Record, b: Record, *, alike: bool) -> None:
    if a.label != b.label:
        raise ValueError(
            f"runs to compare must be on the same data, but input {a.index} has label {a.label} in {one.name} "
            f"and {b.label} in {other.name}"
        )
    if alike and a.key.rpartition("-")[0] != b.key.rpartition("-")[0]:
        raise ValueError(
            f"runs to compare must be on the same data, but input {a.index} is another picture in {one.name} "
            f"than in {other.name}"
        )


def _keys(run: Run) -> str | None:
    """What its keys are keys of; None where they are not of pictures."""
    return None if run.manifest.kind == KIND_IMPORT else f"grid {run.manifest.meaning['noise'].get('grid')}"

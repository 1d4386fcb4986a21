"""The crash drills of ``benchmarks/crash.py``, a few rounds of each kind: each ends with the undisturbed counts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

DRILLS = Path(__file__).resolve().parents[2] / "benchmarks" / "crash.py"
KINDS = ("sampling", "append", "export", "disk", "torn", "second", "clock")
ROUNDS = 2


@pytest.fixture(scope="module")
def figures() -> dict[str, tuple[int, int, int]]:
    """Kind -> rounds, those that fell in the middle, those that ended with the counts of the undisturbed run."""
    if not DRILLS.exists():
        pytest.skip("a source archive has no benchmarks")
    line = [sys.executable, str(DRILLS), "--rounds", str(ROUNDS * len(KINDS))]
    done = subprocess.run(line, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    rows = [row.split() for row in done.stdout.splitlines()[1 : len(KINDS) + 1]]
    return {kind: tuple(map(int, counts)) for kind, *counts in rows}


def test_every_kind_ends_with_the_counts_of_the_undisturbed_run(figures):
    assert set(figures) == set(KINDS)
    assert {(rounds, equal) for rounds, _, equal in figures.values()} == {(ROUNDS, ROUNDS)}


def test_the_drills_fell_in_the_middle(figures):
    """Or the test above would show nothing: on a quiet machine five of six do."""
    assert sum(landed for _, landed, _ in figures.values()) >= ROUNDS * len(KINDS) / 2
    assert figures["clock"][1] == ROUNDS

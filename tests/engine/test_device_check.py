"""The device check, dry: every stage runs to its end on a CPU, so that a GPU's minutes go into measuring."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

ROOT = Path(__file__).parents[2]


def test_every_stage_runs_dry_and_nothing_moves(tmp_path):
    out = tmp_path / "dry.json"
    path = os.pathsep.join([str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "device_check.py"), "--dry", "--out", str(out)],
        env={name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"} | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text())
    failed = {name: said for name, said in found.items() if isinstance(said, str) or "error" in str(said)}
    assert not failed
    assert len(found) == 23
    for name, said in found.items():
        if name.startswith("counts"):
            moved = {what: n for what, n in said.items() if isinstance(n, int)}
            assert len(moved) >= 5
            assert set(moved.values()) == {0}, name
    assert found["memory"]["moved"] == found["eager"]["moved"] == 0
    assert found["noise"]["(3, 8, 8) sigma 0.5"]["different"] == 0
    assert "cli" not in (ROOT / "benchmarks" / "device_check.py").read_text()

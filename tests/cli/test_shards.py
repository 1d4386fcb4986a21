"""Shards on a command line: ended by a scheduler's signal, queued again, merged; and what is refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("torch")

from noiseproof.cli.main import run
from noiseproof.store import read_run

MODEL = """
import time
from pathlib import Path
import torch

class Slow(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.linspace(-1, 1, 7840).reshape(784, 10).sin() / 28)
        self.pause = 0.05 if Path("slow").exists() else 0.0
    def forward(self, x):
        time.sleep(self.pause)
        return (x.flatten(1) - 0.5) @ self.weight.roll(1, 0)

def make():
    return Slow()
"""
LINE = [
    "certify",
    "--model",
    "m.py:make",
    "--data",
    "fashion-mnist-small",
    "--sigma",
    "0.5",
    "--n0",
    "20",
    "--n",
    "900",
]
LINE += ["--every", "30", "--limit", "6", "--batch-size", "32", "--workers", "1", "--device", "cpu"]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.py").write_text(MODEL)
    return tmp_path


def records(path: str) -> set:
    return {(r.key, r.index, r.answers, r.outcome) for r in read_run(Path(path)).records}


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1"])
def test_a_signal_ends_a_shard_in_seconds_and_the_same_line_goes_on(folder, name):
    (folder / "slow").touch()
    line = [sys.executable, "-c", "from noiseproof.cli.main import main; main()", *LINE, "--shard", "auto/2"]
    line += ["--out", "run-2"]
    array = os.environ | {"SLURM_ARRAY_TASK_ID": "2"}
    journal = folder / "run-2" / "journal.jsonl"
    with subprocess.Popen(line, env=array, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        patience = time.monotonic() + 90
        while not (journal.exists() and journal.read_bytes().count(b'"is":"range"') > 1):
            assert process.poll() is None, process.stderr and process.stderr.read()
            assert time.monotonic() < patience
            time.sleep(0.02)
        process.send_signal(getattr(signal, name))
        sent = time.monotonic()
        _, errors = process.communicate(timeout=30)
        assert time.monotonic() - sent < 10
    assert process.returncode == 75, errors
    said = f"noiseproof: ended by {name}: 0 of 3 inputs are finished; the same line goes on from here"
    assert errors.strip().splitlines()[-1] == said
    left = read_run(folder / "run-2")
    assert left.state.open
    assert not left.state.sealed
    (folder / "slow").unlink()
    assert run([*LINE, "--shard", "2/2", "--out", "run-2"]) == 0
    assert '"is":"restart"' not in journal.read_text()
    assert run([*LINE, "--shard", "1/2", "--out", "run-1"]) == 0
    assert run(["merge", "run-1", "run-2", "--out", "run"]) == 0
    assert run([*LINE, "--out", "whole"]) == 0
    assert records("run") == records("whole")
    assert len(records("run")) == 6


def test_shards_of_other_seeds_and_an_array_numbered_from_0(folder, monkeypatch, capsys):
    assert run([*LINE, "--shard", "1/2", "--out", "run-1"]) == 0
    assert run([*LINE, "--shard", "2/2", "--seed", "1", "--out", "run-2"]) == 0
    assert run(["merge", "run-1", "run-2", "--out", "run"]) == 1
    assert "run-1 and run-2 are not parts of one run: seed is 0, not 1" in capsys.readouterr().err
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "0")
    assert run([*LINE, "--shard", "auto/2", "--out", "run-0"]) == 2
    assert "shard must be from 1/2 to 2/2, got 0/2 from SLURM_ARRAY_TASK_ID=0; number the" in capsys.readouterr().err

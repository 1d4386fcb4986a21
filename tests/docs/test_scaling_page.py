"""Every line of docs/scaling.md, run from top to bottom on small data."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

pytest.importorskip("torch")

from noiseproof.cli.main import run
from noiseproof.store import read_run

PAGE = Path(__file__).resolve().parents[2] / "docs" / "scaling.md"
pytestmark = [
    pytest.mark.skipif(not PAGE.exists(), reason="the pages are not beside the tests"),
    pytest.mark.extra("ray", "submitit"),
    pytest.mark.slow,
]
MODEL = """
import torch

def make():
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
    net[1].weight.data = torch.linspace(-1, 1, 7840).reshape(784, 10).sin().T.contiguous() / 28
    net[1].bias.data[:] = 0
    return net
"""
SMALL = {"runs/rn50": "m.py:make", "imagenet": "fashion-mnist-small", "10.0.0.1:6379": "local", "10000": "200"}


def smaller(line: str) -> list[str]:
    """The words of a line, about a small model on small data, on this machine."""
    words = [SMALL.get(word, word) for word in shlex.split(line)[1:]]
    if words[0] in ("plan", "certify"):
        words += ["--every", "50", "--limit", "8", "--device", "cpu"]
        words += ["--pilot", "4", "--seconds", "0.01"] if words[0] == "plan" else ["--workers", "1"]
    return words + (["--address", "local"] if "slurm" in words else [])


def test_every_line_runs_and_all_ways_give_the_same_counts(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.py").write_text(MODEL)
    blocks = re.findall(r"^```\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    lines = [line for block in blocks for line in block.splitlines()]
    assert len(lines) == 9
    for line in lines:
        assert run(smaller(line)) == 0, (line, capsys.readouterr().err)
        if " plan " in line:
            assert "#SBATCH" in capsys.readouterr().out
    found = [read_run(Path("runs") / name).records for name in ("inet", "merged", "array")]
    said = [{(r.key, r.index, r.clean, r.answers, r.outcome) for r in records} for records in found]
    assert said[0] == said[1] == said[2]
    assert len(said[0]) == 8

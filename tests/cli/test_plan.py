"""``noiseproof plan`` from end to end on the pictures that ship with the package."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from noiseproof.cli.main import run

SOURCE = """
import torch

def base():
    generator = torch.Generator().manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
    net[1].weight.data = torch.randn(10, 784, generator=generator)
    return net
"""


@pytest.fixture
def line(tmp_path, monkeypatch) -> list[str]:
    pytest.importorskip("torch")
    monkeypatch.setattr("noiseproof.analysis.pilot.SIMULATED", 10)
    monkeypatch.setattr("noiseproof.analysis.pilot.RESAMPLED", 100)
    (tmp_path / "m.py").write_text(SOURCE)
    base = ["plan", "--model", f"{tmp_path / 'm.py'}:base", "--num-classes", "10", "--data", "fashion-mnist-small:test"]
    fast = ["--pilot", "5", "--pilot-draws", "50", "--seconds", "0.01", "--workers", "1", "--device", "cpu"]
    return [*base, *fast, "--sigma", "0.25", "--n", "2000", "--every", "50", "--limit", "12"]


def test_without_a_model_it_says_what_n_buys(capsys):
    assert run(["plan", "--sigma", "0.25", "--radius", "0.5"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"100,000 +3\.8115 +0\.9529", said)
    assert "r = 0.5 needs p_A > 0.97725, so n >= 301." in said
    assert "give --model and --data" in said


@pytest.mark.parametrize(
    ("target", "name"),
    [
        (["--radius", "0.05"], "decide"),
        (["--radii", "0:0.1:0.05"], "curve"),
        (["--acr"], "sequential"),
    ],
)
def test_plan_run_compare(line, target, name, tmp_path, capsys):
    plan, out = tmp_path / "plan.json", tmp_path / "run"
    assert run([*line, *target, "--out", str(plan)]) == 0
    said = capsys.readouterr().out
    assert "pilot: 5 of the 12 inputs, 50 draws each, which no certificate uses" in said
    stored = json.loads(plan.read_text())
    assert [each["procedure"]["name"] for each in stored["planned"]][1] == name
    chosen = stored["planned"][1]["line"]
    assert run([*shlex.split(chosen)[1:], "--out", str(out)]) == 0
    capsys.readouterr()
    assert run(["plan", "--compare", str(plan), str(out)]) == 0
    said = capsys.readouterr().out
    assert f"{name}, 12 inputs" in said
    assert "another" not in said


def test_the_line_that_is_printed_for_a_device_runs(line, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run([*line, "--radius", "0.05", "--devices", "5", "--within", "2h", "--out", "plan.json"]) == 0
    said = capsys.readouterr().out
    assert "decide within 2.0 h: 1 device like this one." in said
    lines = [each.strip() for each in said.splitlines() if each.startswith("  noiseproof decide")]
    assert len(lines) == 5
    assert run(shlex.split(lines[4])[1:]) == 0
    capsys.readouterr()
    assert run(["plan", "--compare", "plan.json", "run-5"]) == 0
    assert "the run has 2 finished inputs, the plan 12; planned totals are for 2" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        ([], 2, "--sigma must be given (or --compare FILE.json RUN)"),
        (["--sigma", "0.25", "--model", "m"], 2, "--model and --data must be given together"),
        (["--sigma", "0.25", "--every", "5"], 2, "--every goes with --model and --data, which must be given"),
        (["--grid", "0"], 2, "--grid goes with --sigma, which must be given"),
        (["--sigma", "0.25", "--radius", "1.4"], 2, "radius must be <= 1.124, which 2,000,000 draws"),
        (["--sigma", "0.25", "--radius", "0.5", "--acr"], 2, "give one of them"),
        (["--sigma", "0.25", "--within", "soon"], 2, "within must be a time such as 90s, 30m, 2h or 1.5d, got 'soon'"),
        (["--sigma", "0.25", "--within", "0h"], 2, "within must be > 0, got '0h'"),
        (["--sigma", "0.25", "--devices", "0"], 2, "devices must be >= 1, got 0"),
        (["--sigma", "0.25", "--pilot", "0"], 2, "pilot must be >= 1, got 0"),
        (["--sigma", "0", "--radius", "0.5"], 2, "sigma must be > 0, got 0.0"),
        (["--sigma", "0.25", "--alpha", "1.5"], 2, "alpha must be in (0, 1), got 1.5"),
        (["--sigma", "0.25", "--compare", "p", "r"], 2, "leave --sigma, --model and --data out"),
        (["--compare", "p.json", "r"], 1, "cannot read p.json"),
    ],
)
def test_what_a_user_gets_wrong_is_one_line(arguments, status, text, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["plan", *arguments]) == status
    said = capsys.readouterr()
    assert said.out == ""
    assert text in said.err
    assert said.err.count("\n") == 1

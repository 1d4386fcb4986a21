"""``noiseproof doctor``: a line a check, a status, a file."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("torch")

from noiseproof.checks.diagnose import CHECKS, FIRST
from noiseproof.cli.main import run

MODEL = """
import torch
from torch import nn

class Picked(nn.Module):
    def forward(self, x):
        rows = x.flatten(2).mean(1)
        return rows[:, :500:50] {leak}
"""


@pytest.fixture
def model(tmp_path):
    def make(leak: str = "") -> str:
        path = tmp_path / "mine.py"
        path.write_text(MODEL.format(leak=leak))
        return f"{path}:Picked"

    return make


def test_one_line_a_check_and_a_sentence(model, capsys):
    assert run(["doctor", "--model", model(), "--data", "fashion-mnist-small", "--limit", "60"]) == 0
    *lines, empty, last = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] in ("ok", "warn") for line in lines] == [True] * len(lines)
    assert len(lines) == len(FIRST) + len(CHECKS)
    assert empty == ""
    assert "at sigma 0.25 may be certified, but see the warnings (accuracy" in last


def test_a_refusal_is_status_1_and_in_the_file(model, capsys, tmp_path):
    file = tmp_path / "found.json"
    line = ["doctor", "--model", model("- x.mean()"), "--data", "fashion-mnist-small", "--json", str(file)]
    assert run([*line, "--limit", "60", "--sigma", "0.5"]) == 1
    said = capsys.readouterr().out
    assert "\nrefuse  own row " in said
    assert "a certificate would not be about what it says (own row, batch size)" in said
    found = json.loads(file.read_text())
    assert (found["verdict"], found["sigma"], found["data"]) == ("refuse", 0.5, "fashion-mnist-small:test")
    assert {finding["name"] for finding in found["findings"]} == set(FIRST) | set(CHECKS)
    by_name = {finding["name"]: finding for finding in found["findings"]}
    assert by_name["own row"]["measured"]["variation"] > 1e-3


def test_where_there_are_no_scores_the_rest_is_skipped(model, capsys):
    assert run(["doctor", "--model", model("[:, :4]"), "--data", "fashion-mnist-small"]) == 1
    said = capsys.readouterr().out
    assert "must return scores of shape (64, 10) for 64 inputs and num_classes=10, got (64, 4)" in said
    assert said.count("\nskipped") == 1
    assert f"\nskipped {len(CHECKS)} other checks: see scores\n" in said


def test_what_is_asked_wrongly_is_one_line(model, capsys):
    assert run(["doctor", "--model", model(), "--data", "fashion-mnist-small", "--sigma", "-1"]) == 2
    assert capsys.readouterr().err == "noiseproof: sigma must be > 0, got -1.0\n"
    assert run(["doctor", "--model", "nowhere", "--data", "fashion-mnist-small"]) == 1
    assert capsys.readouterr().err.startswith("noiseproof: no such path: nowhere")

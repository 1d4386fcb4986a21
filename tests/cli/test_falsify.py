"""``noiseproof falsify`` from end to end, and its loudest word."""

from __future__ import annotations

import itertools
import secrets
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("torch")

from noiseproof.cli.main import run
from noiseproof.store.attacks import KIND_FALSIFY, read_attack

SOURCE = """
import torch

def make():
    generator = torch.Generator().manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
    net[1].weight.data = torch.randn(10, 784, generator=generator)
    return net
"""
QUICK = ["--n", "50", "--limit", "1", "--workers", "1", "--device", "cpu"]


@pytest.fixture(autouse=True)
def _seeds(monkeypatch):
    """The operating system's seeds, fixed: a random test is never rerun until it is green."""
    seeds = itertools.count()
    monkeypatch.setattr(secrets, "randbits", lambda bits: next(seeds))


@pytest.fixture(scope="module")
def certified(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("falsify")
    (folder / "m.py").write_text(SOURCE)
    line = ["certify", "--model", f"{folder / 'm.py'}:make", "--num-classes", "10"]
    line += ["--data", "fashion-mnist-small:test", "--sigma", "0.1", "--n", "200", "--limit", "2", "--workers", "1"]
    assert run([*line, "--device", "cpu", "--out", str(folder / "run")]) == 0
    return folder / "run"


def test_it_writes_the_sandwich_beside_the_run_and_resumes(certified, capsys):
    assert run(["falsify", str(certified), "--at", "1, 3", *QUICK]) == 0
    out = certified.with_name("run-falsify")
    said = capsys.readouterr().out
    assert "empirical" in said
    assert "No certificate was contradicted." in said
    assert f"written: {out / 'report.txt'}, {out / 'report.md'}, {out / 'report.json'}, {out / 'sandwich.png'}" in said
    points = read_attack(out, KIND_FALSIFY).points
    assert {point.multiple for point in points} <= {1.0, 3.0}
    assert run(["falsify", "--config", str(out / "settings.toml"), "--style", "icml"]) == 0
    assert read_attack(out, KIND_FALSIFY).points == points
    with Image.open(out / "sandwich.png") as figure:
        assert figure.width == 650
    assert run(["falsify", str(certified), *QUICK, "--seed", "7"]) == 1
    assert "seed is 0, not 7" in capsys.readouterr().err


def test_every_flag_reaches_the_falsifier(certified, tmp_path):
    line = ["--alpha", "0.01", "--seed", "3", "--at", "2", "--root", str(tmp_path), "--batch-size", "32"]
    out = tmp_path / "f"
    assert run(["falsify", str(certified), "--out", str(out), *QUICK, *line]) == 0
    found = read_attack(out, KIND_FALSIFY)
    assert found.manifest.meaning["judge"] == {"name": "predict", "n": 50, "alpha": 0.01}
    assert found.manifest.meaning["seed"] == 3
    assert {point.index for point in found.points} == {0}
    text = (out / "settings.toml").read_text()
    assert "batch_size = 32" in text
    assert f'root = "{tmp_path}"' in text


def test_a_contradiction_is_said_loudly_with_status_1(certified, tmp_path, capsys, monkeypatch):
    from noiseproof.reports import falsify

    monkeypatch.setattr(falsify, "contradiction_text", lambda *a, **s: "CONTRADICTION: it broke")
    assert run(["falsify", str(certified), "--out", str(tmp_path / "a"), *QUICK, "--at", "1"]) == 1
    said = capsys.readouterr()
    assert "empirical" in said.out
    assert said.err.splitlines()[-1] == "noiseproof: CONTRADICTION: it broke"


@pytest.mark.parametrize(
    ("change", "status", "text"),
    [
        (["--at", "1,x"], 2, "at must be numbers such as 1,1.5,2, got '1,x'"),
        (["--at", "-1"], 2, "at must be multiples of the radius, > 0 and finite, got [-1.0]"),
        (["--limit", "0"], 2, "limit must be >= 1, got 0"),
        (["--n", "3"], 2, "n must be >= 11 to predict anything"),
        (["--model", "nowhere"], 1, "no such path: nowhere"),
    ],
)
def test_what_a_user_gets_wrong_is_one_line(certified, tmp_path, capsys, change, status, text):
    quick = QUICK
    if change[0] in QUICK:
        at = QUICK.index(change[0])
        quick = QUICK[:at] + QUICK[at + 2 :]
    assert run(["falsify", str(certified), "--out", str(tmp_path / "a"), *quick, *change]) == status
    said = capsys.readouterr().err
    assert text in said
    assert said.count("\n") == 1
    assert not (tmp_path / "a").exists()

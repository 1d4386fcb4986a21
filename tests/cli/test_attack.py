"""``noiseproof attack`` from end to end, and its loudest word."""

from __future__ import annotations

import itertools
import secrets
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("torch")

from noiseproof.cli.main import run
from noiseproof.store.attacks import read_attack

SOURCE = """
import torch

def make():
    generator = torch.Generator().manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
    net[1].weight.data = torch.randn(10, 784, generator=generator)
    return net
"""
QUICK = ["--steps", "4", "--draws", "8", "--n", "50", "--limit", "2", "--workers", "1", "--device", "cpu"]


@pytest.fixture(autouse=True)
def _seeds(monkeypatch):
    """The operating system's seeds, fixed: a random test is never rerun until it is green."""
    seeds = itertools.count()
    monkeypatch.setattr(secrets, "randbits", lambda bits: next(seeds))


@pytest.fixture(scope="module")
def certified(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("attack")
    (folder / "m.py").write_text(SOURCE)
    line = [
        "certify",
        "--model",
        f"{folder / 'm.py'}:make",
        "--num-classes",
        "10",
        "--data",
        "fashion-mnist-small:test",
    ]
    line += ["--sigma", "0.1", "--n", "200", "--limit", "4", "--workers", "1", "--device", "cpu"]
    assert run([*line, "--out", str(folder / "run")]) == 0
    return folder / "run"


def test_attack_writes_a_table_and_a_figure_and_resumes(certified, tmp_path, capsys):
    out = tmp_path / "a"
    assert run(["attack", str(certified), "--at", "1, 3", "--out", str(out), *QUICK]) == 0
    said = capsys.readouterr().out
    assert "share broken" in said
    assert "3 R" in said
    assert f"written: {out / 'table.txt'}, {out / 'table.md'}, {out / 'attack.png'}" in said
    points = read_attack(out).points
    assert [point.multiple for point in points] == [1.0, 3.0, 1.0, 3.0]
    assert run(["attack", "--config", str(out / "settings.toml"), "--out", str(out), "--style", "icml"]) == 0
    assert read_attack(out).points == points
    assert dots(out / "attack.png") == 650
    assert (out / "attack.pdf").exists()
    assert run(["attack", str(certified), "--at", "1,3", "--out", str(out), *QUICK, "--fresh"]) == 1
    assert "attack.fresh is False, not True" in capsys.readouterr().err


def dots(picture):
    with Image.open(picture) as opened:
        return opened.width


def test_every_flag_reaches_the_attack(certified, tmp_path):
    line = ["--steps", "3", "--draws", "5", "--step", "0.5", "--fresh", "--no-clip", "--seed", "7"]
    rest = ["--n", "60", "--alpha", "0.01", "--at", "2", "--limit", "1", "--workers", "1", "--device", "cpu"]
    assert run(["attack", str(certified), "--out", str(tmp_path / "a"), *line, *rest]) == 0
    found = read_attack(tmp_path / "a")
    assert found.manifest.meaning["attack"] == {
        "name": "pgd",
        "steps": 3,
        "draws": 5,
        "step": 0.5,
        "fresh": True,
        "clip": False,
        "seed": 7,
    }
    assert found.manifest.meaning["judge"] == {"name": "predict", "n": 60, "alpha": 0.01}
    assert [point.multiple for point in found.points] == [2.0]


def test_a_contradiction_is_said_loudly_with_status_1(certified, tmp_path, capsys, monkeypatch):
    from noiseproof.reports import attack

    monkeypatch.setattr(attack, "contradiction_text", lambda *a, **s: "CONTRADICTION: it broke")
    assert run(["attack", str(certified), "--out", str(tmp_path / "a"), *QUICK, "--at", "1"]) == 1
    said = capsys.readouterr()
    assert "share broken" in said.out
    assert said.err.splitlines()[-1] == "noiseproof: CONTRADICTION: it broke"


@pytest.mark.parametrize(
    ("change", "status", "text"),
    [
        (["--at", "1,x"], 2, "at must be numbers such as 1,1.5,2, got '1,x'"),
        (["--at", "-1"], 2, "at must be multiples of the radius, > 0 and finite, got [-1.0]"),
        (["--draws", "0"], 2, "draws must be >= 1, got 0"),
        (["--n", "3"], 2, "n must be >= 11 to predict anything"),
        (["--model", "nowhere"], 1, "no such path: nowhere"),
    ],
)
def test_what_a_user_gets_wrong_is_one_line(certified, tmp_path, capsys, change, status, text):
    quick = QUICK
    if change[0] in QUICK:
        at = QUICK.index(change[0])
        quick = QUICK[:at] + QUICK[at + 2 :]
    assert run(["attack", str(certified), "--out", str(tmp_path / "a"), *quick, *change]) == status
    said = capsys.readouterr().err
    assert text in said
    assert said.count("\n") == 1
    assert not (tmp_path / "a").exists()

"""A folder of pictures is one data set however its path is written, and wherever it was moved to."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

from noiseproof.cli.main import run
from noiseproof.store import read_run

MODEL = """
import torch

class Columns(torch.nn.Module):
    def forward(self, x):
        return torch.stack([x[:, 0, :, 2 * k : 2 * k + 2].mean((1, 2)) for k in range(3)], 1)
"""


@pytest.fixture
def certify(tmp_path, monkeypatch):
    """Certifies one more of nine pictures at each call, of a data set written so."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.py").write_text(MODEL)
    rng = np.random.default_rng(0)
    for label, name in enumerate(("cat", "dog", "emu")):
        (tmp_path / "d" / name).mkdir(parents=True)
        for i in range(3):
            pixels = rng.integers(0, 60, (6, 6), dtype=np.uint8)
            pixels[:, 2 * label : 2 * label + 2] += 190
            Image.fromarray(pixels).save(tmp_path / "d" / name / f"{i}.png")
    done = 0

    def of(data: str, verb: str = "certify") -> int:
        nonlocal done
        done += 1
        line = ["--model", "m.py:Columns", "--data", data, "--sigma", "0.25", "--n", "100", "--limit", str(done)]
        return run([verb, *line, "--workers", "1", "--out", "r"])

    return of


def test_one_path_written_in_several_ways_goes_on(certify, tmp_path, monkeypatch, capsys):
    (tmp_path / "link").symlink_to("d")
    monkeypatch.setenv("HOME", str(tmp_path))
    ways = ["d", "./d", "d/", "d//", "../" + tmp_path.name + "/d", str(tmp_path / "d"), "link", "~/d"]
    for number, way in enumerate(ways, 1):
        assert certify(f"folder:{way}") == 0, way
        assert len(read_run(tmp_path / "r").records) == number
    assert run(["verify", "r", "--replay", "all"]) == 0
    shutil.copytree("d", "other")
    capsys.readouterr()
    assert certify("folder:other") == 1
    assert "data.name is 'folder:d', not 'folder:other'" in capsys.readouterr().err


def test_a_training_goes_on_likewise(certify, capsys):
    del certify
    line = ["train", "--sigma", "1", "--arch", "small-cnn", "--threads", "1", "--out", "t"]
    assert run([*line, "--epochs", "1", "--data", "folder:d"]) == 0
    assert run([*line, "--epochs", "2", "--data", "folder:./d/"]) == 0
    shutil.copytree("d", "other")
    assert run([*line, "--epochs", "3", "--data", "folder:other"]) == 1
    assert "data is 'folder:d', not 'folder:other'" in capsys.readouterr().err


def test_one_that_was_moved_is_replayed_and_attacked_where_it_is_now(certify, tmp_path, capsys):
    assert certify("folder:d") == 0
    (tmp_path / "d").rename(tmp_path / "moved")
    assert run(["verify", "r", "--replay", "all"]) == 1
    assert "found none; give an existing path; give the certified data set with --data" in capsys.readouterr().err
    assert run(["verify", "r", "--replay", "all", "--data", "folder:moved"]) == 0
    assert run(["attack", "r", "--data", "folder:moved", "--n", "100", "--steps", "2", "--out", "a"]) == 0
    Image.fromarray(np.zeros((6, 6), np.uint8)).save(tmp_path / "moved" / "cat" / "0.png")
    capsys.readouterr()
    assert run(["verify", "r", "--replay", "all", "--data", "folder:moved"]) == 1
    assert "input 0 of folder:moved is another picture than the certified one" in capsys.readouterr().err
    (tmp_path / "moved" / "cat" / "2.png").unlink()
    assert run(["verify", "r", "--replay", "all", "--data", "folder:moved"]) == 1
    assert "the data set is not the one of r: labels is" in capsys.readouterr().err

"""Forty things that people get wrong: each is one line that says what was wrong and what to do, and leaves nothing."""

from __future__ import annotations

import re
import shlex

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

from noiseproof.cli.main import run

CERTIFY = "certify --model m.py:net --data folder:d --sigma 0.25 --n 100 --limit 1 --workers 1 --out o"
RUN = "is not a run folder: it has no manifest.json; give what a line had as its --out"

MISUSES = [
    (f"{CERTIFY.replace('--n 100', '--n 1e5')}", "n must be a whole number, got '1e5'"),
    (f"{CERTIFY} --batch-size 1000000000000", "batch_size must be <= 1,000,000, got 1000000000000"),
    (f"{CERTIFY} --stop-after -1", "stop_after must be > 0 seconds, got -1.0"),
    (f"{CERTIFY} --stop-after soon", "stop_after must be a number, got 'soon'"),
    (f"{CERTIFY} --skip-bad yes", "certify takes no more arguments, got 'yes'; a value stands behind its flag"),
    (f"{CERTIFY} --budget 5", "budget needs a procedure that may end at any look: decide, or a sequential one"),
    (f"{CERTIFY} --grid 0.5", "grid must be a whole number, got '0.5'"),
    (f"{CERTIFY} --consensus 2", "consensus must be at least 2 and less than the number of models"),
    (
        f"{CERTIFY} --denoiser nowhere",
        "no denoiser in nowhere; expected a run folder of `noiseproof train --task denoiser`",
    ),
    (f"{CERTIFY} --procedure Certify", "unknown procedure 'Certify'; did you mean 'certify'?"),
    (f"{CERTIFY} --precision FP32", "unknown precision 'FP32'; did you mean 'fp32'?"),
    (f"{CERTIFY} --device 0", "device must be auto, cpu, or one that torch can use, got '0'"),
    (CERTIFY.replace("0.25", "0.25,0.5"), "sigma must be a number, got '0.25,0.5'"),
    (
        CERTIFY.replace("0.25", "25"),
        "sigma must be <= 14.6 on the grid of 255 steps, got 25.0; use grid=None (--grid 0)",
    ),
    (CERTIFY.replace("--out o", "--out d"), "d holds other files and is not a run folder; choose another --out"),
    (CERTIFY.replace("--out o", "--out m.py"), "cannot make the folder m.py: File exists; choose another --out"),
    (CERTIFY.replace("m.py:net", "m.py"), "m.py is a Python file; say which model in it: m.py:name"),
    (CERTIFY.replace("m.py:net", "m.py:nett"), "the file defines no 'nett'; did you mean 'net'?"),
    (CERTIFY.replace("m.py:net", "m.py:outputs"), "got dict; take them out of it: lambda x: base(x)['logits']"),
    (CERTIFY.replace("m.py:net", "m.py:forgetful"), "must be a deterministic function of each row"),
    (CERTIFY.replace("m.py:net", "d"), "d has no weights.safetensors; expected a run folder of `noiseproof train`"),
    (CERTIFY.replace("m.py:net", "resnet18"), "no such path: resnet18; expected a run folder of `noiseproof train`"),
    (CERTIFY.replace("folder:d", "d"), "unknown data set 'd', which is a folder; give folder:d"),
    (CERTIFY.replace("folder:d", "''"), "unknown data set ''; known: FILE.csv"),
    (
        CERTIFY.replace("folder:d", "folder:~nobody/d"),
        "folder:~nobody/d: expected a folder of class folders, found none",
    ),
    (CERTIFY.replace("folder:d", "folder"), "data must say which folder, got 'folder'; give folder:PATH"),
    (CERTIFY.replace("folder:d", "folder:d/cat"), "of one class, give the folder above, folder:d"),
    (CERTIFY.replace("folder:d", "m.py"), "m.py is a Python file; say which data set in it: m.py:name"),
    (
        CERTIFY.replace("folder:d", "m.py:classes"),
        "m.py:classes must be a DataSet, a data set of torch, or a function that makes one, got int",
    ),
    (CERTIFY.replace("folder:d", "CIFAR-10"), "unknown data set 'CIFAR-10'; did you mean 'cifar10'?"),
    (
        CERTIFY.replace("folder:d", "fashion-mnist-small:val"),
        "unknown split of fashion-mnist-small 'val'; known: test, train",
    ),
    (
        "decide --model m.py:net --data folder:d --sigma 1 --radius 100 --out o",
        "radius must be below 7.581 with Gaussian",
    ),
    (
        "decide --model m.py:net --data folder:d --sigma 1 --radius 2/255 --out o",
        "radius must be a number, got '2/255'",
    ),
    ("verify d", f"d {RUN}"),
    ("show m.py", f"m.py {RUN}"),
    ("verify d --replay 3.5", "replay must be a number >= 0, or all, got '3.5'"),
    ("noise-images --data folder:d --out pictures", "out must end in .png, got 'pictures'"),
    ("train --data folder:d --sigma 1 --arch small-cnn --epochs 0 --out o", "epochs must be >= 1, got 0"),
    (
        "train --data folder:d --sigma 1 --arch ResNet110 --out o",
        "unknown architecture 'ResNet110'; did you mean 'resnet110'?",
    ),
    (
        "train --data folder:d --sigma 1 --loss-setting lambda --out o",
        "loss_setting must be NAME=VALUE such as lambda=10",
    ),
    ("data get folder:d", "unknown data set 'folder:d'; known: cifar10, "),
    ("plan --sigma 1 --radius -1", "radius must be >= 0, got -1.0"),
    ("completion powershell", "unknown shell 'powershell'; known: bash, fish, zsh"),
    ("certify --config m.py", "m.py is not TOML"),
]

MODEL = """
import torch


class Net(torch.nn.Module):
    def forward(self, x):
        return torch.stack([x[:, 0, :, 2 * k : 2 * k + 2].mean((1, 2)) for k in range(3)], 1)


class Outputs(Net):
    def forward(self, x):
        return {"loss": None, "logits": super().forward(x)}


class Forgetful(Net):
    def forward(self, x):
        return super().forward(torch.nn.functional.dropout(x))


net, outputs, forgetful, classes = Net(), Outputs(), Forgetful(), 3
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A model and nine pictures of three classes."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.py").write_text(MODEL)
    rng = np.random.default_rng(0)
    for name in ("cat", "dog", "emu"):
        (tmp_path / "d" / name).mkdir(parents=True)
        for i in range(3):
            Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(tmp_path / "d" / name / f"{i}.png")
    return tmp_path


@pytest.mark.parametrize(("line", "says"), MISUSES, ids=[line[:60] for line, _ in MISUSES])
def test_it_is_one_line_that_says_what_to_do(line, says, place, capsys, caplog):
    before = sorted(place.rglob("*"))
    assert run(shlex.split(line)) in (1, 2)
    said = capsys.readouterr()
    (last,) = [each for each in said.err.splitlines() if each.startswith("noiseproof: ")][-1:]
    assert says in last
    assert len(last) < 600
    assert "Traceback" not in said.err + caplog.text
    made = {path.name for path in {*place.rglob("*")} - {*before} if "__pycache__" not in str(path)}
    assert made <= {"o", "lock"}  # a folder in which nothing is


def test_they_are_forty():
    assert len({line for line, _ in MISUSES}) == len(MISUSES) >= 40


def test_a_meaning_of_many_looks_is_told_in_a_line(place, capsys):
    line = shlex.split("decide --model m.py:net --data folder:d --sigma 1 --limit 1 --out o --radius")
    assert run([*line, "0.1"]) == 0
    capsys.readouterr()
    assert run([*line, "0.2"]) == 1
    said = capsys.readouterr().err
    assert "o has another meaning: procedure.radius is 0.1, not 0.2; " in said
    assert said.endswith("...; give the old value, or choose another --out\n")
    assert len(re.findall(r"\d+, \d+", said)) < 100

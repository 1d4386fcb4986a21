"""``noiseproof train``: several sigmas, and the settings of the loss; recipes have a file of their own."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import noiseproof.training
import noiseproof.training.loop as loop
from noiseproof.asked import Training
from noiseproof.cli.main import run
from noiseproof.data import DataSet
from noiseproof.models import ARCHITECTURES
from noiseproof.training.augment import AUGMENTATIONS
from noiseproof.training.denoising import DENOISING_LOSSES
from noiseproof.training.losses import LOSSES


@pytest.fixture
def asked(monkeypatch) -> list[tuple[Training, Path]]:
    """The trainings that ``train`` was called with, and where they go."""
    calls: list[tuple[Training, Path]] = []
    monkeypatch.setattr(noiseproof.training, "train", lambda training, *, out, progress: calls.append((training, out)))
    return calls


def test_settings_of_the_loss(asked, tmp_path):
    """In a file and as flags; of several sigmas each training finds its own published ones."""
    (tmp_path / "mine.toml").write_text('loss = "consistency"\nloss-setting = ["lambda=7", "m=4"]\n')
    line = ["train", "--data", "mnist", "--sigma", "0.25", "--out", str(tmp_path / "m")]
    config = ["--config", str(tmp_path / "mine.toml")]
    assert run([*line, *config]) == 0
    assert run([*line, *config, "--loss-setting", "eta=0.1"]) == 0
    assert [(call.loss, call.loss_setting) for call, _ in asked] == [
        ("consistency", {"lambda": 7, "m": 4}),
        ("consistency", {"eta": 0.1}),
    ]


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (["--loss-setting", "lambda"], "loss_setting must be NAME=VALUE such as lambda=10, got 'lambda'"),
        (["--loss-setting", "m=2", "--loss-setting", "m=3"], "loss_setting must name each setting once, got m twice"),
        (["--loss-setting", "lambda=1"], "unknown setting of the loss gaussian 'lambda'; known: m"),
        (["--loss", "stability", "--loss-setting", "lambda=much"], "lambda must be a number, got 'much'"),
    ],
)
def test_a_loss_setting_that_is_none(capsys, tmp_path, flags, text):
    line = ["train", "--data", "fashion-mnist-small", "--sigma", "0.25", "--out", str(tmp_path / "m")]
    assert run([*line, *flags]) == 2
    assert capsys.readouterr().err.strip() == f"noiseproof: {text}"
    assert not (tmp_path / "m").exists()


def test_the_manifest_holds_what_was_published(fake, tmp_path):
    line = ["train", "--data", "cifar10", "--arch", "resnet20", "--epochs", "1", "--loss", "consistency"]
    assert run([*line, "--sigma", "0.25,0.5", "--out", str(tmp_path), "--loss-setting", "eta=0.25"]) == 0
    for sigma, published in (("0.25", 20.0), ("0.5", 10.0)):
        meaning = json.loads((tmp_path / sigma / "manifest.json").read_text())["meaning"]
        assert meaning["loss"] == {"name": "consistency", "lambda": published, "eta": 0.25, "m": 2}


@pytest.fixture
def fake(monkeypatch) -> None:
    """Six pictures under every name."""
    random = np.random.Generator(np.random.Philox(key=3))
    pictures = random.integers(0, 256, (6, 3, 32, 32)).astype(np.uint8)
    classes = tuple("abcdefghij")
    monkeypatch.setattr(
        loop, "given_data", lambda spec, **_: DataSet(f"{spec}:train", classes, (3, 32, 32), np.arange(6), pictures)
    )


def test_several_sigmas_train_one_after_the_other_and_resume(fake, tmp_path, capsys):
    line = ["train", "--data", "x", "--arch", "resnet20", "--batch-size", "3", "--epochs", "1", "--out", str(tmp_path)]
    assert run([*line, "--sigma", "0.12,0.25,1"]) == 0
    said = [text.split()[0] for text in capsys.readouterr().out.splitlines()]
    folders = [tmp_path / name for name in ("0.12", "0.25", "1.0")]
    assert said == [str(folder) for folder in folders]
    for folder, sigma in zip(folders, (0.12, 0.25, 1.0), strict=True):
        assert json.loads((folder / "manifest.json").read_text())["meaning"]["sigma"] == sigma
    before = [(folder / "checkpoint.pt").stat().st_mtime_ns for folder in folders]
    (folders[1] / "checkpoint.pt").unlink()
    (folders[1] / "weights.safetensors").unlink()
    assert run([*line, "--sigma", "0.12,0.25,1"]) == 0
    after = [(folder / "checkpoint.pt").stat().st_mtime_ns for folder in folders]
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, False, True]


def test_help_lists_what_there_is(capsys):
    """The names stand where torch is not needed; they are those of the registries."""
    assert run(["train", "--help"]) == 0
    said = "".join(capsys.readouterr().out.split())
    for names in (dict.fromkeys([*LOSSES, *DENOISING_LOSSES]), [*ARCHITECTURES, "dncnn"], AUGMENTATIONS):
        assert f"({','.join(names)})" in said


def test_one_sigma_goes_into_the_folder_itself(asked, tmp_path):
    assert run(["train", "--data", "x", "--sigma", "0.5", "--out", str(tmp_path / "m")]) == 0
    assert [(call.sigma, out) for call, out in asked] == [(0.5, tmp_path / "m")]


@pytest.mark.parametrize(
    "training",
    [
        Training(data="mnist", sigma=0.25),
        Training(
            data="a b", sigma=(0.25, 0.5), task="denoiser", arch="dncnn-4x8", epochs=3, lr=1e-3, weight_decay=0,
            loss="stability", loss_setting={"classifier": "a b", "one_step": True, "eta": 0.25}, targets=Path("t"),
            augment="flip", compile=True, tensorboard=True, root=Path("r"), seed=7, threads=2, extra="svhn", init="m",
        ),
    ],
)  # fmt: skip
def test_the_line_of_a_training_asks_for_it_again(asked, tmp_path, training):
    assert run(shlex.split(training.line(tmp_path))[1:]) == 0
    several = len(training.sigmas) > 1
    assert asked == [
        (replace(training, sigma=sigma), tmp_path / str(sigma) if several else tmp_path) for sigma in training.sigmas
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0.1,x", "sigma must be a number, or numbers with commas between them, got '0.1,x'"),
        ("", "sigma must be a number, or numbers with commas between them, got ''"),
        ("0.5,0.50", "sigma must name each value once, got '0.5,0.50'"),
        ("0.5,-1", "sigma must be >= 0, got -1.0"),
        ("nan", "sigma must be >= 0, got nan"),
    ],
)
def test_a_wrong_sigma_trains_nothing(asked, tmp_path, capsys, text, said):
    assert run(["train", "--data", "x", "--sigma", text, "--out", str(tmp_path / "m")]) == 2
    assert capsys.readouterr().err.strip() == f"noiseproof: {said}"
    assert asked == []

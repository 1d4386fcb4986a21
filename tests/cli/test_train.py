"""``noiseproof train``: recipes by name, several sigmas, and which of flag, file and recipe wins."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import noiseproof.training
import noiseproof.training.loop as loop
from noiseproof.cli.main import run
from noiseproof.cli.recipes import read_recipe, recipe_names
from noiseproof.data import DataSet

CIFAR = "python train.py cifar10 cifar_resnet110 models/cifar10/resnet110/noise_{0} --batch 400 --noise {0}"
IMAGENET = "python train.py imagenet resnet50 models/imagenet/resnet50/noise_{0} --batch 400 --noise {1}"
# The commands of experiments.MD in github.com/locuslab/smoothing, as they stand there (without --gpu).
COMMANDS = {
    "cohen2019/cifar10-resnet110-0.12": CIFAR.format("0.12"),
    "cohen2019/cifar10-resnet110-0.25": CIFAR.format("0.25"),
    "cohen2019/cifar10-resnet110-0.5": CIFAR.format("0.50"),
    "cohen2019/cifar10-resnet110-1.0": CIFAR.format("1.00"),
    "cohen2019/imagenet-resnet50-0.25": IMAGENET.format("0.25", "0.25"),
    "cohen2019/imagenet-resnet50-0.5": IMAGENET.format("0.50", "0.5"),
    "cohen2019/imagenet-resnet50-1.0": IMAGENET.format("1.00", "1.0"),
}
# What code/train.py there takes where the command says nothing, and our name for it.
DEFAULTS = {
    "epochs": 90,
    "lr": 0.1,
    "step_size": 30,  # --lr_step_size
    "gamma": 0.1,
    "momentum": 0.9,
    "weight_decay": 1e-4,
}
# What code/train.py, datasets.py and architectures.py do whatever is asked.
FIXED = {
    "cifar10": {"arch": "resnet110", "augment": "crop-flip", "loss": "gaussian", "schedule": "step"},
    "imagenet": {"arch": "resnet50", "augment": "resized-crop-flip", "loss": "gaussian", "schedule": "step"},
}
TRAINING = {"seed": 0, "precision": "fp32", "loss_setting": {}}


@pytest.fixture
def asked(monkeypatch) -> list[dict]:
    """What ``train`` was called with."""
    calls: list[dict] = []
    monkeypatch.setattr(noiseproof.training, "train", lambda **settings: calls.append(settings))
    return calls


def test_every_recipe_is_in_the_table_and_listed(capsys):
    assert recipe_names() == sorted(COMMANDS)
    assert run(["train", "--recipe", "list"]) == 0
    assert capsys.readouterr().out.split() == sorted(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_recipe_is_the_command_of_the_paper(name, asked, tmp_path):
    words = COMMANDS[name].split()
    data, flags = words[2], dict(zip(words[5::2], words[6::2], strict=True))
    wanted = DEFAULTS | FIXED[data] | {"data": data, "batch_size": 400, "sigma": float(flags["--noise"])}
    assert flags["--batch"] == "400"
    assert run(["train", "--recipe", name, "--out", str(tmp_path)]) == 0
    (got,) = asked
    ours = {"out", "device", "threads", "tensorboard", "root", "progress"}
    assert {key: value for key, value in got.items() if key not in ours} == wanted | TRAINING
    assert name.endswith(f"-{wanted['sigma']}")
    assert {key.replace("-", "_") for key in read_recipe(name)} == set(wanted)  # all of it stands in the file


def test_the_settings_file_wins_over_the_recipe_and_a_flag_over_both(asked, tmp_path):
    (tmp_path / "mine.toml").write_text('epochs = 7\nlr = 0.2\ndata = "cifar10-jpeg"\n')
    recipe = ["--recipe", "cohen2019/cifar10-resnet110-0.25"]
    config = ["--config", str(tmp_path / "mine.toml")]
    for first, second in ((recipe, config), (config, recipe)):
        assert run(["train", *first, *second, "--lr", "0.3", "--out", str(tmp_path / "m")]) == 0
        got = asked.pop()
        assert (got["epochs"], got["lr"], got["data"]) == (7, 0.3, "cifar10-jpeg")
        assert (got["batch_size"], got["arch"]) == (400, "resnet110")


def test_settings_of_the_loss(asked, tmp_path):
    """In a file and as flags; of several sigmas each training finds its own published ones."""
    (tmp_path / "mine.toml").write_text('loss = "consistency"\nloss-setting = ["lambda=7", "m=4"]\n')
    line = ["train", "--data", "mnist", "--sigma", "0.25", "--out", str(tmp_path / "m")]
    config = ["--config", str(tmp_path / "mine.toml")]
    assert run([*line, *config]) == 0
    assert run([*line, *config, "--loss-setting", "eta=0.1"]) == 0
    assert [(call["loss"], call["loss_setting"]) for call in asked] == [
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


def test_an_unknown_recipe(capsys, tmp_path):
    name = "cohen2019/cifar10-resnet110-0.2"
    assert run(["train", "--recipe", name, "--out", str(tmp_path / "m")]) == 2
    said = f"noiseproof: unknown recipe '{name}'; did you mean '{name}5'?"
    assert capsys.readouterr().err.strip() == said
    assert not (tmp_path / "m").exists()


@pytest.fixture
def fake(monkeypatch) -> None:
    """Six pictures under every name."""
    random = np.random.Generator(np.random.Philox(key=3))
    pictures = random.integers(0, 256, (6, 3, 32, 32)).astype(np.uint8)
    classes = tuple("abcdefghij")
    monkeypatch.setattr(
        loop, "load", lambda spec, **_: DataSet(f"{spec}:train", classes, (3, 32, 32), np.arange(6), pictures)
    )


@pytest.mark.parametrize("name", ["cohen2019/cifar10-resnet110-0.25", "cohen2019/imagenet-resnet50-0.5"])
def test_an_epoch_of_a_recipe(fake, tmp_path, name):
    assert run(["train", "--recipe", name, "--epochs", "1", "--out", str(tmp_path / "m")]) == 0
    meaning = json.loads((tmp_path / "m" / "manifest.json").read_text())["meaning"]
    recipe = read_recipe(name)
    assert meaning["augment"] == recipe["augment"]
    assert meaning["batch_size"] == 400
    assert meaning["arch"] == recipe["arch"]
    assert (tmp_path / "m" / "weights.safetensors").is_file()


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


def test_one_sigma_goes_into_the_folder_itself(asked, tmp_path):
    assert run(["train", "--data", "x", "--sigma", "0.5", "--out", str(tmp_path / "m")]) == 0
    assert (asked[0]["out"], asked[0]["sigma"]) == (Path(tmp_path / "m"), 0.5)


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

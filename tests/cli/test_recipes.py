"""Recipes: each is the command that it cites, field by field, and trains."""

from __future__ import annotations

import argparse
import json
import re
from argparse import Namespace
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib import resources
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import noiseproof.training
import noiseproof.training.given as given
import noiseproof.training.loop as loop
from noiseproof.asked import Training
from noiseproof.cli.main import run
from noiseproof.cli.recipes import read_recipe, recipe_names
from noiseproof.data import DataSet
from noiseproof.training.recipe import Recipe

MNIST = "mnist lenet --lr 0.01 --lr_step_size 30 --epochs 90"
CIFAR = "cifar10 cifar_resnet110 --lr 0.1 --lr_step_size 50 --epochs 150"
REST = "--workers 4 --batch 256 --gamma 0.1 --momentum 0.9 --weight-decay 1e-4"
IMAGENET = f"imagenet resnet50 {REST.replace('256', '256 --lr 0.1 --lr_step_size 30')} --epochs 90"
FIRST = "python train.py imagenet resnet50 models/imagenet/resnet50/noise_{} --batch 400 --noise {}"
PGD = "python code/train_pgd.py cifar10 cifar_resnet110 model_output_dir --batch 256 --noise"
MULTI = "--train-multi-noise --num-noise-vec"
PRETRAINED = "pretrained_models/imagenet32/PGD_2steps/eps_64/imagenet32/resnet110/noise_0.12/checkpoint.pth.tar"


def _commands() -> dict[str, str]:
    """The cited commands, as they stand there; from "python" on, on one line, with single spaces."""
    table = {
        "salman2019/cifar10-resnet110-0.12": f"{PGD} 0.12 --gpu 0 --lr_step_size 50 --epochs 150 --adv-training "
        f"--attack PGD --num-steps 10 --epsilon 64 {MULTI} 2 --warmup 10",
        "salman2019/cifar10-resnet110-0.12-finetuned": f"{PGD} 0.12 --gpu 0 --lr 0.001 --epochs 30 --adv-training "
        f"--attack PGD --num-steps 10 --epsilon 64 {MULTI} 2 --resume --pretrained-model {PRETRAINED}",
        "salman2019/cifar10-resnet110-0.12-m1": "python code/train_pgd.py cifar10 cifar_resnet110 ./ --batch 256 "
        "--noise 0.12 --gpu 0 --lr_step_size 50 --epochs 150 --adv-training --attack PGD --epsilon 64 --num-steps 2 "
        "--resume --warmup 10",
        "zhai2020/cifar10-resnet110-0.25": "python main.py --task train --dataset cifar10 --root /root/to/cifar10 "
        "--ckptdir /folder/for/checkpoints --matdir /folder/for/matfiles --sigma 0.25",
        "jeong2023/cifar10-resnet110-0.25": f"python code/train_catrs.py {CIFAR} --num-noise-vec 4 --noise 0.25 --id 0 "
        "--eps 256.0 --num-steps 4 --lbd 0.5",
    }
    long = MNIST.replace("30 --epochs 90", "50 --epochs 150")
    for name, flags in {
        "mnist-lenet": long,
        "fashion-mnist-lenet": "f" + long,
        "cifar10-resnet110": CIFAR,
        "imagenet-resnet50": "imagenet resnet50 --lr 0.1 --lr_step_size 30 --epochs 90",
    }.items():
        table[f"jeong2023/{name}-0.25-gaussian"] = f"python code/train_cohen.py {flags} --noise 0.25 --id 0"
    for sigma in ("0.12", "0.25", "0.50", "1.00"):
        place = f"cifar10 cifar_resnet110 models/cifar10/resnet110/noise_{sigma}"
        table[f"cohen2019/cifar10-resnet110-{float(sigma)}"] = f"python train.py {place} --batch 400 --noise {sigma}"
    for index, sigma in enumerate(("0.25", "0.50", "1.00")):
        short = str(float(sigma))
        mnist, cifar, imagenet = f"mnist-lenet-{short}", f"cifar10-resnet110-{short}", f"imagenet-resnet50-{short}"
        with_noise, attack = f"{MNIST} --noise {sigma}", "--epsilon 255 --num-steps 10 --warmup 10"
        deferred = ("16.0", "16.0", "6.0")[index]
        table |= {
            f"cohen2019/{imagenet}": FIRST.format(sigma, ("0.25", "0.5", "1.0")[index]),
            f"cohen2019/{mnist}": f"python code/train_cohen.py {with_noise}",
            f"li2019/{mnist}": f"python code/train_stab.py {with_noise} --lbd 2",
            f"salman2019/{mnist}": f"python code/train_salman.py {with_noise} --attack PGD {attack} --num-noise-vec 4",
            f"salman2019/{cifar}": f"{PGD} {sigma} --lr_step_size 50 --epochs 150 --adv-training --attack PGD "
            + "--num-steps "
            + ("10 --epsilon 255 {} 8", "2 --epsilon 512 {} 2", "10 --epsilon 512 {} 2")[index].format(MULTI)
            + " --warmup 10",
            f"zhai2020/{mnist}": f"python code/train_macer.py {with_noise} --num-noise-vec 16 --beta 16.0 --margin 8.0 "
            f"--lbd {deferred} --deferred",
            f"jeong2020/{mnist}": f"python code/train_consistency.py {with_noise} --num-noise-vec 2 "
            f"--lbd {(10, 5, 5)[index]}",
            f"jeong2020/{mnist}-smoothadv": f"python code/train_consistency.py {with_noise} --num-noise-vec 4 --lbd 1 "
            f"--adv-training {attack}",
            f"jeong2020/{cifar}": f"python code/train_consistency.py {CIFAR} {REST} --noise {short} --num-noise-vec 2 "
            f"--eta 0.5 --lbd {(20, 10, 10)[index]}",
            f"jeong2020/{imagenet}": f"python code/train_consistency.py {IMAGENET} --noise {sigma} --num-noise-vec 2 "
            f"--lbd {(10, 5, 5)[index]} --eta {(0.5, 0.5, 0.1)[index]}",
        }
        for mixed, suffix in enumerate(("", "-one-step")):
            smoothmix = "python code/train.py {} --noise {} --num-noise-vec {} --num-steps {} --alpha {}"
            smoothmix += " --mix_step {} --eta {} --id 0"
            steps, alpha = ((3, 2), (4, 4), (8, 8))[index], (0.5, 1.0, 2.0)[index]
            table |= {
                f"jeong2021/{mnist}-eta1{suffix}": smoothmix.format(MNIST, short, 4, steps[0], 1.0, mixed, 1.0),
                f"jeong2021/{mnist}{suffix}": smoothmix.format(MNIST, short, 4, steps[1], 1.0, mixed, 5.0),
                f"jeong2021/{cifar}{suffix}": smoothmix.format(CIFAR, short, 2, 4, alpha, mixed, 5.0),
            }
    return table


COMMANDS = _commands()


def _gaussian(_: Namespace) -> dict[str, Any]:
    return {"name": "gaussian", "m": 1}


def _stability(args: Namespace) -> dict[str, Any]:
    return {"name": "stability", "lambda": args.lbd, "m": 1}


def _smoothadv(args: Namespace) -> dict[str, Any]:
    assert getattr(args, "adv_training", True)
    assert getattr(args, "train_multi_noise", True) or args.num_noise_vec == 1
    eps, m = args.epsilon / 256, args.num_noise_vec
    own = {"eps": eps, "m": m, "steps": args.num_steps, "warmup": args.warmup}
    return {"name": "smoothadv", **own, "lambda": 0.0, "eta": 0.0, "attack": getattr(args, "attack", "PGD").lower()}


def _consistency(args: Namespace) -> dict[str, Any]:
    if args.adv_training:
        return _smoothadv(args) | {"lambda": args.lbd, "eta": args.eta}
    return {"name": "consistency", "lambda": args.lbd, "eta": args.eta, "m": args.num_noise_vec}


def _macer(args: Namespace) -> dict[str, Any]:
    own = {"lambda": args.lbd, "after_drops": int(args.deferred), "m": args.num_noise_vec}
    return {"name": "macer", **own, "beta": args.beta, "gamma": args.margin}


def _smoothmix(args: Namespace) -> dict[str, Any]:
    assert args.mix_step in (0, 1)
    own = {"step": args.alpha, "steps": args.num_steps, "m": args.num_noise_vec, "one_step": args.mix_step == 1}
    return {"name": "smoothmix", **own, "eta": args.eta, "warmup": args.warmup}


def _cat_rs(args: Namespace) -> dict[str, Any]:
    own = {"lambda": args.lbd, "eps": args.epsilon / 256, "m": args.num_noise_vec, "steps": args.num_steps}
    return {"name": "cat-rs", **own}


@dataclass(frozen=True)
class Script:
    """A script of the authors: what its flags mean, and what it takes where the command says nothing."""

    loss: Callable[[Namespace], dict[str, Any]]
    flags: dict[str, Any] = field(default_factory=dict)
    places: tuple[str, ...] = ("dataset", "arch")
    splits: bool = False  # each loaded batch into m parts, with a step each
    late: int = 1  # by how many epochs its rate drops later than ours


SHARED = {"--workers": 4, "--epochs": 90, "--batch": 256, "--lr": 0.1, "--lr_step_size": 30, "--gamma": 0.1}
SHARED |= {"--momentum": 0.9, "--weight-decay": 1e-4, "--noise_sd": 0.0, "--id": 0, "--gpu": "", "--resume": False}
ATTACKED = {"--epsilon": 64.0, "--num-steps": 10, "--warmup": 1, "--num-noise-vec": 1, "--attack": "DDN"}
SCRIPTS = {
    "train.py": Script(_gaussian, places=("dataset", "arch", "outdir"), late=0),
    "code/train_cohen.py": Script(_gaussian),
    "code/train_stab.py": Script(_stability, {"--lbd": 2.0}),
    "code/train_salman.py": Script(_smoothadv, ATTACKED, splits=True),
    "code/train_pgd.py": Script(
        _smoothadv,
        ATTACKED | {"--adv-training": False, "--train-multi-noise": False, "--pretrained-model": ""},
        places=("dataset", "arch", "outdir"),
        splits=True,
        late=0,
    ),
    "code/train_consistency.py": Script(
        _consistency,
        {"--epochs": 150, "--lr_step_size": 50, "--num-noise-vec": 1, "--lbd": 10.0, "--eta": 0.5}
        | {"--adv-training": False, "--epsilon": 512.0, "--num-steps": 4, "--warmup": 10},
        splits=True,
    ),
    "code/train_macer.py": Script(
        _macer, {"--num-noise-vec": 16, "--beta": 16.0, "--lbd": 16.0, "--margin": 8.0, "--deferred": False}
    ),
    "code/train.py": Script(
        _smoothmix,
        {"--epochs": 150, "--lr_step_size": 50, "--num-noise-vec": 1, "--alpha": 1.0, "--num-steps": 8}
        | {"--eta": 1.0, "--mix_step": 0, "--warmup": 10},
        splits=True,
    ),
    "code/train_catrs.py": Script(
        _cat_rs, {"--num-noise-vec": 4, "--epsilon": 256.0, "--num-steps": 4, "--lbd": 1.0}, splits=True
    ),
    # Flags by other names, and much that no flag can change: what the body says is put down as a default here.
    "main.py": Script(
        _macer,
        {"--task": "train", "--dataset": "cifar10", "--arch": "cifar_resnet110", "--root": "", "--ckptdir": ""}
        | {"--matdir": "", "--epochs": 440, "--batch": 64, "--lr": 0.01, "--lr_step_size": 200, "--weight-decay": 5e-4}
        | {"--num-noise-vec": 16, "--lbd": 12.0, "--margin": 8.0, "--beta": 16.0, "--deferred": False},
        places=(),
        late=-1,
    ),
}
OURS = {"fmnist": "fashion-mnist", "cifar_resnet110": "resnet110"}
AUGMENT = {"mnist": "none", "fmnist": "none", "cifar10": "crop-flip", "imagenet": "resized-crop-flip"}


def _read(command: str) -> tuple[Script, Namespace]:
    """A cited command, read as its script reads it (flags may be cut short)."""
    _, path, *words = command.replace("--sigma", "--noise").split()
    script = SCRIPTS[path]
    parser = argparse.ArgumentParser(exit_on_error=False)
    for place in script.places:
        parser.add_argument(place)
    for flag, default in (SHARED | script.flags).items():
        if default is False:
            parser.add_argument(flag, action="store_true")
        else:
            parser.add_argument(flag, default=default, type=type(default))
    return script, parser.parse_args(words)


def _wanted(script: Script, args: Namespace) -> dict[str, Any]:
    """What our ``train`` must be called with, but for the loss."""
    return {
        "data": OURS.get(args.dataset, args.dataset),
        "arch": OURS.get(args.arch, args.arch),
        "sigma": args.noise_sd,
        "epochs": args.epochs,
        "batch_size": args.batch // (args.num_noise_vec if script.splits else 1),
        "lr": args.lr,
        "momentum": args.momentum,
        "weight_decay": args.weight_decay,
        "schedule": "step",
        "step_size": args.lr_step_size,
        "gamma": args.gamma,
        "augment": AUGMENT[args.dataset],
    }


@pytest.fixture
def asked(monkeypatch) -> list[Training]:
    """The trainings that ``train`` was called with."""
    calls: list[Training] = []
    monkeypatch.setattr(noiseproof.training, "train", lambda training, *, out, progress: calls.append(training))
    return calls


def test_every_recipe_is_in_the_table_and_listed(capsys):
    assert recipe_names() == sorted(COMMANDS)
    assert run(["recipes"]) == 0
    assert capsys.readouterr().out.split() == sorted(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_recipe_is_the_command_that_it_cites(name, asked, tmp_path):
    script, args = _read(COMMANDS[name])
    wanted, loss = _wanted(script, args), script.loss(args)
    assert run(["train", "--recipe", name, "--out", str(tmp_path)]) == 0
    (got,) = asked
    assert {key: getattr(got, key) for key in wanted} == wanted
    recipe = Recipe.of(got)  # and it can be trained to the end
    found = recipe.loss
    assert {"name": found.name} | {key.removesuffix("_"): value for key, value in asdict(found).items()} == loss
    # All of it stands in the file: nothing is left to a default, nothing else is changed.
    assert got.loss_setting.keys() == loss.keys() - {"name"}
    assert {key.replace("-", "_") for key in read_recipe(name)} == {*wanted, "loss", "loss_setting"}
    assert got == Training(**wanted, loss=got.loss, loss_setting=got.loss_setting)
    assert recipe.rate_drops(got.epochs - 1) >= found.rate_drops_needed


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_recipe_says_where_it_is_from_and_what_differs(name):
    script, args = _read(COMMANDS[name])
    wanted = _wanted(script, args)
    assert re.fullmatch(rf"[a-z]+20\d\d/{wanted['data']}-{wanted['arch']}-{wanted['sigma']}(-[a-z0-9-]+)?", name)
    lines = resources.files("noiseproof").joinpath("recipes", *f"{name}.toml".split("/")).read_text().splitlines()
    comments = [line.removeprefix("#").rstrip("\\") for line in lines if line.startswith("#")]
    text = " ".join(" ".join(comments).split())
    assert re.search(r"Source: github\.com/[\w-]+/[\w-]+ at [0-9a-f]{40} [\w.]+, lines? \d+", text)
    assert re.search(re.escape(COMMANDS[name]) + r" (?![-\d])", text), "the command is not the cited one"
    m = args.num_noise_vec if script.splits else 1
    assert (f"is split into m = {m} with a step each: {args.batch // m} here" in text) == (m > 1)
    drops = [epoch + script.late for epoch in range(args.lr_step_size, args.epochs, args.lr_step_size)]
    late = {1: "later", -1: "earlier"}.get(script.late, "never")
    told = f"the rate drops one epoch {late} than here, after {' and '.join(map(str, drops))} epochs"
    assert (told in text) == ("the rate drops" in text) == (script.late != 0)
    assert ("Needs --targets" in text) == (wanted["arch"] == "resnet110" and script.loss is _cat_rs)
    assert ("Needs --init" in text) == bool(getattr(args, "pretrained_model", ""))


def test_the_settings_file_wins_over_the_recipe_and_a_flag_over_both(asked, tmp_path):
    (tmp_path / "mine.toml").write_text('epochs = 7\nlr = 0.2\ndata = "cifar10-jpeg"\n')
    recipe = ["--recipe", "cohen2019/cifar10-resnet110-0.25"]
    config = ["--config", str(tmp_path / "mine.toml")]
    for first, second in ((recipe, config), (config, recipe)):
        assert run(["train", *first, *second, "--lr", "0.3", "--out", str(tmp_path / "m")]) == 0
        got = asked.pop()
        assert (got.epochs, got.lr, got.data) == (7, 0.3, "cifar10-jpeg")
        assert (got.batch_size, got.arch) == (400, "resnet110")


def test_another_loss_than_the_recipe_has_its_own_settings(asked, tmp_path):
    line = ["train", "--recipe", "cohen2019/cifar10-resnet110-0.25", "--out", str(tmp_path / "m")]
    assert run([*line, "--loss", "consistency"]) == 0
    assert run([*line, "--loss", "consistency", "--loss-setting", "eta=0.1"]) == 0
    assert run(line) == 0
    assert [(call.loss, call.loss_setting) for call in asked] == [
        ("consistency", {}),
        ("consistency", {"eta": 0.1}),
        ("gaussian", {"m": 1}),
    ]


def test_a_loss_setting_as_a_flag_takes_the_place_of_all_of_the_recipe(asked, tmp_path):
    """So that the published row of another sigma is found again: the rest is then as published for it."""
    line = ["train", "--recipe", "jeong2020/mnist-lenet-0.25", "--out", str(tmp_path), "--sigma", "0.5"]
    assert run([*line, "--loss-setting", "m=4"]) == 0
    assert (asked[0].loss, asked[0].loss_setting, asked[0].sigma) == ("consistency", {"m": 4}, 0.5)


def test_an_unknown_recipe(capsys, tmp_path):
    name = "cohen2019/cifar10-resnet110-0.2"
    assert run(["train", "--recipe", name, "--out", str(tmp_path / "m")]) == 2
    said = f"noiseproof: unknown recipe '{name}'; did you mean '{name}5'?"
    assert capsys.readouterr().err.strip() == said
    assert not (tmp_path / "m").exists()


@pytest.fixture
def fake(monkeypatch) -> None:
    """Six pictures under every name, and targets that know nothing."""
    random = np.random.Generator(np.random.Philox(key=3))

    def load(spec: str, **_: object) -> DataSet:
        shape = (1, 28, 28) if "mnist" in spec else (3, 32, 32)
        pictures = random.integers(0, 256, (6, *shape)).astype(np.uint8)
        return DataSet(f"{spec}:train", tuple("abcdefghij"), shape, np.arange(6), pictures)

    monkeypatch.setattr(loop, "given_data", load)
    monkeypatch.setattr(given, "soft_targets", lambda *_, **__: np.full((6, 10), 0.1, dtype=np.float32))


def _kinds() -> list[Any]:
    """Of each architecture with each loss the recipe with the fewest passes; deep ones with several are slow."""
    kinds: dict[tuple[str, str], tuple[int, str]] = {}
    for name in sorted(COMMANDS):
        script, args = _read(COMMANDS[name])
        loss = script.loss(args)
        passes = loss["m"] * (1 + loss.get("steps", 0))
        kind = (_wanted(script, args)["arch"], loss["name"])
        kinds[kind] = min(kinds.get(kind, (passes, name)), (passes, name))
    slow = pytest.mark.slow
    return [
        pytest.param(name, marks=[slow] if passes > 1 and arch != "lenet" else [], id=f"{arch}-{loss}")
        for (arch, loss), (passes, name) in sorted(kinds.items())
    ]


@pytest.mark.parametrize("name", _kinds())
def test_an_epoch_of_a_recipe(fake, tmp_path, name):
    """Two where the loss waits for a drop of the rate."""
    recipe = read_recipe(name)
    line = ["train", "--recipe", name, "--out", str(tmp_path / "m")]
    line += ["--targets", str(tmp_path)] if recipe["loss"] == "cat-rs" else []
    late = "after_drops=1" in recipe["loss-setting"]
    assert run([*line, *(["--epochs", "2", "--step-size", "1"] if late else ["--epochs", "1"])]) == 0
    meaning = json.loads((tmp_path / "m" / "manifest.json").read_text())["meaning"]
    script, args = _read(COMMANDS[name])
    assert meaning["loss"].items() <= script.loss(args).items()
    for key in ("arch", "augment", "lr", "sigma"):
        assert meaning.get(key, "none") == recipe[key]
    assert meaning["batch_size"] == recipe["batch-size"]
    assert (tmp_path / "m" / "weights.safetensors").is_file()

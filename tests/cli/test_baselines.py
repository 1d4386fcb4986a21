"""``noiseproof baselines`` from end to end; no other package is needed for certificates by the Lipschitz constant."""

from __future__ import annotations

import re
import sys

import pytest
from PIL import Image

pytest.importorskip("torch")

import torch

from noiseproof.baselines import METHODS
from noiseproof.cli.main import run
from noiseproof.errors import pip_install
from noiseproof.models import build
from noiseproof.models.weights import save_weights

DATA = ["--data", "fashion-mnist-small:test"]


@pytest.fixture
def model(tmp_path):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build("small-cnn", num_classes=10, shape=(1, 28, 28))
    path = tmp_path / "m.safetensors"
    said = {"architecture": "small-cnn", "num_classes": "10", "shape": "[1, 28, 28]", "sigma": "0.0"}
    save_weights(network, path, said)
    return str(path)


def test_certify_and_report_stand_side_by_side(model, tmp_path, capsys):
    smoothed, other, out = (str(tmp_path / name) for name in ("run", "other", "out"))
    line = ["certify", "--model", model, *DATA, "--sigma", "0.25", "--n", "100", "--limit", "4", "--workers", "1"]
    assert run([*line, "--device", "cpu", "--out", smoothed]) == 0
    assert run(["baselines", "certify", "lipschitz", "--model", model, *DATA, "--limit", "3", "--out", other]) == 0
    assert "3 inputs: " in capsys.readouterr().out
    assert run(["baselines", "report", "--smoothed", smoothed, "--other", other, "--out", out, "--style", "icml"]) == 0
    with Image.open(f"{out}/baselines.png") as figure:
        assert figure.width == 650
    said = capsys.readouterr().out
    assert "Lipschitz, small-cnn, plain training" in said
    assert "smoothing, small-cnn, sigma 0.25" in said
    assert "of the 3 inputs that all methods have" in said
    assert "baselines.pdf" in said


def test_a_broken_certificate_is_status_one(model, tmp_path, capsys, monkeypatch):
    from noiseproof.baselines import certifying

    monkeypatch.setattr(certifying, "attacked_class", lambda network, x, y, distance, attack: (y + 1) % 10)
    line = ["baselines", "certify", "lipschitz", "--model", model, *DATA, "--limit", "2"]
    assert run([*line, "--out", str(tmp_path / "other")]) == 1
    assert "noiseproof: the certificate is contradicted at inputs 0, 1\n" in capsys.readouterr().err


def test_help_lists_the_methods(capsys):
    for verb in ("train", "certify"):
        assert run(["baselines", verb, "--help"]) == 0
        listed = re.search(r"\(([a-z, ]+)\) \[required\]", " ".join(capsys.readouterr().out.split()))
        assert listed is not None
        assert sorted(listed[1].split(", ")) == sorted(METHODS)


def test_what_is_asked_wrongly_is_one_line(tmp_path, capsys, monkeypatch):
    out = ["--out", str(tmp_path / "o")]
    assert run(["baselines", "train", "wang", *DATA, *out]) == 2
    assert capsys.readouterr().err == "noiseproof: unknown method 'wang'; did you mean 'wong'?\n"
    assert run(["baselines", "train", "wong", "--tau", "3", *DATA, *out]) == 2
    said = "noiseproof: unknown setting of the method wong 'tau'; known: eps, precision, projections\n"
    assert capsys.readouterr().err == said
    for package, method in (("convex_adversarial", "wong"), ("deel.torchlip", "lipschitz")):
        monkeypatch.setitem(sys.modules, package.partition(".")[0], None)
        monkeypatch.setitem(sys.modules, package, None)
        assert run(["baselines", "train", method, *DATA, "--out", str(tmp_path / method)]) == 1
        said = capsys.readouterr().err
        assert said.startswith(f"noiseproof: {method} needs {package}: {pip_install('baselines')}")
        assert said.count("\n") == 1

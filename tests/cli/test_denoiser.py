"""``--denoiser`` from end to end: the verbs stand a denoiser before the model, and a run leads back to both."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch

from noiseproof.asked import Subject
from noiseproof.cli.main import run
from noiseproof.data import load as load_data
from noiseproof.models import load, save_weights
from noiseproof.models.denoised import build_denoiser, denoised_spec
from noiseproof.store import read_run

SOURCE = """
import torch

def make():
    generator = torch.Generator().manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
    net[1].weight.data = torch.randn(10, 784, generator=generator)
    return net
"""
QUICK = ["--limit", "2", "--workers", "1", "--device", "cpu"]


@pytest.fixture(scope="module")
def parts(tmp_path_factory) -> tuple[str, str]:
    """A denoiser and a classifier."""
    folder = tmp_path_factory.mktemp("parts")
    (folder / "m.py").write_text(SOURCE)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = build_denoiser("dncnn-3x4", shape=(1, 28, 28))
        torch.nn.init.normal_(module.dncnn[-1].weight, std=0.1)
    (folder / "dn").mkdir()
    save_weights(module, folder / "dn" / "weights.safetensors", {"task": "denoiser", "architecture": "dncnn-3x4"})
    return str(folder / "dn"), f"{folder / 'm.py'}:make"


def line(verb: str, parts: tuple[str, str], out: Path) -> list[str]:
    about = ["--data", "fashion-mnist-small:test", "--sigma", "0.1", *QUICK]
    return [verb, "--model", parts[1], "--denoiser", parts[0], *about, "--out", str(out)]


@pytest.mark.parametrize(
    ("verb", "rest"),
    [
        ("certify", ["--n", "100"]),
        ("predict", ["--n", "50"]),
        ("decide", ["--radius", "0.05", "--n-max", "1000"]),
    ],
)
def test_what_draws_is_the_denoised_classifier(parts, tmp_path, verb, rest):
    assert run([*line(verb, parts, tmp_path / "run"), *rest]) == 0
    found = read_run(tmp_path / "run")
    spec = denoised_spec(parts[1], parts[0])
    assert found.manifest.meaning["model"]["fingerprint"] == load(spec, num_classes=10).fingerprint
    settings = found.state.sessions[-1]["settings"]
    assert (settings["model"], settings["denoiser"]) == (parts[1], parts[0])


def test_another_denoiser_is_another_run(parts, tmp_path, capsys):
    assert run([*line("certify", parts, tmp_path / "run"), "--n", "100"]) == 0
    without = [word for word in line("certify", parts, tmp_path / "run") if word not in ("--denoiser", parts[0])]
    assert run([*without, "--n", "100"]) == 1
    assert "fingerprint" in capsys.readouterr().err


def test_plan_and_doctor_look_at_both(parts, tmp_path, capsys):
    about = ["--model", parts[1], "--denoiser", parts[0], "--data", "fashion-mnist-small:test", "--sigma", "0.1"]
    kept = tmp_path / "plan.json"
    plan = [
        "plan",
        *about,
        "--pilot",
        "2",
        "--pilot-draws",
        "10",
        "--seconds",
        "0.01",
        "--limit",
        "5",
        "--workers",
        "1",
    ]
    assert run([*plan, "--out", str(kept)]) == 0
    spec = denoised_spec(parts[1], parts[0])
    assert load(spec, num_classes=10).fingerprint in kept.read_text()
    assert run(["doctor", *about, "--limit", "20"]) in (0, 1)
    assert f"{spec} on fashion-mnist-small:test" in capsys.readouterr().out


@pytest.fixture(scope="module")
def certified(parts, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("certified") / "run"
    assert run([*line("certify", parts, out), "--n", "100"]) == 0
    return out


def test_an_attack_goes_through_both(certified, parts, tmp_path):
    quick = ["attack", str(certified), "--at", "0.5", "--n", "20", "--limit", "1", "--workers", "1", "--device", "cpu"]
    quick += ["--steps", "2", "--draws", "4"]
    assert run([*quick, "--out", str(tmp_path / "a")]) == 0
    assert run([*quick, "--out", str(tmp_path / "b"), "--model", parts[1], "--denoiser", parts[0]]) == 0


@pytest.mark.parametrize("verb", ["attack", "falsify"])
def test_the_classifier_alone_is_not_what_was_certified(certified, parts, tmp_path, capsys, verb):
    words = [verb, str(certified), "--limit", "1", "--device", "cpu", "--out", str(tmp_path / "a")]
    assert run([*words, "--model", parts[1]]) == 1
    assert "has the fingerprint" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()
    # the run itself names the classifier behind it
    assert run([*words, "--denoiser", parts[0]]) == 0
    assert "fingerprint" not in capsys.readouterr().err
    # both named, it is the model: what is refused then is something else
    assert run([*words, "--model", parts[1], "--denoiser", parts[0], "--n", "0"]) != 0
    assert "fingerprint" not in capsys.readouterr().err


def test_the_level_is_that_of_the_noise(monkeypatch):
    resolve, asked = importlib.import_module("noiseproof.runners.model"), []
    monkeypatch.setattr(resolve, "_single", lambda model, *_: asked.append(model))
    monkeypatch.setattr(resolve, "ensemble", lambda members, consensus: None)
    for denoiser in ("ffdnet", None):
        subject = Subject(model=["a", "b"], data="d", denoiser=denoiser)
        resolve.model_of(subject, load_data("fashion-mnist-small"), sigma=0.25)
    assert asked == ["denoised:ffdnet@0.25::a", "denoised:ffdnet@0.25::b", "a", "b"]

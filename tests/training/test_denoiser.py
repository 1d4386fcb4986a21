"""``train(task="denoiser")``: the same loop for a network that stands before a classifier."""

import json
import math

import pytest
import torch

from noiseproof.cli.main import run
from noiseproof.errors import ModelError, RunError
from noiseproof.models import load, load_weights
from noiseproof.models.denoised import Denoised, load_denoiser
from noiseproof.training.progress import _quality
from tests.asking import train

SMALL = {"arch": "dncnn-4x8", "task": "denoiser", "sigma": 0.25, "epochs": 2, "batch_size": 8}


def weights(out):
    return load_weights(out / "weights.safetensors")[0]


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_it_learns_to_take_noise_away(stripes, tmp_path):
    result = train(data=stripes, out=tmp_path / "d", **SMALL | {"epochs": 30, "lr": 0.01})
    assert math.isnan(result.accuracy)
    assert result.loss < 0.5 * 0.25**2  # half the noise is gone
    denoiser = load_denoiser(tmp_path / "d", shape=stripes.shape)
    x = torch.from_numpy(stripes.images()).float() / 255
    noisy = x + 0.25 * torch.randn(x.shape, generator=torch.Generator().manual_seed(5))
    with torch.inference_mode():
        assert (denoiser.module(noisy) - x).square().mean() < 0.5 * (noisy - x).square().mean()
    assert denoiser.fingerprint


def test_what_is_written_down(stripes, tmp_path):
    train(data=stripes, out=tmp_path / "d", **SMALL)
    meaning = json.loads((tmp_path / "d" / "manifest.json").read_text())["meaning"]
    told = {name: meaning[name] for name in ("task", "optimizer", "lr", "loss", "arch")}
    assert told == {"task": "denoiser", "optimizer": "adam", "lr": 0.001, "loss": {"name": "mse"}, "arch": "dncnn-4x8"}
    rows = [json.loads(line) for line in (tmp_path / "d" / "metrics.jsonl").read_text().splitlines()]
    assert [row.keys() for row in rows] == [{"epoch", "loss", "lr", "seconds"}] * 2
    assert load_weights(tmp_path / "d" / "weights.safetensors")[1]["task"] == "denoiser"


def test_it_resumes_and_begins_with_given_weights(stripes, tmp_path):
    settings = {"data": stripes, **SMALL}
    train(**settings | {"out": tmp_path / "d", "epochs": 1})
    train(**settings | {"out": tmp_path / "d"})
    train(**settings | {"out": tmp_path / "whole"})
    assert same(weights(tmp_path / "d"), weights(tmp_path / "whole"))  # Adam's state, too
    train(**settings | {"out": tmp_path / "more", "init": tmp_path / "d", "lr": 1e-12, "epochs": 1})
    more, begun = weights(tmp_path / "more"), weights(tmp_path / "d")
    for name in begun:
        if name.endswith(("weight", "bias")):
            assert torch.allclose(more[name], begun[name], atol=1e-6)


def test_stability_needs_a_classifier_and_goes_on_from_mse(stripes, tmp_path):
    train(data=stripes, arch="lenet", out=tmp_path / "f", sigma=0.0, epochs=8, batch_size=16, lr=0.05)
    settings = {"data": stripes, **SMALL, "loss": "stability"}
    with pytest.raises(ValueError, match="the loss stability of a denoiser needs its classifier"):
        train(**settings, out=tmp_path / "s")
    classifier = {"classifier": str(tmp_path / "f")}
    result = train(**settings | {"epochs": 20, "lr": 0.005}, loss_setting=classifier, out=tmp_path / "s")
    assert result.accuracy > 0.8
    base = load(f"denoised:{tmp_path / 's'}::{tmp_path / 'f'}")
    assert isinstance(base.module, Denoised)
    meaning = json.loads((tmp_path / "s" / "manifest.json").read_text())["meaning"]
    assert meaning["loss"] == {"name": "stability", "classifier": load(tmp_path / "f").fingerprint}


def test_other_tasks_are_other_trainings(stripes, tmp_path):
    train(data=stripes, out=tmp_path / "d", **SMALL)
    with pytest.raises(RunError, match="belongs to another training: optimizer"):
        train(data=stripes, out=tmp_path / "d", **SMALL | {"optimizer": "sgd", "lr": 0.001})
    with pytest.raises(ValueError, match="unknown task 'denoise'; did you mean 'denoiser'"):
        train(data=stripes, out=tmp_path / "x", **SMALL | {"task": "denoise"})
    with pytest.raises(ModelError, match="unknown denoiser 'lenet'; known: dncnn, dncnn-DEPTHxWIDTH"):
        train(data=stripes, out=tmp_path / "x", **SMALL | {"arch": "lenet"})
    with pytest.raises(ValueError, match="unknown loss of a denoiser 'gaussian'; known: mse, stability"):
        train(data=stripes, out=tmp_path / "x", **SMALL | {"loss": "gaussian"})


def test_the_verb(tmp_path, capsys):
    line = ["train", "--task", "denoiser", "--arch", "dncnn-2x2", "--data", "fashion-mnist-small", "--sigma", "0.25"]
    assert run([*line, "--epochs", "1", "--out", str(tmp_path / "d")]) == 0
    said = capsys.readouterr().out
    assert f"next: noiseproof certify --model MODEL --denoiser {tmp_path / 'd'} ..." in said


@pytest.mark.parametrize(("accuracy", "said"), [(math.nan, "PSNR 20.0 dB"), (0.5, "accuracy under noise 50.0%")])
def test_what_the_bar_says(accuracy, said):
    assert _quality(0.01, accuracy) == said

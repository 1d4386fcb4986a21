"""The record of a training: what it takes, and what it refuses."""

from __future__ import annotations

import math

import pytest

from noiseproof.asked import Training


def training(**settings):
    return Training(**{"data": "mnist", "sigma": 0.25} | settings)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("sigma", -0.5, "sigma must be >= 0, got -0.5"),
        ("sigma", math.nan, "sigma must be >= 0, got nan"),
        ("sigma", math.inf, "sigma must be >= 0, got inf"),
        ("epochs", 0, "epochs must be >= 1, got 0"),
        ("batch_size", 0, "batch_size must be >= 1, got 0"),
        ("lr", 0.0, "lr must be > 0, got 0.0"),
        ("lr", math.inf, "lr must be > 0, got inf"),
        ("momentum", 1.0, "momentum must be in [0, 1), got 1.0"),
        ("momentum", -0.1, "momentum must be in [0, 1), got -0.1"),
        ("weight_decay", -1.0, "weight_decay must be >= 0, got -1.0"),
        ("step_size", 0, "step_size must be >= 1, got 0"),
        ("gamma", 0.0, "gamma must be in (0, 1], got 0.0"),
        ("gamma", 1.5, "gamma must be in (0, 1], got 1.5"),
        ("schedule", "cosin", "unknown schedule 'cosin'; did you mean 'cosine'?"),
        ("task", "denoise", "unknown task 'denoise'; did you mean 'denoiser'?"),
        ("augment", "flop", "unknown augmentation 'flop'; did you mean 'flip'?"),
        ("epochs", 2.5, "epochs must be an integer, got 2.5"),
        ("threads", 0, "threads must be >= 1, got 0"),
        ("compile", "no", "compile must be True or False, got 'no'"),
        ("sigma", "0.1,x", "sigma must be a number, or numbers with commas between them, got '0.1,x'"),
        ("sigma", "0.5,0.50", "sigma must name each value once, got '0.5,0.50'"),
        ("sigma", (0.5, 0.5), "sigma must name each value once, got (0.5, 0.5)"),
        ("loss_setting", ["lambda"], "loss_setting must be NAME=VALUE such as lambda=10, got 'lambda'"),
        ("loss_setting", ["m=2", "m=3"], "loss_setting must name each setting once, got m twice"),
        ("precision", "fp16", "unknown precision 'fp16'; did you mean 'bf16'?"),
    ],
)
def test_a_setting_out_of_range(name, value, text):
    with pytest.raises(ValueError, match=r"got|unknown") as caught:
        training(**{name: value})
    assert str(caught.value) == text


@pytest.mark.parametrize(("name", "value"), [("sigma", 0.0), ("momentum", 0.0), ("weight_decay", 0.0), ("gamma", 1.0)])
def test_the_edges_are_allowed(name, value):
    assert getattr(training(**{name: value}), name) == value


def test_one_sigma_or_several():
    assert (training(sigma="1").sigma, training(sigma="1").sigmas) == (1.0, (1.0,))
    assert training(sigma="0.12,.5").sigmas == training(sigma=[0.12, 0.5]).sigma == (0.12, 0.5)


def test_settings_of_a_loss_as_text_and_as_they_are():
    texts = ["steps=10", "eta=0.5", "one_step=true", "attack=ddn"]
    assert training(loss_setting=texts).loss_setting == {"steps": 10, "eta": 0.5, "one_step": True, "attack": "ddn"}
    assert training(loss_setting={"eta": 0.5}).loss_setting == {"eta": 0.5}

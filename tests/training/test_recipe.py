import math
from dataclasses import replace

import pytest

from noiseproof.training.losses import GaussianLoss
from noiseproof.training.recipe import Recipe

RECIPE = Recipe(
    sigma=0.25,
    epochs=90,
    batch_size=256,
    lr=0.01,
    momentum=0.9,
    weight_decay=1e-4,
    schedule="step",
    step_size=30,
    gamma=0.1,
    loss=GaussianLoss(),
    augment="none",
    seed=0,
    precision="fp32",
)


def test_the_rate_drops_after_every_step_size_epochs():
    rates = [RECIPE.rate(epoch) for epoch in (0, 29, 30, 59, 60, 89)]
    assert rates == pytest.approx([0.01, 0.01, 0.001, 0.001, 0.0001, 0.0001])
    assert [RECIPE.rate_drops(epoch) for epoch in (0, 29, 30, 60)] == [0, 0, 1, 2]


def test_cosine_goes_down_to_zero():
    cosine = replace(RECIPE, schedule="cosine", epochs=4)
    expected = [0.01 * (1 + math.cos(math.pi * k / 4)) / 2 for k in range(5)]
    assert [cosine.rate(epoch) for epoch in range(5)] == pytest.approx(expected)
    assert cosine.rate(4) == pytest.approx(0.0)
    assert cosine.rate_drops(3) == 0


def test_epochs_are_in_the_meaning_only_where_the_schedule_looks_at_them():
    assert "epochs" not in RECIPE.meaning()
    assert "step_size" in RECIPE.meaning()
    cosine = replace(RECIPE, schedule="cosine").meaning()
    assert cosine["epochs"] == 90
    assert "step_size" not in cosine
    assert "gamma" not in cosine


def test_an_integer_means_the_same_as_its_float():
    assert repr(replace(RECIPE, sigma=1, lr=1).meaning()) == repr(replace(RECIPE, sigma=1.0, lr=1.0).meaning())


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
        ("precision", "fp16", "unknown precision 'fp16'; did you mean 'bf16'?"),
    ],
)
def test_a_setting_out_of_range(name, value, text):
    with pytest.raises(ValueError, match=r"got|unknown") as caught:
        replace(RECIPE, **{name: value})
    assert str(caught.value) == text


@pytest.mark.parametrize(("name", "value"), [("sigma", 0.0), ("momentum", 0.0), ("weight_decay", 0.0), ("gamma", 1.0)])
def test_the_edges_are_allowed(name, value):
    assert getattr(replace(RECIPE, **{name: value}), name) == value

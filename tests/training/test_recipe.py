import math

import pytest

from noiseproof.asked import Training
from noiseproof.training.denoising import MSELoss
from noiseproof.training.losses import ConsistencyLoss, GaussianLoss
from noiseproof.training.recipe import Recipe


def recipe(**settings):
    return Recipe.of(Training(**{"data": "mnist", "sigma": 0.25} | settings))


RECIPE = recipe()


def test_the_rate_drops_after_every_step_size_epochs():
    rates = [RECIPE.rate(epoch) for epoch in (0, 29, 30, 59, 60, 89)]
    assert rates == pytest.approx([0.01, 0.01, 0.001, 0.001, 0.0001, 0.0001])
    assert [RECIPE.rate_drops(epoch) for epoch in (0, 29, 30, 60)] == [0, 0, 1, 2]


def test_cosine_goes_down_to_zero():
    cosine = recipe(schedule="cosine", epochs=4)
    expected = [0.01 * (1 + math.cos(math.pi * k / 4)) / 2 for k in range(5)]
    assert [cosine.rate(epoch) for epoch in range(5)] == pytest.approx(expected)
    assert cosine.rate(4) == pytest.approx(0.0)
    assert cosine.rate_drops(3) == 0


def test_epochs_are_in_the_meaning_only_where_the_schedule_looks_at_them():
    assert "epochs" not in RECIPE.meaning()
    assert "step_size" in RECIPE.meaning()
    cosine = recipe(schedule="cosine").meaning()
    assert cosine["epochs"] == 90
    assert "step_size" not in cosine
    assert "gamma" not in cosine


def test_an_integer_means_the_same_as_its_float():
    assert repr(recipe(sigma=1, lr=1).meaning()) == repr(recipe(sigma=1.0, lr=1.0).meaning())


def test_what_is_left_open_is_filled_in():
    assert (RECIPE.arch, RECIPE.optimizer, RECIPE.lr, RECIPE.augment) == ("lenet", "sgd", 0.01, "none")
    assert RECIPE.loss == GaussianLoss()
    denoiser = recipe(task="denoiser", data="cifar10")
    assert (denoiser.arch, denoiser.optimizer, denoiser.lr, denoiser.augment) == ("dncnn", "adam", 0.001, "crop-flip")
    assert denoiser.loss == MSELoss()
    assert recipe(optimizer="adam").lr == 0.001


def test_what_is_said_stays():
    said = {"arch": "small-cnn", "optimizer": "adam", "lr": 0.5, "augment": "flip"}
    found = recipe(**said, data="cifar10", loss="consistency", loss_setting={"eta": 0.1})
    assert {name: getattr(found, name) for name in said} == said
    assert found.loss == ConsistencyLoss(lambda_=20.0, eta=0.1)
    assert recipe(loss=GaussianLoss(m=3)).loss == GaussianLoss(m=3)


def test_several_sigmas_are_several_trainings():
    with pytest.raises(ValueError, match=r"^sigma must be one number, got \(0.25, 0.5\); train each into a folder"):
        recipe(sigma=(0.25, 0.5))

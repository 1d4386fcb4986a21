"""Each fault planted into an honest classifier, and found by the check that is meant for it; no other one refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
import torch.nn.functional as F
from torch import nn

from noiseproof.checks import Diagnosis
from noiseproof.models import BaseModel, Normalize
from tests.asking import doctor


class Planted(nn.Module):
    """An honest classifier with something done before or after it."""

    def __init__(self, inner: nn.Module, forward: Callable[[nn.Module, torch.Tensor], object]) -> None:
        super().__init__()
        self.inner, self._forward = inner, forward

    def forward(self, x: torch.Tensor) -> object:
        return self._forward(self.inner, x)


def examined(base: nn.Module, data, **options) -> Diagnosis:
    return doctor(model=base, data=data, **({"sigma": 0.25, "device": "cpu"} | options))


def refusals(found: Diagnosis) -> set[str]:
    return {finding.name for finding in found.findings if finding.verdict == "refuse"}


def leaking_input(f, x):
    return f(x - 0.1 * x.mean(dim=0))


def nan_class(f, x):
    scores = f(x)
    scores[:, 3] = torch.nan
    return scores


def nan_sometimes(f, x):
    scores = f(x)
    scores[x.mean(dim=(1, 2, 3)) < 0.2, 3] = torch.nan
    return scores


def parity(f, x):
    """Class 1 or 0 after the last bits of the coordinates in (-1, -1/2), as in tests/statistical."""
    odd = torch.remainder(x.flatten(1).double() * 2**24, 2) == 1
    seen = (x.flatten(1) > -1) & (x.flatten(1) < -0.5)
    scores = f(x)
    scores[:, 1] = 9.0 * ((seen & odd).sum(dim=1) > (seen & ~odd).sum(dim=1))
    return scores


NOT_OF_ITS_ROW = {
    "batch-norm by the batch's statistics": (
        "own row",
        lambda f, x: F.batch_norm(f(x), torch.zeros(10), torch.ones(10), training=True),
    ),
    "the batch's mean taken off the scores": ("own row", lambda f, x: f(x) - f(x).mean(dim=0)),
    "the batch's mean taken off the inputs": ("own row", leaking_input),
    "softmax over the batch": ("own row", lambda f, x: f(x).softmax(dim=0)),
    "a score that depends on the place in the batch": (
        "own row",
        lambda f, x: f(x) + torch.arange(len(x)).view(-1, 1) * torch.eye(10)[0] / 100,
    ),
    "functional dropout that is always on": ("two calls", lambda f, x: f(F.dropout(x, 0.1, training=True))),
    "noise of its own": ("two calls", lambda f, x: f(x + 0.05 * torch.randn_like(x))),
    "scores that shrink with the batch": ("batch size", lambda f, x: f(x) * (1 + 1 / len(x))),
    "a NaN class": ("finite", nan_class),
    "nine scores for ten classes": ("scores", lambda f, x: f(x)[:, :9]),
    "a tuple of scores": ("scores", lambda f, x: (f(x), x)),
}


@pytest.mark.parametrize("fault", NOT_OF_ITS_ROW)
def test_what_is_no_function_of_its_own_row_is_refused(honest, pictures, fault):
    name, planted = NOT_OF_ITS_ROW[fault]
    found = examined(Planted(honest, planted).eval(), pictures)
    assert found.verdict == "refuse"
    assert name in refusals(found)
    assert refusals(found) <= {name, "own row", "two calls", "batch size"}


@pytest.mark.parametrize("part", [nn.BatchNorm1d(10), nn.Dropout(0.2)])
def test_a_part_in_training_mode_is_refused_and_learns_nothing_from_it(honest, pictures, part):
    base = nn.Sequential(honest, part).eval()
    part.train()
    before = {name: value.clone() for name, value in base.state_dict().items()}
    found = examined(base, pictures)
    assert "call base.eval() first" in found.finding("training mode").says
    assert {"training mode"} < refusals(found)
    assert all(torch.equal(before[name], value) for name, value in base.state_dict().items())
    assert part.training


def test_a_small_leak_is_measured(honest, pictures):
    found = examined(Planted(honest, lambda f, x: f(x) - 0.01 * f(x).mean(dim=0)).eval(), pictures)
    assert found.finding("own row").verdict == "refuse"
    assert 1e-3 < found.finding("own row").measured["variation"] < 0.1
    assert found.finding("two calls").measured["variation"] == 0


def test_a_batch_of_one_that_fails_is_a_warning(honest, pictures):
    found = examined(Planted(honest, lambda f, x: f(x).squeeze(0)).eval(), pictures)
    assert found.finding("batch size").verdict == "warn"
    assert (
        "must return scores of shape (1, 10) for 1 inputs and num_classes=10, got (10,)"
        in found.finding("batch size").says
    )
    assert found.verdict == "warn"


def test_some_nan_rows_are_a_warning(honest, pictures):
    finding = examined(Planted(honest, nan_sometimes).eval(), pictures).finding("finite")
    assert finding.verdict == "warn"
    assert 0 < finding.measured["void"] < finding.measured["rows"]
    assert "(class 3)" in finding.says


@pytest.mark.parametrize(
    ("clip", "sides"),
    [
        ({"min": 0.0, "max": 1.0}, "below 0 and above 1"),
        ({"min": 0.0}, "below 0"),
        ({"max": 1.0}, "above 1"),
    ],
)
def test_clipping_is_a_warning(honest, pictures, clip, sides):
    found = examined(Planted(honest, lambda f, x: f(x.clamp(**clip))).eval(), pictures)
    assert found.finding("clipping").verdict == "warn"
    assert f"do not react to inputs {sides}, but" in found.finding("clipping").says
    assert not refusals(found)


def test_rounding_on_the_grid_is_a_note(honest, pictures):
    found = examined(Planted(honest, lambda f, x: f((255 * x).round() / 255)).eval(), pictures)
    assert found.finding("rounding").verdict == "ok"
    assert "rounds inputs, which is allowed" in found.finding("rounding").says
    assert found.verdict == "ok"


def test_a_reader_of_low_bits_is_a_warning_that_says_when_it_is_harmless(honest, pictures):
    found = examined(Planted(honest, parity).eval(), pictures, sigma=0.5)
    assert found.finding("low bits").verdict == "warn"
    assert "harmless under exact noise (the default, grid 255)" in found.finding("low bits").says


OTHER_UNITS = {
    "normalised by the data's mean and deviation": (
        "(x - mean)/std of the data",
        lambda f, z: f(z * 0.35 + 0.286),
    ),
    "in [-1, 1]": ("2x - 1", lambda f, z: f((z + 1) / 2)),
    "in 0..255": ("0..255", lambda f, z: f(z / 255)),
}


def test_a_model_that_wants_its_noise_is_not_taken_for_one_in_other_units(honest, pictures):
    """It is right on rough pictures only: noisy ones, and clean ones that are blown up to unit deviation."""

    def roughness(x):
        return x.diff(dim=-1).abs().mean(dim=(1, 2, 3))

    clean = torch.from_numpy(pictures.images()).float() / 255
    limit = roughness(clean).quantile(0.8)

    def planted(f, x):
        own = (x - x.mean(dim=(1, 2, 3), keepdim=True)) / x.std(dim=(1, 2, 3), keepdim=True) * 0.35 + 0.286
        scores = f(own)
        return torch.where((roughness(x) > limit)[:, None], scores, scores.roll(1, dims=1))

    found = examined(Planted(honest, planted).eval(), pictures, sigma=0.25)
    units = found.finding("units")
    assert units.verdict == "ok"
    assert units.measured["(x - mean)/std of the data"] - units.measured["as is"] > 0.3  # what looked like other units


@pytest.mark.parametrize("fault", OTHER_UNITS)
def test_a_model_that_expects_other_inputs_is_refused(pictures, sharp, fault):
    reading, planted = OTHER_UNITS[fault]
    found = examined(Planted(sharp, planted).eval(), pictures)
    assert refusals(found) == {"units"}
    assert found.finding("units").measured[reading] > 0.7
    assert "noise would be in the wrong units" in found.finding("units").says


@pytest.mark.parametrize("shift", [1, -1])
def test_labels_shifted_by_one_are_refused(honest, pictures, shift):
    found = examined(honest, replace(pictures, labels=(pictures.labels + shift) % 10))
    assert refusals(found) == {"labels"}
    assert f"labels {-shift:+d} agree with the model on" in found.finding("labels").says


def test_two_classes_swapped_are_a_warning_that_names_them(honest, pictures):
    order = np.arange(10)
    order[[1, 8]] = 8, 1
    found = examined(honest, replace(pictures, labels=order[pictures.labels]))
    assert found.finding("labels").verdict == "warn"
    assert "Trouser, Bag seem swapped" in found.finding("labels").says


def test_classes_in_another_order_are_a_warning(honest, pictures):
    order = np.random.default_rng(1).permutation(10)
    found = examined(honest, replace(pictures, labels=order[pictures.labels]))
    assert found.finding("labels").verdict == "warn"
    assert found.finding("labels").measured["renamed"] > 0.7


def test_a_model_never_trained_with_noise_is_a_warning(sharp, honest, pictures):
    found = examined(sharp, pictures, sigma=1.0)
    assert found.finding("noise").verdict == "warn"
    assert "never trained with such noise" in found.finding("noise").says
    assert found.finding("accuracy").verdict == "ok"
    assert examined(honest, pictures, sigma=1.0).verdict == "ok"


def test_a_model_never_trained_is_a_warning(pictures):
    base = nn.Sequential(nn.Flatten(), nn.Linear(784, 10)).eval()
    for parameter in base.parameters():
        parameter.data = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2))
    found = examined(base, pictures)
    assert found.finding("accuracy").verdict == "warn"


@pytest.mark.parametrize(
    ("sigma", "trained", "text"),
    [
        (8.0, None, "if it is in 0..255, give 0.0314"),
        (0.003, None, "less than a step of the 8-bit grid"),
        (2.5, 0.25, "sigma is 2.5, the model was trained at 0.25"),
    ],
)
def test_a_sigma_in_other_units_is_a_warning(honest, pictures, sigma, trained, text):
    metadata = {} if trained is None else {"sigma": str(trained)}
    model = BaseModel(honest, "linear", 10, pictures.shape, "f", "weights", metadata)
    finding = examined(model, pictures, sigma=sigma).finding("sigma")
    assert finding.verdict == "warn"
    assert text in finding.says


IN_PLACE = {
    "a shift": lambda inner, x: inner(x.sub_(0.25) + 0.25),
    "a ReLU": lambda inner, x: inner(x.add_(1).relu_() - 1),
}


@pytest.mark.parametrize("first", IN_PLACE)
def test_a_model_that_works_in_place_is_no_random_one(honest, pictures, first):
    found = examined(Planted(honest, IN_PLACE[first]).eval(), pictures)
    assert refusals(found) == set()
    assert found.finding("two calls").says == (
        "scores are the same between two calls, to the last bit; it works in place on its inputs, and is given copies"
    )


class Normalised(nn.Module):
    """An honest classifier of pictures that were only centred, behind a normalisation that is not its own."""

    def __init__(self, inner: nn.Module, std: float) -> None:
        super().__init__()
        self.normalize, self.inner = Normalize([0.8], [std]), inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner((self.normalize(x) + 0.8).clamp(-1, 2))


def test_a_normalisation_that_fits_is_named(honest, pictures):
    found = examined(Normalised(honest, 0.05).eval(), pictures)
    assert refusals(found) == {"units"}
    units = found.finding("units")
    assert units.says.endswith("with mean 0.8, std 1: give --mean 0.8 --std 1")
    assert units.measured["mean 0.8, std 1"] - units.measured["as is"] > 0.2
    assert refusals(examined(Normalised(honest, 1.0).eval(), pictures)) == set()

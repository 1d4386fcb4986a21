"""Losses of denoisers, against the letter and against Wiener's estimate."""

from __future__ import annotations

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from noiseproof.errors import ModelError
from noiseproof.models import BaseModel, build, save_weights
from noiseproof.models.dncnn import DnCNN
from noiseproof.training.denoising import (
    DENOISING_LOSSES,
    DenoisingLoss,
    MSELoss,
    StabilityDenoisingLoss,
    find_denoising_loss,
)
from noiseproof.training.losses import Phase

SIGMA = 0.3
SHAPE = (1, 8, 8)


def called(loss: DenoisingLoss, model: nn.Module, x: Tensor, y: Tensor, *, sigma: float = SIGMA, seed: int = 3):
    generator = torch.Generator().manual_seed(seed)
    return loss(model, x, y, sigma=sigma, generator=generator, phase=Phase(0.0, 0))


@pytest.fixture(autouse=True)
def same_weights():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.fixture
def batch():
    random = torch.Generator().manual_seed(1)
    return torch.rand(6, *SHAPE, generator=random), torch.tensor([0, 1, 2, 0, 1, 2])


@pytest.fixture
def noisy(batch):
    return batch[0] + SIGMA * torch.randn(6, *SHAPE, generator=torch.Generator().manual_seed(3))


@pytest.fixture
def denoiser():
    module = DnCNN(1, depth=3, width=4)
    nn.init.normal_(module.dncnn[-1].weight, std=0.1)
    return module


@pytest.fixture
def classifier():
    module = build("resnet20", num_classes=3, shape=SHAPE)
    return BaseModel(module.eval(), "resnet20", 3, SHAPE, "f" * 64, "runs/base")


def test_the_squared_error_is_the_mean_over_pictures_and_pixels(denoiser, batch, noisy):
    x, y = batch
    out = called(MSELoss(), denoiser, x, y)
    wanted = ((denoiser(noisy) - x) ** 2).sum().item() / x.numel()
    assert out.loss.item() == pytest.approx(wanted, rel=1e-5)
    assert math.isnan(out.accuracy.item())  # there is nobody to be right


def test_of_a_denoiser_that_does_nothing_it_is_the_noise(batch):
    x, y = torch.zeros(64, 1, 32, 32), torch.zeros(64, dtype=torch.int64)
    found = called(MSELoss(), nn.Identity(), x, y).loss.item()
    assert abs(found - SIGMA**2) < 5 * SIGMA**2 * math.sqrt(2 / x.numel())
    assert called(MSELoss(), nn.Identity(), *batch, sigma=0.0).loss.item() == 0


def test_stability_is_by_the_letter(denoiser, classifier, batch, noisy):
    x, y = batch
    out = called(StabilityDenoisingLoss(classifier), denoiser, x, y)
    wanted = classifier.module(x).argmax(dim=1)
    scores = classifier.module(denoiser(noisy))
    assert out.loss.item() == pytest.approx(F.cross_entropy(scores, wanted).item(), rel=1e-5)
    assert out.accuracy.item() == pytest.approx((scores.argmax(dim=1) == y).float().mean().item())
    assert not out.accuracy.requires_grad


def test_the_targets_of_stability_are_of_the_clean_pictures_not_of_denoised_ones(batch):
    class Turned(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 1 - x

    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 3, bias=False))
    classifier = BaseModel(module.eval(), "linear", 3, SHAPE, "f" * 64, "runs/base")
    x, y = batch
    wanted, others = module(x).argmax(dim=1), module(Turned()(x))
    assert (others.argmax(dim=1) != wanted).any()
    out = called(StabilityDenoisingLoss(classifier), Turned(), x, y, sigma=0.0)
    assert out.loss.item() == pytest.approx(F.cross_entropy(others, wanted).item(), rel=1e-5)


def test_stability_learns_from_no_label(denoiser, classifier, batch):
    x, y = batch
    both = [called(StabilityDenoisingLoss(classifier), denoiser, x, labels).loss for labels in (y, 2 - y)]
    assert torch.equal(both[0], both[1])


def test_only_the_denoiser_learns(denoiser, classifier, batch):
    before = copy.deepcopy(classifier.module.state_dict())
    classifier.module.requires_grad_(True)
    loss = StabilityDenoisingLoss(classifier)
    called(loss, denoiser.train(), *batch).loss.backward()
    assert all(weight.grad is not None and weight.grad.abs().max() > 0 for weight in denoiser.parameters())
    for module in (classifier.module, loss._own):
        assert all(weight.grad is None for weight in module.parameters())
        # its batch-norm too stays as it was
        assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


def test_the_classifier_is_in_eval_mode_whatever_becomes_of_it(denoiser, classifier, batch):
    loss = StabilityDenoisingLoss(classifier)
    before = called(loss, denoiser.eval(), *batch).loss
    classifier.module.train()
    assert torch.equal(called(loss, denoiser, *batch).loss, before)


def test_a_stable_denoiser_is_learned(denoiser, classifier, batch):
    loss, optimizer = StabilityDenoisingLoss(classifier), torch.optim.Adam(denoiser.train().parameters(), lr=1e-2)
    values = []
    for _ in range(15):
        out = called(loss, denoiser, *batch)
        optimizer.zero_grad()
        out.loss.backward()
        optimizer.step()
        values.append(out.loss.item())
    assert values[-1] < 0.5 * values[0]


def linear_dncnn(width: int = 4) -> nn.Module:
    """A DnCNN of two layers without the ReLU between: a linear filter of 5 x 5."""
    module = DnCNN(1, depth=2, width=width)
    module.dncnn[1] = nn.Identity()
    module.dncnn[0].register_parameter("bias", None)
    return module


def test_a_linear_dncnn_learns_the_wiener_estimate():
    """Of independent pixels N(0, spread^2) it is gain (x + delta), and its error the best there is."""
    spread = 0.4
    gain = spread**2 / (spread**2 + SIGMA**2)
    x = spread * torch.randn(32, 1, 24, 24, generator=torch.Generator().manual_seed(9))
    y, module = torch.zeros(32, dtype=torch.int64), linear_dncnn()
    optimizer = torch.optim.Adam(module.parameters(), lr=2e-2)
    for step in range(100):
        out = called(MSELoss(), module, x, y, seed=step)
        optimizer.zero_grad()
        out.loss.backward()
        optimizer.step()
    impulse = torch.zeros(1, 1, 9, 9)
    impulse[0, 0, 4, 4] = 1
    wanted = gain * impulse
    assert (module(impulse) - wanted).abs().max() < 0.02  # a pixel's standard error is about 1 / sqrt(18,432)
    assert called(MSELoss(), module, x, y, seed=999).loss.item() == pytest.approx(gain * SIGMA**2, rel=0.03)


def test_the_wiener_estimate_has_no_gradient_left():
    spread = 0.4
    gain = torch.tensor(spread**2 / (spread**2 + SIGMA**2), requires_grad=True)

    class Scaled(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return gain * x

    x = spread * torch.randn(64, 1, 64, 64, generator=torch.Generator().manual_seed(9))
    called(MSELoss(), Scaled(), x, torch.zeros(64, dtype=torch.int64)).loss.backward()
    # 2 E[(gain y - x) y] = 0: the two are uncorrelated; five standard errors
    error, whole = math.sqrt(gain.item()) * SIGMA, math.sqrt(spread**2 + SIGMA**2)
    assert abs(gain.grad.item()) < 5 * 2 * error * whole / math.sqrt(x.numel())


def test_the_configuration_is_a_plain_table(classifier):
    assert MSELoss().config() == {"name": "mse"}
    assert StabilityDenoisingLoss(classifier).config() == {"name": "stability", "classifier": "f" * 64}


def test_losses_by_name(classifier, tmp_path):
    assert {name: kind.name for name, kind in DENOISING_LOSSES.items()} == {"mse": "mse", "stability": "stability"}
    assert find_denoising_loss("mse") == MSELoss()
    assert find_denoising_loss(MSELoss()) == MSELoss()
    assert find_denoising_loss("stability", settings={"classifier": classifier}).classifier is classifier
    said = {"architecture": "resnet20", "num_classes": "3", "shape": "[1, 8, 8]"}
    save_weights(classifier.module, tmp_path / "w.safetensors", said)
    for spec in (tmp_path / "w.safetensors", str(tmp_path / "w.safetensors")):
        found = find_denoising_loss("stability", settings={"classifier": spec})
        assert found.classifier.architecture == "resnet20"


@pytest.mark.parametrize(
    ("loss", "settings", "text"),
    [
        ("mze", {}, "unknown loss of a denoiser 'mze'; did you mean 'mse'?"),
        ("mse", {"m": 2}, "the loss mse of a denoiser has no settings, got m"),
        (MSELoss(), {"m": 2}, "loss_setting goes with the name of a loss, got it with mse"),
        ("stability", {}, "the loss stability of a denoiser needs its classifier; give loss_setting classifier=MODEL"),
        (
            "stability",
            {"clasifier": "x"},
            "unknown setting of the loss stability 'clasifier'; did you mean 'classifier'?",
        ),
        ("stability", {"classifier": 3}, "classifier must be a loaded base classifier, got int"),
    ],
)
def test_what_is_no_loss(loss, settings, text):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (its whole text is looked at)
        find_denoising_loss(loss, settings=settings)
    assert str(caught.value) == text


def test_a_classifier_of_other_pictures(denoiser, classifier):
    x, y = torch.rand(2, 1, 16, 16), torch.zeros(2, dtype=torch.int64)
    with pytest.raises(ModelError) as caught:
        called(StabilityDenoisingLoss(classifier), denoiser, x, y)
    assert str(caught.value) == (
        "runs/base takes inputs of shape (1, 8, 8), the pictures have (1, 16, 16); give a classifier of such pictures"
    )

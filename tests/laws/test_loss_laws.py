"""What every training loss owes: the plain loss at its neutral setting, a true gradient, the same step for the same
seed, and no regard for the order of the batch."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import pytest

pytest.importorskip("torch")

import torch

from noiseproof.analysis.training_cost import passes_per_picture
from noiseproof.training.losses import (
    LOSSES,
    CATRSLoss,
    ConsistencyLoss,
    GaussianLoss,
    Loss,
    LossOut,
    MACERLoss,
    Phase,
    SmoothAdvLoss,
    SmoothMixLoss,
    StabilityLoss,
)

SIGMA = 0.3
BATCH = 4


@dataclass(frozen=True)
class Variant:
    """A loss with its neutral setting.

    Attributes:
        loss: what is tried.
        neutral: the same loss with everything of its own switched off.
        plain: the Gaussian loss it then is ...
        sigma: ... under noise of this sigma.
    """

    loss: Loss
    neutral: Loss
    plain: GaussianLoss
    sigma: float = SIGMA


VARIANTS = [
    Variant(GaussianLoss(), GaussianLoss(), GaussianLoss()),
    Variant(GaussianLoss(m=3), GaussianLoss(m=3), GaussianLoss(m=3)),
    # without its own term only the clean picture is learned from
    Variant(StabilityLoss(lambda_=2.0), StabilityLoss(lambda_=0.0), GaussianLoss(), sigma=0.0),
    Variant(StabilityLoss(lambda_=2.0, m=3), StabilityLoss(lambda_=0.0, m=3), GaussianLoss(), sigma=0.0),
    Variant(ConsistencyLoss(lambda_=10.0), ConsistencyLoss(lambda_=0.0, eta=0.0), GaussianLoss(m=2)),
    Variant(ConsistencyLoss(lambda_=5.0, m=1), ConsistencyLoss(lambda_=5.0, eta=0.0, m=1), GaussianLoss()),
    Variant(MACERLoss(lambda_=16.0, m=8, beta=2.0), MACERLoss(lambda_=0.0, m=1), GaussianLoss()),
    Variant(MACERLoss(lambda_=4.0, m=1, beta=2.0, after_drops=1), MACERLoss(1.0, 2, m=1), GaussianLoss()),
    Variant(SmoothAdvLoss(eps=0.5, m=3, steps=4), SmoothAdvLoss(eps=0.0, m=3), GaussianLoss(m=3)),
    Variant(SmoothAdvLoss(eps=0.5, m=2, lambda_=2.0, eta=0.5), SmoothAdvLoss(eps=0.0, m=2), GaussianLoss(m=2)),
    Variant(SmoothAdvLoss(0.5, m=3, steps=4, attack="ddn"), SmoothAdvLoss(0.0, m=3, attack="ddn"), GaussianLoss(m=3)),
    Variant(SmoothMixLoss(step=0.2, steps=3, m=3), SmoothMixLoss(0.2, 3, m=3, eta=0.0), GaussianLoss(m=3)),
    Variant(SmoothMixLoss(step=0.2, steps=1, m=1, one_step=True), SmoothMixLoss(0.2, 1, m=1, eta=0.0), GaussianLoss()),
    # of one draw K is 1
    Variant(CATRSLoss(lambda_=1.0, eps=0.3, m=2, steps=3), CATRSLoss(lambda_=0.0, m=1), GaussianLoss()),
    Variant(CATRSLoss(lambda_=1.0, eps=0.3, m=1, steps=1), CATRSLoss(lambda_=0.0, m=1), GaussianLoss()),
]
every_variant = pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: repr(variant.loss))


class Net(torch.nn.Module):
    """A small classifier with batch-norm. In eval mode it is itself as it was first.

    So an attack inside a loss, which is made in eval mode and not differentiated, stays the same one when a law
    moves the weights.
    """

    def __init__(self) -> None:
        super().__init__()
        layers = [torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.BatchNorm1d(5, momentum=0.0), torch.nn.Linear(5, 3)]
        self.layers = torch.nn.Sequential(torch.nn.Flatten(), *layers).double()
        self.first = copy.deepcopy(self.layers).requires_grad_(False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x) if self.training else self.first(x)


@pytest.fixture
def net():
    with torch.random.fork_rng():
        torch.manual_seed(33)  # one that changes its mind near some of the pictures: DDN leaves the others alone
        return Net().train()


@pytest.fixture
def batch():
    random = torch.Generator().manual_seed(1)
    return torch.rand(BATCH, 1, 2, 2, generator=random, dtype=torch.float64), torch.tensor([0, 1, 2, 1])


def called(loss, net, batch, sigma=SIGMA, seed=2) -> LossOut:
    generator = torch.Generator().manual_seed(seed)
    x, y = batch
    soft = (5 * x.flatten(1)[:, :3]).softmax(dim=1)  # a picture's own, wherever it stands
    return loss(net, x, y, sigma=sigma, generator=generator, phase=Phase(20.0, 1), targets=soft)


def step(loss, net, batch, **options) -> list[torch.Tensor]:
    """The loss, and its gradients by the weights."""
    net.zero_grad()
    value = called(loss, net, batch, **options).loss
    value.backward()
    return [value.detach(), *(weight.grad.clone() for weight in net.layers.parameters())]


def close(one, other, **tolerance) -> bool:
    return all(torch.allclose(a.double(), b.double(), **tolerance) for a, b in zip(one, other, strict=True))


def test_the_list_equals_the_registry():
    assert {variant.loss.name for variant in VARIANTS} == LOSSES.keys()
    assert all(LOSSES[name].name == name for name in LOSSES)
    assert all(type(variant.loss) is type(variant.neutral) for variant in VARIANTS)


@every_variant
def test_at_its_neutral_setting_it_is_the_gaussian_loss(variant, net, batch):
    plain = step(variant.plain, net, batch, sigma=variant.sigma)
    assert close(step(variant.neutral, net, batch), plain, rtol=1e-10, atol=1e-12)
    if variant.loss != variant.neutral:
        assert not close(step(variant.loss, net, batch), plain, rtol=1e-3)


class InPlace(Net):
    """The same scores; its input is spoiled."""

    def forward(self, x):
        kept = x.clone()
        x.mul_(3)
        return super().forward(kept)


@every_variant
def test_a_model_that_works_in_place_learns_the_same(variant, net, batch):
    spoiling = InPlace().train()
    spoiling.load_state_dict(net.state_dict())
    again = [each.clone() for each in batch]
    assert close(step(variant.loss, spoiling, batch), step(variant.loss, net, again), rtol=1e-9, atol=1e-12)


@every_variant
def test_the_gradient_is_that_of_finite_differences(variant, net, batch):
    gradients = step(variant.loss, net, batch)[1:]
    by = 1e-6
    for weight, gradient in zip(net.layers.parameters(), gradients, strict=True):
        flat = weight.data.view(-1)
        for index, found in enumerate(gradient.view(-1).tolist()):
            old = flat[index].item()
            flat[index] = old + by
            above = called(variant.loss, net, batch).loss.item()
            flat[index] = old - by
            below = called(variant.loss, net, batch).loss.item()
            flat[index] = old
            assert found == pytest.approx((above - below) / (2 * by), rel=1e-5, abs=2e-8)


@every_variant
def test_the_same_seed_gives_the_same_step_and_another_another(variant, net, batch):
    one = step(variant.loss, net, batch)
    assert all(torch.equal(a, b) for a, b in zip(one, step(variant.loss, net, batch), strict=True))
    assert not close(one, step(variant.loss, net, batch, seed=5), rtol=1e-6)


@every_variant
def test_the_order_of_the_batch_does_not_matter(variant, net, batch, monkeypatch):
    """Where each picture keeps its noise."""
    order = torch.tensor([2, 0, 3, 1])
    there = step(variant.loss, net, batch)
    for name in ("randn", "rand"):
        monkeypatch.setattr(torch, name, _reordered(getattr(torch, name), order))
    here = step(variant.loss, net, tuple(each[order] for each in batch))
    assert close(here, there, rtol=1e-9, atol=1e-12)


@every_variant
def test_the_global_generator_and_the_pictures_are_left_alone(variant, net, batch):
    before, x = torch.get_rng_state(), batch[0].clone()
    called(variant.loss, net, batch)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(batch[0], x)


@every_variant
def test_the_model_is_left_in_training_with_every_weight_to_be_learned(variant, net, batch):
    net.layers[3].eval()  # a part that is kept out of training stays out, and so does a weight
    net.layers[1].weight.requires_grad_(False)
    called(variant.loss, net, batch)
    assert [part.training for part in net.layers] == [True, True, True, False, True]
    assert [weight.requires_grad for weight in net.layers.parameters()] == [False, True, True, True, True, True]


@every_variant
def test_the_accuracy_is_a_fraction_and_not_differentiated(variant, net, batch):
    out = called(variant.loss, net, batch)
    assert 0 <= out.accuracy.item() <= 1
    assert not out.accuracy.requires_grad
    assert out.loss.requires_grad
    assert out.loss.shape == out.accuracy.shape == ()


@every_variant
def test_it_shows_the_model_as_many_pictures_as_its_cost_says(variant, net, batch):
    shown, learned_from = [], []

    def forward(_, __, scores):
        shown.append(len(scores))
        scores.register_hook(lambda gradient: learned_from.append(len(gradient)))

    net.register_forward_hook(forward)
    for loss in (variant.loss, variant.neutral):
        shown.clear()
        learned_from.clear()
        called(loss, net, batch).loss.backward()
        assert sum(shown) == sum(learned_from) == passes_per_picture(loss.config()) * BATCH


@every_variant
def test_the_configuration_makes_the_same_loss_again(variant):
    config = variant.loss.config()
    kind = LOSSES[config.pop("name")]
    assert kind(**{"lambda_" if name == "lambda" else name: value for name, value in config.items()}) == variant.loss


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("data", ["cifar10", "fashion-mnist:train"])
@pytest.mark.parametrize("sigma", [0.0, 0.12, 0.25, 0.5, 1.0, 2.0])
def test_every_sigma_has_published_settings(name, data, sigma):
    assert LOSSES[name](**LOSSES[name].published(sigma=sigma, data=data)).name == name


def _reordered(draw, order):
    def drawn(size, **options):
        return draw(size, **options).view(-1, BATCH, *size[1:])[:, order].reshape(size)

    return drawn

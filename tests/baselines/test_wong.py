from __future__ import annotations

import re

import pytest
import torch
from torch import nn

from noiseproof.baselines import Wong
from noiseproof.errors import ModelError, pip_install
from noiseproof.models import build

needs_package = pytest.mark.extra("convex_adversarial")


@pytest.fixture
def network():
    """A small network of ReLU, as it comes out of the box, on pictures of 8x8."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build("small-cnn", num_classes=3, shape=(1, 8, 8)).eval().requires_grad_(False)


def test_settings_are_checked():
    with pytest.raises(ValueError, match=r"^eps must be > 0 and finite, got 0\.0$"):
        Wong(eps=0)
    with pytest.raises(ValueError, match=r"^precision must be in \(0, 1\), got 1\.0$"):
        Wong(precision=1)
    with pytest.raises(ValueError, match=r"^projections must be >= 1, got 0$"):
        Wong(projections=0)


def test_without_the_package_it_says_what_to_install(monkeypatch, network):
    monkeypatch.setitem(__import__("sys").modules, "convex_adversarial", None)
    with pytest.raises(ModelError, match=re.escape(f"wong needs convex_adversarial: {pip_install('baselines')}")):
        Wong().certifier(network, (1, 8, 8))


@pytest.mark.parametrize(
    ("layer", "name"), [(nn.Sigmoid(), "Sigmoid"), (nn.Conv2d(2, 2, 1, groups=2), "Conv2d"), (nn.MaxPool2d(2), "MaxP")]
)
def test_layers_that_the_bound_does_not_know_are_refused(layer, name):
    with pytest.raises(ModelError, match=rf"^wong knows nn\.Sequential of .* only, got {name}"):
        Wong().certifier(nn.Sequential(layer, nn.Flatten(), nn.Linear(2, 2)), (2, 1, 1))


@needs_package
def test_for_a_linear_network_the_radius_is_the_distance_to_the_boundary():
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(4, 6, generator=generator)
    layer = nn.Linear(6, 4)
    layer.weight.data, layer.bias.data = weight, torch.tensor([0.1, -0.2, 0.0, 0.3])
    x = torch.rand(12, 1, 2, 3, generator=generator)
    found = Wong(precision=1 / 512).certifier(nn.Sequential(nn.Flatten(), layer), (1, 2, 3)).radii(x)
    scores = layer(x.flatten(1)).detach()
    lead = scores.amax(dim=1, keepdim=True) - scores
    apart = (weight[found.predictions][:, None] - weight[None]).norm(dim=2)
    exact = torch.where(apart > 0, lead / apart, torch.inf).amin(dim=1).double()
    assert torch.equal(found.predictions, scores.argmax(dim=1))
    assert bool((found.radii <= exact).all())
    assert bool((found.radii >= exact * (1 - 1 / 400) - 1e-3).all())


@needs_package
def test_within_the_radius_of_a_relu_network_no_point_of_another_class_is_found(network):
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(4, 1, 8, 8, generator=generator)
    found = Wong().certifier(network, (1, 8, 8)).radii(x)
    assert bool((found.radii > 0).all())
    for one, y, radius in zip(x, found.predictions, found.radii, strict=True):
        directions = torch.randn(500, 1, 8, 8, generator=generator)
        points = one + float(radius) * directions / directions.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
        assert bool((network(points).argmax(dim=1) == y).all())


@needs_package
def test_the_loss_is_plain_at_first_and_never_below_it_later(network):
    x, y = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(2)), torch.arange(6) % 3
    plain = nn.functional.cross_entropy(network(x), y)
    method = Wong(eps=0.5, projections=64)  # no fewer than the pixels: exact
    assert float(method.loss(network, x, y, 0.0)) == float(plain)
    losses = [float(method.loss(network, x, y, fraction)) for fraction in (0.5, 0.6, 0.75, 1.0)]
    assert float(plain) < losses[0] < losses[1] < losses[2] == pytest.approx(losses[3])


@needs_package
def test_the_radius_does_not_depend_on_the_guess_beyond_its_precision(network):
    x = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(3))
    radii = [float(Wong(eps=eps).certifier(network, (1, 8, 8)).radii(x).radii) for eps in (0.01, 0.3, 40.0)]
    assert max(radii) * (1 - 1 / 30) <= min(radii)


@needs_package
def test_an_input_without_a_radius_leaves_those_after_it_theirs():
    layer = nn.Linear(2, 2)
    layer.weight.data, layer.bias.data = torch.eye(2), torch.zeros(2)
    x = torch.tensor([[0.5, 0.5], [0.9, 0.1]])
    radii = Wong(precision=1 / 64).certifier(nn.Sequential(nn.Flatten(), layer), (2,)).radii(x).radii
    assert float(radii[0]) == 0.0
    assert float(radii[1]) == pytest.approx(0.8 / 2**0.5, rel=1 / 40)

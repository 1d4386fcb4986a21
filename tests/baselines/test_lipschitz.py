from __future__ import annotations

import math
import re
import warnings

import pytest
import torch
from torch import nn

from noiseproof.baselines import METHODS, Lipschitz, Wong
from noiseproof.baselines.lipschitz import SortPairs, lipschitz_cnn, lipschitz_constant
from noiseproof.errors import ModelError, pip_install


def linear(weight, bias=None):
    layer = nn.Linear(len(weight[0]), len(weight), bias=bias is not None)
    layer.weight.data = torch.tensor(weight)
    if bias is not None:
        layer.bias.data = torch.tensor(bias)
    return layer


def test_the_constant_of_affine_layers_is_the_product_of_their_largest_singular_values():
    net = nn.Sequential(linear([[3.0, 0.0], [0.0, 1.0]], [5.0, 5.0]), nn.ReLU(), linear([[1.0, 1.0]]))
    assert lipschitz_constant(net, (2,)) == pytest.approx(3 * math.sqrt(2), rel=1e-8)
    assert lipschitz_constant(net, (2,)) >= 3 * math.sqrt(2)


def test_a_convolution_is_taken_as_its_whole_matrix_with_its_border():
    conv = nn.Conv2d(2, 3, 3, stride=2, padding=1).requires_grad_(False)
    shape = (2, 7, 6)
    matrix = torch.func.jacrev(lambda x: conv(x).flatten())(torch.zeros(shape)).flatten(1).double()
    exact = float(torch.linalg.matrix_norm(matrix, ord=2))
    assert lipschitz_constant(nn.Sequential(conv), shape) == pytest.approx(exact, rel=1e-6)


def test_a_layer_without_a_known_constant_is_refused():
    with pytest.raises(ModelError, match=r"lipschitz knows nn\.Sequential of .* only, got Softplus$"):
        lipschitz_constant(nn.Sequential(nn.Linear(2, 2), nn.Softplus()), (2,))


def test_sorted_pairs():
    x = torch.tensor([[3.0, 1.0, 2.0, 4.0]])
    assert SortPairs()(x).tolist() == [[1.0, 3.0, 2.0, 4.0]]
    pictures = torch.randn(2, 4, 3, 3)
    assert torch.equal(SortPairs()(pictures)[:, 0], torch.minimum(pictures[:, 0], pictures[:, 1]))


def test_the_radius_of_orthonormal_rows_is_the_exact_distance_to_the_boundary():
    net = nn.Sequential(nn.Flatten(), linear([[1.0, 0.0], [0.0, 1.0]]))
    certifier = Lipschitz().certifier(net, (1, 1, 2))
    found = certifier.radii(torch.tensor([[[[0.9, 0.2]]], [[[0.1, 0.5]]]]))
    assert found.predictions.tolist() == [0, 1]
    assert found.radii.tolist() == pytest.approx([0.7 / math.sqrt(2), 0.4 / math.sqrt(2)], rel=1e-6)
    assert certifier.said["lipschitz"] == pytest.approx(1)


def test_the_radius_is_never_above_the_distance_to_the_boundary():
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(5, 8, generator=generator)
    x = torch.rand(30, 8, generator=generator)
    found = Lipschitz().certifier(nn.Sequential(linear(weight.tolist())), (8,)).radii(x)
    scores = x @ weight.T
    lead = scores.amax(dim=1, keepdim=True) - scores
    apart = (weight[found.predictions][:, None] - weight[None]).norm(dim=2)
    exact = torch.where(apart > 0, lead / apart, torch.inf).amin(dim=1)
    assert bool((found.radii <= exact + 1e-6).all())
    assert bool((found.radii > 0.3 * exact).all())  # and not vacuous


def test_settings_are_checked():
    with pytest.raises(ValueError, match=r"^tau must be > 0 and finite, got 0\.0$"):
        Lipschitz(tau=0)
    with pytest.raises(ModelError, match=r"^lipschitz-cnn takes pictures of shape"):
        lipschitz_cnn(2, (1, 3, 3))
    assert {name: method.name for name, method in METHODS.items()} == {"wong": "wong", "lipschitz": "lipschitz"}
    assert METHODS["wong"] is Wong


def test_without_the_package_training_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "deel", None)
    monkeypatch.setitem(__import__("sys").modules, "deel.torchlip", None)
    with pytest.raises(ModelError, match=re.escape(f"lipschitz needs deel.torchlip: {pip_install('baselines')}")):
        Lipschitz().begin(2, (1, 4, 4))


@pytest.mark.extra("deel.torchlip")
def test_the_package_keeps_the_constant_near_one_and_plain_layers_are_the_same_function():
    method = Lipschitz(tau=5.0)
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        network = method.begin(3, (1, 8, 8))
        optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
        x, y = torch.rand(16, 1, 8, 8), torch.arange(16) % 3
        before = float(method.loss(network, x, y, 0.0).detach())
        for _ in range(20):
            optimizer.zero_grad()
            loss = method.loss(network, x, y, 0.0)
            loss.backward()
            optimizer.step()
        assert float(loss.detach()) < before
        network.eval()
        plain = method.trained(network).eval()
    assert torch.allclose(plain(x), network(x), atol=1e-5)
    assert [type(layer) for layer in plain] == [type(layer) for layer in lipschitz_cnn(3, (1, 8, 8))]
    constant = lipschitz_constant(plain, (1, 8, 8))
    assert 0.9 < constant < 1.01  # held by the package to a thousandth or so: why it is computed and divided by

import pytest
import torch
import torch.nn.functional as F

from noiseproof.training.losses import GaussianLoss, Phase

START = Phase(epoch=0.0, rate_drops=0)


@pytest.fixture
def net():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(8, 6), torch.nn.Tanh(), torch.nn.Linear(6, 3))


@pytest.fixture
def batch():
    random = torch.Generator().manual_seed(1)
    return torch.rand(5, 2, 2, 2, generator=random), torch.tensor([0, 1, 2, 1, 0])


def call(loss, net, batch, sigma, seed=3):
    generator = torch.Generator().manual_seed(seed)
    return loss(net, *batch, sigma=sigma, generator=generator, phase=START)


def test_the_mean_is_over_every_draw_of_every_picture(net, batch):
    x, y = batch
    delta = torch.randn(10, 2, 2, 2, generator=torch.Generator().manual_seed(3))
    draws = [F.cross_entropy(net(x + 0.5 * delta[5 * i : 5 * i + 5]), y) for i in range(2)]
    out = call(GaussianLoss(m=2), net, batch, sigma=0.5)
    assert out.loss.item() == pytest.approx(sum(draws).item() / 2, rel=1e-5)


def test_accuracy_is_that_under_noise(net, batch):
    x, y = batch
    delta = torch.randn(5, 2, 2, 2, generator=torch.Generator().manual_seed(3))
    right = (net(x + 2.0 * delta).argmax(1) == y).float().mean()
    out = call(GaussianLoss(), net, batch, sigma=2.0)
    assert out.accuracy.item() == right.item()
    assert not out.accuracy.requires_grad


def test_the_noise_has_the_standard_deviation_asked_for():
    seen = []

    class Spy(torch.nn.Module):
        def forward(self, x):
            seen.append(x)
            return x.flatten(1)[:, :2]

    x = torch.full((64, 1, 32, 32), 0.5)
    call(GaussianLoss(), Spy(), (x, torch.zeros(64, dtype=torch.int64)), sigma=0.25)
    noise = (seen[0] - 0.5).flatten()  # 65,536 draws: five standard errors
    assert abs(noise.std().item() - 0.25) < 5 * 0.25 / (2 * 65_536) ** 0.5
    assert abs(noise.mean().item()) < 5 * 0.25 / 256


def test_the_pictures_are_left_as_they_were(net, batch):
    x = batch[0].clone()
    call(GaussianLoss(), net, batch, sigma=0.5)
    assert torch.equal(batch[0], x)


def test_no_draws():
    with pytest.raises(ValueError, match=r"^m must be >= 1, got 0$"):
        GaussianLoss(m=0)


def test_configuration():
    assert GaussianLoss(m=4).config() == {"name": "gaussian", "m": 4}

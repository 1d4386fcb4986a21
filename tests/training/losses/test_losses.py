"""The laws of a training loss, over every registered one."""

import pytest
import torch
import torch.nn.functional as F

from noiseproof.training import LOSSES, GaussianLoss, Progress

EXAMPLES = {"gaussian": [GaussianLoss(), GaussianLoss(m=3)]}
NEUTRAL = {"gaussian": GaussianLoss()}
"""The settings at which a loss with sigma 0 is plain cross-entropy."""

every_loss = pytest.mark.parametrize("loss", [loss for some in EXAMPLES.values() for loss in some], ids=repr)


@pytest.fixture
def net():
    torch.manual_seed(0)
    layers = [torch.nn.Flatten(), torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 3)]
    return torch.nn.Sequential(*layers).double()


@pytest.fixture
def batch():
    random = torch.Generator().manual_seed(1)
    return torch.rand(4, 1, 2, 2, generator=random, dtype=torch.float64), torch.tensor([0, 1, 2, 1])


def value(loss, net, batch, sigma=0.3, seed=2):
    generator = torch.Generator().manual_seed(seed)
    return loss(net, *batch, sigma=sigma, generator=generator, progress=Progress(20.0, 1)).loss


def test_the_lists_equal_the_registry():
    assert EXAMPLES.keys() == NEUTRAL.keys() == LOSSES.keys()
    assert all(LOSSES[name].name == name for name in LOSSES)


@every_loss
def test_the_gradient_is_that_of_finite_differences(loss, net, batch):
    value(loss, net, batch).backward()
    step = 1e-6
    for parameter in net.parameters():
        flat, gradient = parameter.data.view(-1), parameter.grad.view(-1)
        for index in range(len(flat)):
            old = flat[index].item()
            flat[index] = old + step
            above = value(loss, net, batch).item()
            flat[index] = old - step
            below = value(loss, net, batch).item()
            flat[index] = old
            assert gradient[index].item() == pytest.approx((above - below) / (2 * step), rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("loss", NEUTRAL.values(), ids=repr)
def test_without_noise_it_is_plain_cross_entropy(loss, net, batch):
    plain = F.cross_entropy(net(batch[0]), batch[1])
    assert value(loss, net, batch, sigma=0.0).item() == pytest.approx(plain.item(), rel=1e-12)


@every_loss
def test_the_same_generator_gives_the_same_loss_and_another_another(loss, net, batch):
    assert value(loss, net, batch).item() == value(loss, net, batch).item()
    assert value(loss, net, batch).item() != value(loss, net, batch, seed=5).item()


@every_loss
def test_the_global_generator_is_left_alone(loss, net, batch):
    before = torch.get_rng_state()
    value(loss, net, batch)
    assert torch.equal(torch.get_rng_state(), before)

import math

import numpy as np
import pytest
import torch

from noiseproof.training.losses import SmoothAdvLoss

SIGMA = 0.5


def of_length(delta, eps):
    length = math.sqrt(sum(delta**2))
    return delta * (eps / length if length > eps else 1.0)


def attacked(ascent, W, x, y, noise, *, eps, steps):
    """PGD by the letter."""
    delta = np.zeros_like(x)
    for _ in range(steps):
        delta = of_length(delta + 2 * eps / steps * ascent(W, x + delta, y, noise), eps)
        delta = np.clip(x + delta, 0.0, 1.0) - x
    return x + delta


@pytest.fixture
def x(batch):
    return batch[0].double()


@pytest.fixture
def delta(noise, x):
    """The draws of ``call`` for double pictures: [m, batch, features], with sigma."""

    def of(m):
        size = (m * len(x), *x.shape[1:])
        drawn = torch.randn(size, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
        return SIGMA * drawn.view(m, len(x), -1)

    return of


@pytest.mark.parametrize(("m", "steps", "eps"), [(1, 1, 0.3), (3, 4, 0.3), (2, 10, 1.0)])
def test_against_a_slow_reference(linear, x, batch, call, delta, softmax, ascent, m, steps, eps):
    out = call(SmoothAdvLoss(eps=eps, m=m, steps=steps), linear, x=x)
    W, y, noise = linear.W.detach().numpy(), batch[1].tolist(), delta(m).numpy()
    total = 0.0
    for j in range(6):
        point = attacked(ascent, W, x[j].flatten().numpy(), y[j], noise[:, j], eps=eps, steps=steps)
        total += sum(-math.log(softmax(W @ (point + noise[i, j]))[y[j]]) for i in range(m)) / m
    assert out.loss.item() == pytest.approx(total / 6, rel=1e-6)


def points(linear, delta, m):
    """Where the pictures were in each pass, and how far the copies of one picture lay apart, their noise taken off."""
    shown = [(each.view(m, 6, -1) - delta(m)) for each in linear.shown]
    spread = max((each - each.mean(dim=0)).abs().max().item() for each in shown)
    return [each.mean(dim=0) for each in shown], spread


def test_one_noise_is_kept_through_every_step_and_the_training_pass(linear, x, call, delta):
    call(SmoothAdvLoss(eps=0.3, m=3, steps=4), linear, x=x)
    assert len(linear.shown) == 5
    assert points(linear, delta, 3)[1] < 1e-12


def test_the_attack_is_made_in_eval_mode_with_the_weights_frozen(linear, x, call):
    call(SmoothAdvLoss(eps=0.3, m=3, steps=4), linear, x=x)
    assert linear.modes == [False] * 4 + [True]
    assert linear.learned == [False] * 4 + [True]


def test_the_steps_accumulate_inside_eps(linear, x, call, delta):
    flat = 0.5 + 0 * x  # far from 0 and 1
    call(SmoothAdvLoss(eps=0.3, m=3, steps=8), linear, x=flat)
    at, _ = points(linear, delta, 3)
    distances = torch.stack([(each - flat.flatten(1)).norm(dim=1) for each in at])
    assert distances.max() <= 0.3 + 1e-12
    assert torch.allclose(distances[1], torch.full((6,), 2 * 0.3 / 8, dtype=torch.float64), atol=1e-12)
    assert (distances[1:5] > distances[:4]).all()
    assert (distances[-1] > 0.29).all()


def test_pictures_stay_pictures(linear, x, call, delta):
    call(SmoothAdvLoss(eps=3.0, m=2, steps=4), linear, x=x)
    last = points(linear, delta, 2)[0][-1]
    assert last.min() >= -1e-12
    assert last.max() <= 1 + 1e-12


def test_it_raises_the_loss_of_the_label(linear, x, batch, call):
    none = call(SmoothAdvLoss(eps=0.0, m=4), linear, x=x).loss.item()
    assert call(SmoothAdvLoss(eps=0.3, m=4), linear, x=x).loss.item() > none + 0.1
    at = []
    for y in (batch[1], (batch[1] + 1) % 5):
        call(SmoothAdvLoss(eps=0.3, m=4), linear, x=x, y=y)
        at.append(linear.shown[-1])
    assert (at[0] - at[1]).flatten(1).norm(dim=1).min() > 0.05


def test_eps_warms_up(linear, x, call, delta):
    flat = 0.5 + 0 * x
    loss = SmoothAdvLoss(eps=0.4, m=2, steps=3, warmup=4)
    for epoch, eps in ((0.0, 0.1), (0.9, 0.1), (1.0, 0.2), (3.0, 0.4), (50.0, 0.4)):
        call(loss, linear, x=flat, epoch=epoch)
        at = points(linear, delta, 2)[0][-1]
        assert (at - flat.flatten(1)).norm(dim=1).max().item() == pytest.approx(eps, rel=1e-6)
    call(SmoothAdvLoss(eps=0.4, m=2, steps=3, warmup=0), linear, x=flat, epoch=0.0)
    at = points(linear, delta, 2)[0][-1]
    assert (at - flat.flatten(1)).norm(dim=1).max().item() == pytest.approx(0.4, rel=1e-6)


def test_without_eps_nothing_is_attacked(linear, x, call):
    call(SmoothAdvLoss(eps=0.0, m=3), linear, x=x)
    assert linear.modes == [True]


def test_consistency_at_the_adversary(linear, x, call, softmax):
    """The two losses compose: the terms of consistency on the very scores of the training pass."""
    plain = call(SmoothAdvLoss(eps=0.3, m=2), linear, x=x).loss.item()
    both = call(SmoothAdvLoss(eps=0.3, m=2, lambda_=2.0, eta=0.5), linear, x=x).loss.item()
    W, more = linear.W.detach().numpy(), 0.0
    seen = linear.shown[-1].view(2, 6, -1).numpy()
    for j in range(6):
        p = [softmax(W @ seen[i, j]) for i in range(2)]
        p_bar = [(p[0][c] + p[1][c]) / 2 for c in range(5)]
        more += 2.0 * sum(p_bar[c] * math.log(p_bar[c] / p[i][c]) for i in range(2) for c in range(5)) / 2
        more -= 0.5 * sum(p_bar[c] * math.log(p_bar[c]) for c in range(5))
    assert both - plain == pytest.approx(more / 6, rel=1e-6)


@pytest.mark.parametrize(
    ("data", "published"), [("cifar10", [(1, 4), (1, 8), (2, 2)]), ("fashion-mnist:train", [(1, 4)] * 3)]
)
def test_published_settings(data, published):
    found = [SmoothAdvLoss(**SmoothAdvLoss.published(sigma=sigma, data=data)) for sigma in (0.25, 0.5, 1.0)]
    assert [(loss.eps, loss.m) for loss in found] == published
    assert {(loss.steps, loss.warmup, loss.lambda_, loss.eta) for loss in found} == {(10, 10, 0.0, 0.0)}


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"eps": -1.0, "m": 1}, "eps must be >= 0, got -1.0"),
        ({"eps": 1.0, "m": 0}, "m must be >= 1, got 0"),
        ({"eps": 1.0, "m": 1, "steps": 0}, "steps must be >= 1, got 0"),
        ({"eps": 1.0, "m": 1, "warmup": -1}, "warmup must be >= 0, got -1"),
        ({"eps": 1.0, "m": 1, "lambda_": -1}, "lambda must be >= 0, got -1"),
        ({"eps": 1.0, "m": 1, "eta": -1}, "eta must be >= 0, got -1"),
    ],
)
def test_a_setting_out_of_range(settings, text):
    with pytest.raises(ValueError, match="must be") as caught:
        SmoothAdvLoss(**settings)
    assert str(caught.value) == text

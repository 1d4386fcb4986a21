import math

import numpy as np
import pytest
import torch

from noiseproof.training.losses import SmoothMixLoss

SIGMA, ETA = 0.5, 5.0


@pytest.fixture
def x(batch):
    return batch[0].double()


def drawn(x, m):
    """The noise and the mixing weights of ``call``: what its generator gives first, and next."""
    generator = torch.Generator().manual_seed(3)
    noise = torch.randn((m * 6, *x.shape[1:]), generator=generator, dtype=torch.float64)
    return SIGMA * noise.view(m, 6, -1).numpy(), 0.5 * torch.rand(6, generator=generator, dtype=torch.float64).numpy()


@pytest.mark.parametrize("one_step", [False, True])
@pytest.mark.parametrize(("m", "steps", "epoch"), [(1, 1, 20.0), (3, 4, 20.0), (2, 3, 2.5)])
def test_against_a_slow_reference(linear, x, call, softmax, ascent, m, steps, epoch, one_step):
    y = _labels(linear, x, m)
    loss = SmoothMixLoss(step=0.3, steps=steps, m=m, one_step=one_step, eta=ETA, warmup=10)
    out = call(loss, linear, x=x, y=torch.tensor(y), epoch=epoch)
    W = linear.W.detach().numpy()
    noise, weights = drawn(x, m)
    warmed = min(1.0, (int(epoch) + 1) / 10)
    total, right = 0.0, 0
    for j in range(6):
        start = x[j].flatten().numpy()
        point, clean = start, start
        for t in range(steps):
            point = np.clip(point + 0.3 * ascent(W, point, y[j], noise[:, j]), 0.0, 1.0)
            if t == 0 and one_step:
                length = math.sqrt(sum((point - start) ** 2))
                clean = start + (point - start) * min(1.0, 0.3 * warmed / length)
        p = [softmax(W @ (clean + noise[i, j])) for i in range(m)]
        p_bar = [sum(p[i][c] for i in range(m)) / m for c in range(5)]
        total += sum(-math.log(p[i][y[j]]) for i in range(m)) / m
        if max(range(5), key=lambda c: p_bar[c]) == y[j]:
            right += 1
            share = weights[j]
            mix = (1 - share) * clean + share * point
            target = [(1 - share) * p_bar[c] + share / 5 for c in range(5)]
            for i in range(m):
                q = softmax(W @ (mix + noise[i, j]))
                total += ETA * warmed / m * sum(target[c] * math.log(target[c] / q[c]) for c in range(5))
    assert out.loss.item() == pytest.approx(total / 6, rel=1e-6)
    assert 0 < right < 6


def test_one_noise_in_every_pass_and_eval_mode_in_the_attack(linear, x, call):
    call(SmoothMixLoss(step=0.3, steps=3, m=2), linear, x=x)
    noise = torch.from_numpy(drawn(x, 2)[0])
    for shown in linear.shown:
        bare = shown.view(2, 6, -1) - noise
        assert torch.allclose(bare[0], bare[1], atol=1e-12)
        assert bare.min() > -1e-12
        assert bare.max() < 1 + 1e-12
    assert linear.modes == linear.learned == [False] * 3 + [True] * 2
    assert torch.equal(linear.shown[3], (x + noise.view(2, *x.shape)).flatten(0, 1))


def test_without_mixtures_nothing_is_attacked(linear, x, call):
    call(SmoothMixLoss(step=0.3, steps=3, m=2, eta=0.0), linear, x=x)
    assert linear.modes == [True]


def test_certain_scores_give_a_gradient(call, batch):
    weight = torch.full((6, 5), -500.0, requires_grad=True)

    class Certain(torch.nn.Module):
        def forward(self, x):
            own = torch.zeros(6, 5).scatter(1, batch[1].view(-1, 1), 5000.0)
            return (weight + own).repeat(len(x) // 6, 1) + 0 * x.sum()

    call(SmoothMixLoss(step=0.3, steps=1, m=2), Certain()).loss.backward()
    assert weight.grad.isfinite().all()


@pytest.mark.parametrize(
    ("data", "published"),
    [
        ("cifar10", [(0.5, 4, 2, False), (1, 4, 2, True), (2, 4, 2, True)]),
        ("fashion-mnist:train", [(1, 2, 4, False), (1, 4, 4, False), (1, 8, 4, False)]),
    ],
)
def test_published_settings(data, published):
    found = [SmoothMixLoss(**SmoothMixLoss.published(sigma=sigma, data=data)) for sigma in (0.25, 0.5, 1.0)]
    assert [(loss.step, loss.steps, loss.m, loss.one_step) for loss in found] == published
    assert {(loss.eta, loss.warmup) for loss in found} == {(5.0, 10)}


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"step": 0.0}, "step must be > 0, got 0.0"),
        ({"steps": 0}, "steps must be >= 1, got 0"),
        ({"m": 0}, "m must be >= 1, got 0"),
        ({"one_step": 1}, "one_step must be True or False, got 1"),
        ({"eta": -1.0}, "eta must be >= 0, got -1.0"),
        ({"warmup": -1}, "warmup must be >= 0, got -1"),
    ],
)
def test_a_setting_out_of_range(settings, text):
    with pytest.raises(ValueError, match="must be") as caught:
        SmoothMixLoss(**{"step": 1.0, "steps": 4, "m": 2} | settings)
    assert str(caught.value) == text


def _labels(linear, x, m):
    """What the model votes for, but for two of the pictures."""
    with torch.no_grad():
        noise = torch.from_numpy(drawn(x, m)[0])
        vote = ((x.flatten(1) + noise) @ linear.W.T).softmax(dim=2).mean(dim=0).argmax(dim=1)
    vote[:2] = (vote[:2] + 1) % 5
    return vote.tolist()

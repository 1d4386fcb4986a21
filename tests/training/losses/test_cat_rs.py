import math

import numpy as np
import pytest
import torch

from noiseproof.training.losses import CATRSLoss, Phase
from noiseproof.training.randomness import JointGenerator, Part

SIGMA = 0.5


@pytest.fixture
def x(batch):
    return batch[0].double()


@pytest.fixture
def y_hat():
    random = torch.Generator().manual_seed(11)
    return (2 * torch.randn(6, 5, generator=random, dtype=torch.float64)).softmax(dim=1)


def drawn(x, m, sigma=SIGMA):
    """The noise and the numbers that K is counted from: what the generator of ``call`` gives first, and next."""
    generator = torch.Generator().manual_seed(3)
    noise = torch.randn((m * 6, *x.shape[1:]), generator=generator, dtype=torch.float64)
    trials = [torch.rand(6, generator=generator, dtype=torch.float64) for _ in range(m)]
    return sigma * noise.view(m, 6, -1).numpy(), torch.stack(trials).numpy()


def divergence(y_hat, p):
    return sum(y_hat[c] * math.log(y_hat[c] / p[c]) for c in range(5) if y_hat[c] > 0)


def attacked(softmax, W, x, y_hat, delta, *, eps, steps):
    """The attack on one draw, by the letter."""
    mean, scale = sum(delta) / len(delta), math.sqrt(sum(delta**2) / len(delta))
    at = delta
    for _ in range(steps):
        p = softmax(W @ (x + at))
        uphill = sum((p[c] - y_hat[c]) * W[c] for c in range(5))
        moved = at - delta + 2 * eps / steps * uphill / math.sqrt(sum(uphill**2))
        length = math.sqrt(sum(moved**2))
        at = delta + moved * (eps / length if length > eps else 1.0)
        at = mean + (at - sum(at) / len(at)) * scale / math.sqrt(sum(at**2) / len(at))
    return at


@pytest.mark.parametrize("soft", [True, False])
@pytest.mark.parametrize(("m", "steps", "eps", "sigma"), [(1, 1, 0.3, 0.5), (4, 4, 0.3, 0.28), (5, 2, 1.0, 0.2)])
def test_against_a_slow_reference(linear, x, y_hat, call, softmax, m, steps, eps, sigma, soft):
    y = _labels(linear, x, drawn(x, m, sigma)[0])
    loss = CATRSLoss(lambda_=0.7, eps=eps, m=m, steps=steps)
    out = call(loss, linear, sigma=sigma, x=x, y=torch.tensor(y), targets=y_hat if soft else None)
    W, (noise, trials) = linear.W.detach().numpy(), drawn(x, m, sigma)
    total, taken = 0.0, []
    for j in range(6):
        point = x[j].flatten().numpy()
        target = y_hat[j].tolist() if soft else [float(c == y[j]) for c in range(5)]
        p = [softmax(W @ (point + noise[i, j])) for i in range(m)]
        right = sum(np.argmax(each) == y[j] for each in p)
        kept = max(1, sum(trials[i, j] < right / m for i in range(m)))
        total += sum(sorted(-math.log(each[y[j]]) for each in p)[:kept]) / m
        if kept == m:
            moved = [attacked(softmax, W, point, target, noise[i, j], eps=eps, steps=steps) for i in range(m)]
            total += 0.7 * max(divergence(target, softmax(W @ (point + each))) for each in moved)
        taken.append((kept, right))
    assert out.loss.item() == pytest.approx(total / 6, rel=1e-6)
    if m > 1:  # none right and all, some of the draws kept and all
        assert {(1, 0), (m, m)} <= set(taken)
        assert any(1 < kept < m for kept, _ in taken), taken


def moved(linear, x, m):
    """The noise of every pass but the first, and the noise of that one: [m, 6, features]."""
    noises = [shown.view(m, 6, -1) - x.flatten(1) for shown in linear.shown]
    return noises[1:], noises[0]


def test_the_attack_starts_at_the_very_noise_in_eval_mode_with_the_weights_frozen(linear, x, y_hat, call):
    call(CATRSLoss(lambda_=1.0, m=3, steps=4), linear, x=x, targets=y_hat)
    assert linear.modes == linear.learned == [True] + [False] * 4 + [True]
    assert torch.equal(linear.shown[0], linear.shown[1])
    assert torch.allclose(moved(linear, x, 3)[1], torch.from_numpy(drawn(x, 3)[0]), rtol=0, atol=1e-12)


def test_the_steps_accumulate_inside_eps(linear, x, y_hat, call):
    call(CATRSLoss(lambda_=1.0, eps=0.2, m=3, steps=8), linear, x=x, targets=y_hat)
    later, start = moved(linear, x, 3)
    distances = torch.stack([(each - start).norm(dim=2) for each in later])
    # standardising moves a draw further away by about (eps/||delta||)^2/8: here some thousandths
    assert distances.max() <= 0.2 * 1.01
    assert distances[1].min() > 0.7 * 2 * 0.2 / 8  # and draws some of the step back
    assert distances[1].max() < 1.01 * 2 * 0.2 / 8
    assert (distances[1:5] > distances[:4]).all()
    assert distances[-1].min() > 0.15


def test_a_draw_keeps_its_mean_and_scale(linear, x, y_hat, call):
    call(CATRSLoss(lambda_=1.0, eps=1.0, m=3, steps=2), linear, x=x, targets=y_hat)
    later, start = moved(linear, x, 3)
    for each in later[1:]:
        assert torch.allclose(each.mean(dim=2), start.mean(dim=2), rtol=0, atol=1e-12)
        assert torch.allclose(each.norm(dim=2), start.norm(dim=2), rtol=0.1)
    assert (later[-1] - start).norm(dim=2).min() > 0.5


def test_every_draw_goes_up_its_own_divergence_from_the_targets(linear, x, y_hat, batch, call):
    def of(seen):
        log_p = (seen.view(3, 6, -1) @ linear.W.T).log_softmax(dim=2)
        return (y_hat * (y_hat.log() - log_p)).sum(dim=2)

    call(CATRSLoss(lambda_=1.0, eps=0.3, m=3), linear, x=x, targets=y_hat)
    assert (of(linear.shown[-1]) > of(linear.shown[0]) + 0.01).all()
    call(CATRSLoss(lambda_=1.0, eps=0.3, m=3), linear, x=x, y=(batch[1] + 1) % 5, targets=y_hat)
    assert torch.equal(linear.shown[-1], linear.shown[5])  # the label is not asked
    call(CATRSLoss(lambda_=1.0, eps=0.3, m=3), linear, x=x, targets=y_hat.flip(1))
    assert (linear.shown[-1] - linear.shown[5]).flatten(1).norm(dim=1).mean() > 0.1


def test_without_targets_it_is_the_label(linear, x, batch, call):
    loss = CATRSLoss(lambda_=1.0, eps=0.3, m=3)
    hard = torch.nn.functional.one_hot(batch[1], 5).double()
    assert torch.equal(call(loss, linear, x=x).loss, call(loss, linear, x=x, targets=hard).loss)


def test_the_worst_case_counts_where_every_draw_is_kept(call, batch):
    """A model that knows all labels but the first: there one draw counts, and no targets."""

    class Knows(torch.nn.Module):
        def forward(self, x):
            said = batch[1].clone()
            said[0] = 3
            scores = torch.zeros(6, 5, dtype=torch.float64).scatter(1, said.view(-1, 1), 2.0)
            return scores.repeat(len(x) // 6, 1) + 0 * x.sum()

    flat = torch.full((6, 5), 0.2)
    of_label, of_other = math.log(1 + 4 * math.exp(-2)), 2 + math.log(1 + 4 * math.exp(-2))
    worst = 0.2 * of_label + 0.8 * of_other - math.log(5)
    loss = call(CATRSLoss(lambda_=0.5, m=4, steps=1), Knows(), targets=flat).loss.item()
    assert loss == pytest.approx((of_other / 4 + 5 * (of_label + 0.5 * worst)) / 6, rel=1e-6)


def test_without_lambda_nothing_is_attacked(linear, x, call):
    call(CATRSLoss(lambda_=0.0, m=3), linear, x=x)
    assert linear.modes == [True]


def test_no_noise_stays_none(linear, x, y_hat, call):
    out = call(CATRSLoss(lambda_=1.0, m=2), linear, x=x, sigma=0.0, targets=y_hat)
    out.loss.backward()
    assert all(torch.equal(shown.view(2, 6, -1)[i], x.flatten(1)) for shown in linear.shown for i in range(2))
    assert linear.W.grad.isfinite().all()
    linear.W.data.zero_()  # nowhere to go either
    assert call(CATRSLoss(lambda_=1.0, m=2), linear, x=x, sigma=0.0).loss.isfinite()


def test_a_batch_split_over_processes_is_the_batch(linear, x, y_hat, batch):
    def of(rows, part):
        generator = JointGenerator("cpu")
        generator.manual_seed(3)
        generator.part = part
        loss, phase = CATRSLoss(lambda_=1.0, eps=0.3, m=4), Phase(0.0, 0)
        given = {"sigma": SIGMA, "generator": generator, "phase": phase, "targets": y_hat[rows]}
        return loss(linear, x[rows], batch[1][rows], **given).loss.item()

    parts = [of(rows, Part(6, rows, 1.0)) for rows in (slice(0, 3), slice(3, 6))]
    assert parts[0] != parts[1]
    assert sum(parts) / 2 == pytest.approx(of(slice(None), None), rel=1e-12)


@pytest.mark.parametrize("data", ["cifar10", "fashion-mnist:train"])
def test_published_settings(data):
    found = [CATRSLoss(**CATRSLoss.published(sigma=sigma, data=data)) for sigma in (0.25, 0.5, 1.0)]
    assert [loss.lambda_ for loss in found] == [0.5, 1.0, 2.0]
    assert {(loss.eps, loss.m, loss.steps) for loss in found} == {(1.0, 4, 4)}


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"lambda_": -1.0}, "lambda must be >= 0, got -1.0"),
        ({"eps": 0.0}, "eps must be > 0, got 0.0"),
        ({"m": 0}, "m must be >= 1, got 0"),
        ({"steps": 0}, "steps must be >= 1, got 0"),
    ],
)
def test_a_setting_out_of_range(settings, text):
    with pytest.raises(ValueError, match="must be") as caught:
        CATRSLoss(**{"lambda_": 1.0} | settings)
    assert str(caught.value) == text


def _labels(linear, x, noise):
    """What the model says most often, but for two of the pictures: there it never says so."""
    with torch.no_grad():
        said = ((x.flatten(1) + torch.from_numpy(noise)) @ linear.W.T).argmax(dim=2)
    votes = torch.nn.functional.one_hot(said, 5).sum(dim=0)
    labels = votes.argmax(dim=1)
    labels[:2] = votes.argmin(dim=1)[:2]
    return labels.tolist()

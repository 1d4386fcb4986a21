import math

import pytest
import torch
from scipy.stats import norm

from noiseproof.training.losses import MACERLoss
from tests.asking import train

SETTINGS = {"lambda_": 16.0, "m": 4, "beta": 0.7, "gamma": 2.0}


def reference(said, y, softmax, *, sigma, lambda_, m, beta, gamma):
    """The loss, and of how many pictures the radius counted."""
    said = said.reshape(m, 6, -1)
    total, counted = 0.0, 0
    for j in range(6):
        p = [softmax(said[i, j])[y[j]] for i in range(m)]
        total += -math.log(sum(p) / m)
        q = [sum(softmax(beta * said[i, j])[c] for i in range(m)) / m for c in range(5)]
        first, second = sorted(range(5), key=lambda c: -q[c])[:2]
        difference = norm.ppf(q[first]) - norm.ppf(q[second])
        if first == y[j] and math.isfinite(difference) and difference <= gamma:
            total += lambda_ * sigma / 2 * (gamma - difference)
            counted += 1
    return total / 6, counted


@pytest.mark.parametrize(("gamma", "applies"), [(0.01, 0), (0.5, 3), (8.0, 4)])
def test_against_a_slow_reference(scores, call, softmax, gamma, applies):
    """The labels: four pictures right, at least; the rest as it comes."""
    settings = SETTINGS | {"gamma": gamma}
    scores(torch.zeros(24, 2, 3, 3))  # a look at what it will say
    y = [0, 1, 2, 3, 4, 0]
    vote = scores.said[0].reshape(4, 6, -1)
    for j in range(4):
        q = [sum(softmax(0.7 * vote[i, j])[c] for i in range(4)) for c in range(5)]
        y[j] = max(range(5), key=lambda c: q[c])
    again = type(scores)().train()
    out = call(MACERLoss(**settings), again, y=torch.tensor(y))
    wanted, counted = reference(again.said[0], y, softmax, sigma=0.5, **settings)
    assert out.loss.item() == pytest.approx(wanted, rel=1e-6)
    assert counted == applies


def test_a_certain_vote_has_no_radius_and_does_no_harm(call, batch):
    """There the difference is infinite, which must not become a gradient that is no number."""
    weight = torch.full((6, 5), -500.0, requires_grad=True)

    class Certain(torch.nn.Module):
        def forward(self, x):
            own = torch.zeros(6, 5).scatter(1, batch[1].view(-1, 1), 1000.0)
            return (weight + own).repeat(len(x) // 6, 1) + 0 * x.sum()

    out = call(MACERLoss(**SETTINGS), Certain())
    out.loss.backward()
    assert out.loss.item() == pytest.approx(0.0, abs=1e-12)
    assert weight.grad.isfinite().all()


def test_the_radius_counts_after_the_rate_has_dropped(linear, batch, call):
    x = batch[0].double()
    always = MACERLoss(**SETTINGS | {"gamma": 8.0})
    late = MACERLoss(**SETTINGS | {"gamma": 8.0}, after_drops=1)
    plain = call(MACERLoss(lambda_=0.0, m=4), linear, x=x).loss.item()
    values = [call(late, linear, x=x, rate_drops=drops).loss.item() for drops in (0, 1, 2)]
    assert values[0] == plain
    assert values[1] == values[2] == call(always, linear, x=x, rate_drops=0).loss.item()
    assert values[1] > plain + 0.1


@pytest.mark.parametrize("settings", [{"epochs": 30}, {"epochs": 90, "schedule": "cosine"}])
def test_a_drop_that_never_comes(tmp_path, settings):
    text = (
        f"the loss macer waits for rate drop 1, which does not come in {settings['epochs']} epochs; "
        "give a schedule of steps with step_size < epochs, or after_drops=0 as loss_setting"
    )
    with pytest.raises(ValueError, match="rate drop") as caught:
        train(data="fashion-mnist-small", arch="lenet", out=tmp_path / "m", sigma=0.5, loss="macer", **settings)
    assert str(caught.value) == text
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("data", "published"),
    [("cifar10", [(12, 0), (4, 0), (12, 1)]), ("fashion-mnist:train", [(16, 1), (16, 1), (6, 1)])],
)
def test_published_settings(data, published):
    found = [MACERLoss(**MACERLoss.published(sigma=sigma, data=data)) for sigma in (0.25, 0.5, 1.0)]
    assert [(loss.lambda_, loss.after_drops) for loss in found] == published
    assert {(loss.m, loss.beta, loss.gamma) for loss in found} == {(16, 16.0, 8.0)}


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"lambda_": -1.0}, "lambda must be >= 0, got -1.0"),
        ({"lambda_": 1.0, "beta": 0}, "beta must be > 0, got 0"),
        ({"lambda_": 1.0, "gamma": math.nan}, "gamma must be > 0, got nan"),
        ({"lambda_": 1.0, "after_drops": -1}, "after_drops must be >= 0, got -1"),
        ({"lambda_": 1.0, "m": 0}, "m must be >= 1, got 0"),
    ],
)
def test_a_setting_out_of_range(settings, text):
    with pytest.raises(ValueError, match="must be") as caught:
        MACERLoss(**settings)
    assert str(caught.value) == text

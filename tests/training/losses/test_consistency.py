import math

import numpy as np
import pytest

from noiseproof.training.losses import ConsistencyLoss


@pytest.mark.parametrize("m", [1, 2, 5])
def test_against_a_slow_reference(scores, batch, call, softmax, m):
    y = batch[1].tolist()
    out = call(ConsistencyLoss(lambda_=10.0, eta=0.5, m=m), scores)
    (said,) = scores.said
    said = said.reshape(m, 6, -1)
    total, right = 0.0, 0
    for j in range(6):
        p = [softmax(said[i, j]) for i in range(m)]
        p_bar = [sum(p[i][c] for i in range(m)) / m for c in range(5)]
        total += sum(-math.log(p[i][y[j]]) for i in range(m)) / m
        total += 10.0 * sum(p_bar[c] * math.log(p_bar[c] / p[i][c]) for i in range(m) for c in range(5)) / m
        total += 0.5 * -sum(p_bar[c] * math.log(p_bar[c]) for c in range(5))
        right += sum(int(np.argmax(said[i, j]) == y[j]) for i in range(m))
    assert out.loss.item() == pytest.approx(total / 6, rel=1e-6)
    assert out.accuracy.item() == pytest.approx(right / (6 * m))


def test_one_pass_over_every_draw(scores, batch, call, noise):
    call(ConsistencyLoss(lambda_=1.0), scores)
    (shown,) = scores.shown
    assert shown == pytest.approx((batch[0] + 0.5 * noise(2)).flatten(0, 1).numpy(), abs=1e-6)


@pytest.mark.parametrize(
    ("data", "published"), [("cifar10", (20, 10, 10)), ("fashion-mnist-small", (10, 5, 5)), ("mnist", (10, 5, 5))]
)
def test_published_settings(data, published):
    found = [ConsistencyLoss.published(sigma=sigma, data=data) for sigma in (0.25, 0.5, 1.0)]
    assert found == [{"lambda_": value} for value in published]


def test_configuration():
    config = {"name": "consistency", "lambda": 20.0, "eta": 0.5, "m": 2}
    assert ConsistencyLoss(lambda_=20).config() == config


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"lambda_": -1.0}, "lambda must be >= 0, got -1.0"),
        ({"lambda_": 1.0, "eta": math.inf}, "eta must be >= 0, got inf"),
        ({"lambda_": 1.0, "m": 1.5}, "m must be an integer, got 1.5"),
    ],
)
def test_a_setting_out_of_range(settings, text):
    with pytest.raises(ValueError, match="must be") as caught:
        ConsistencyLoss(**settings)
    assert str(caught.value) == text

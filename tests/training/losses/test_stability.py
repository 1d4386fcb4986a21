import math

import numpy as np
import pytest

from noiseproof.training.losses import StabilityLoss


@pytest.mark.parametrize("m", [1, 3])
def test_against_a_slow_reference(scores, batch, call, softmax, m):
    y = batch[1].tolist()
    out = call(StabilityLoss(lambda_=2.0, m=m), scores)
    clean, noisy = scores.said
    noisy = noisy.reshape(m, 6, -1)
    total, right = 0.0, 0
    for j in range(6):
        p = softmax(clean[j])
        total += -math.log(p[y[j]])
        for i in range(m):
            q = softmax(noisy[i, j])
            total += 2.0 / m * sum(-p[c] * math.log(q[c]) for c in range(5))
            right += int(np.argmax(noisy[i, j]) == y[j])
    assert out.loss.item() == pytest.approx(total / 6, rel=1e-6)
    assert out.accuracy.item() == pytest.approx(right / (6 * m))


def test_one_pass_is_clean_and_the_other_noisy(scores, batch, call, noise):
    call(StabilityLoss(lambda_=1.0, m=2), scores)
    clean, noisy = scores.shown
    assert np.array_equal(clean, batch[0].numpy())
    assert noisy == pytest.approx((batch[0] + 0.5 * noise(2)).flatten(0, 1).numpy(), abs=1e-6)
    assert scores.modes == [True, True]


@pytest.mark.parametrize(
    ("sigma", "data", "published"),
    [(0.25, "cifar10", 2), (0.5, "svhn", 2), (1.0, "cifar10", 1), (1.0, "mnist:train", 2), (0.25, "fashion-mnist", 2)],
)
def test_published_settings(sigma, data, published):
    assert StabilityLoss.published(sigma=sigma, data=data) == {"lambda_": published}


def test_configuration():
    assert StabilityLoss(lambda_=1).config() == {"name": "stability", "lambda": 1.0, "m": 1}


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"lambda_": -1.0}, "lambda must be >= 0, got -1.0"),
        ({"lambda_": math.nan}, "lambda must be >= 0, got nan"),
        ({"lambda_": "2"}, "lambda must be a number, got '2'"),
        ({"lambda_": 1.0, "m": 0}, "m must be >= 1, got 0"),
    ],
)
def test_a_setting_out_of_range(settings, text):
    with pytest.raises(ValueError, match="must be") as caught:
        StabilityLoss(**settings)
    assert str(caught.value) == text

from __future__ import annotations

import math

import pytest
import torch

from noiseproof.attacks.steps import ascent, ascent_direction, into_ball, l2_norm, noise_draws, soft_vote_loss
from noiseproof.noises import Gaussian

Y = torch.tensor([0, 1, 2, 0, 1])


def noise(draws=6, batch=5, sigma=0.4):
    generator = torch.Generator().manual_seed(5)
    return sigma * torch.randn(draws, batch, 1, 4, 4, generator=generator, dtype=torch.float64)


def test_the_loss_is_minus_the_logarithm_of_the_mean_probability_of_the_label(curved, pictures):
    draws = noise()
    found = soft_vote_loss(curved, pictures, Y, draws)
    for i, label in enumerate(Y.tolist()):
        votes = [curved((pictures[i] + delta[i])[None]).softmax(dim=1)[0, label].item() for delta in draws]
        assert found[i].item() == pytest.approx(-math.log(sum(votes) / len(votes)), rel=1e-12)


@pytest.mark.parametrize("steepness", [4.0, 40.0, 300.0])
def test_there_is_a_direction_where_the_label_is_nearly_certain_or_nearly_impossible(oracle, steepness):
    """In float32 too, where p_bar_y is 1 - 1e-300: the gradient of -log p_bar_y itself would be 0 there."""
    oracle.base.steepness = steepness
    for label in (0, 1):
        x, y = oracle.x.float(), torch.tensor([label])
        direction = ascent_direction(oracle.base, x, y, torch.zeros(1, *x.shape))
        assert float(l2_norm(direction)) == pytest.approx(1, abs=1e-6)
        sign = 1 if label == 1 else -1
        assert float((direction * sign * oracle.towards).sum()) == pytest.approx(1, abs=1e-6)


def test_the_direction_is_that_of_finite_differences(curved, pictures):
    draws = noise()
    found = ascent_direction(curved, pictures, Y, draws)
    slope = torch.zeros_like(pictures)
    for pixel in range(16):
        step = torch.zeros(16, dtype=torch.float64)
        step[pixel] = 1e-5
        step = step.view(1, 1, 4, 4)
        difference = soft_vote_loss(curved, pictures + step, Y, draws) - soft_vote_loss(
            curved, pictures - step, Y, draws
        )
        slope.view(5, 16)[:, pixel] = difference.detach() / 2e-5
    slope /= l2_norm(slope).view(-1, 1, 1, 1)
    torch.testing.assert_close(found, slope, atol=1e-7, rtol=0)


@pytest.mark.parametrize("rows", [1, 7, 15, 29, 1000])
def test_the_direction_does_not_depend_on_the_rows_of_a_pass(curved, pictures, rows):
    seen = []

    def base(x):
        seen.append(len(x))
        return curved(x)

    whole = ascent_direction(curved, pictures, Y, noise(draws=7))
    torch.testing.assert_close(ascent_direction(base, pictures, Y, noise(draws=7), rows=rows), whole)
    assert sum(seen) == 35
    assert max(seen) <= max(rows, 5)


@pytest.mark.parametrize("scores", [0.0, math.nan])
def test_there_is_no_direction_where_scores_do_not_depend_on_the_input_or_are_none(pictures, scores):
    def base(x):
        return x.flatten(1)[:, :3] * scores

    assert not ascent_direction(base, pictures, Y, noise()).any()


def test_one_input_of_scores_that_are_none_does_not_spoil_the_others(curved, pictures):
    def base(x):
        return curved(x) + torch.where(torch.arange(len(x)) % 5 == 2, math.nan, 0.0)[:, None]

    found = ascent_direction(base, pictures, Y, noise())
    assert not found[2].any()
    others = [0, 1, 3, 4]
    torch.testing.assert_close(found[others], ascent_direction(curved, pictures, Y, noise())[others])


def test_only_what_is_outside_the_ball_is_shortened():
    delta = torch.tensor([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0], [3.0, 4.0]])
    found = into_ball(delta, torch.tensor([1.0, 1.0, 1.0, 0.0]))
    torch.testing.assert_close(found, torch.tensor([[0.6, 0.8], [0.3, 0.4], [0.0, 0.0], [0.0, 0.0]]))
    assert found[1].tolist() == delta[1].tolist()


def test_the_noise_is_normal_and_an_inputs_own_where_it_has_a_generator(pictures):
    draws = noise_draws(pictures, 4000, Gaussian(sigma=0.3), torch.Generator().manual_seed(0))
    assert draws.shape == (4000, *pictures.shape)
    assert draws.std().item() == pytest.approx(0.3, rel=0.01)  # of 320,000 numbers: 8 standard errors
    assert abs(draws.mean().item()) < 5 * 0.3 / math.sqrt(draws.numel())

    def each(which):
        made = [torch.Generator().manual_seed(i) for i in which]
        return noise_draws(pictures[which], 3, Gaussian(sigma=0.3), made)

    torch.testing.assert_close(each([0, 1, 2, 3])[:, 2:4], each([2, 3]), atol=0, rtol=0)
    with pytest.raises(ValueError, match="generator must be one, or one an input, got 2 for 5 inputs"):
        noise_draws(pictures, 3, Gaussian(sigma=0.3), [torch.Generator(), torch.Generator()])


def test_the_lead_is_counted_on_the_draws_of_the_direction(curved, pictures):
    """In parts of a batch too; against votes counted by hand."""
    draws = noise(draws=30)
    direction, lead = ascent(curved, pictures, Y, draws)
    parts, same = ascent(curved, pictures, Y, draws, rows=10)
    torch.testing.assert_close(direction, parts)
    for i, label in enumerate(Y.tolist()):
        won = [int(curved((pictures[i] + delta[i])[None]).argmax()) for delta in draws]
        others = max(won.count(other) for other in range(3) if other != label)
        assert lead[i].item() == same[i].item() == pytest.approx((won.count(label) - others) / 30)

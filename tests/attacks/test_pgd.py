from __future__ import annotations

import itertools
import math
import re

import pytest
import torch

from noiseproof.attacks import PGD
from noiseproof.attacks.steps import l2_norm, noise_draws, soft_vote_loss
from noiseproof.noises import Gaussian

Y = torch.tensor([0, 1, 2, 0, 1])
SIGMA = 0.3


def test_against_a_half_space_it_finds_the_exact_worst_case(oracle, generator):
    """Distance and direction: straight to the boundary, as far as allowed, so it crosses at margin / ||w||."""
    for radius in (0.05, oracle.radius * 0.999, oracle.radius * 1.001, 0.4):
        found = PGD()(
            oracle.base, oracle.x, torch.tensor([1]), radius=radius, noise=Gaussian(sigma=SIGMA), generator=generator
        )
        delta = found - oracle.x
        assert l2_norm(delta).item() == pytest.approx(radius, rel=1e-9)
        assert float((delta * oracle.towards).sum()) == pytest.approx(radius, rel=1e-9)
        still = oracle.base(found).argmax(dim=1).item()
        assert still == (1 if radius < oracle.radius else 0)


def test_the_label_says_which_way(oracle, generator):
    found = PGD()(
        oracle.base, oracle.x, torch.tensor([0]), radius=0.1, noise=Gaussian(sigma=SIGMA), generator=generator
    )
    assert float(((found - oracle.x) * oracle.towards).sum()) == pytest.approx(-0.1, rel=1e-9)


def test_steps_accumulate(oracle, generator):
    """Along a straight line T steps of length a reach T a, and then the ball's surface."""
    for steps, reached in ((1, 0.02), (3, 0.06), (7, 0.14), (50, 0.3)):
        found = PGD(steps=steps, step=0.02)(
            oracle.base, oracle.x, torch.tensor([1]), radius=0.3, noise=Gaussian(sigma=SIGMA), generator=generator
        )
        assert l2_norm(found - oracle.x).item() == pytest.approx(reached, rel=1e-9)


def test_a_step_is_twice_the_radius_over_t(oracle, generator):
    """So one step of two already arrives, and one of eight covers a quarter of the way."""
    noises = itertools.repeat(noise_draws(oracle.x, 4, Gaussian(sigma=SIGMA), generator))
    half_way = PGD(steps=8).climb(
        oracle.base, oracle.x, torch.tensor([1]), radius=0.2, noises=itertools.islice(noises, 1)
    )
    assert l2_norm(half_way - oracle.x).item() == pytest.approx(0.05, rel=1e-9)


@pytest.mark.parametrize("fresh", [False, True])
def test_it_raises_the_loss_of_every_input_on_noise_it_never_saw(curved, pictures, generator, fresh):
    unseen = noise_draws(pictures, 2000, Gaussian(sigma=SIGMA), torch.Generator().manual_seed(99))

    def loss(x):
        with torch.no_grad():
            return soft_vote_loss(curved, x, Y, unseen)

    def attacked(steps):
        method = PGD(steps=steps, draws=64, fresh=fresh)
        return method(curved, pictures, Y, radius=0.4, noise=Gaussian(sigma=SIGMA), generator=generator.manual_seed(1))

    clean, few, many = loss(pictures), loss(attacked(1)), loss(attacked(20))
    assert (many > clean + 0.01).all()
    assert many.mean() > few.mean()


def recorder(seen):
    def base(x):
        seen.append(x.detach().clone())
        return x.flatten(1)[:, :3] * 0  # no direction: the attack stays where it is

    return base


@pytest.mark.parametrize("fresh", [False, True])
def test_the_noise_is_kept_through_all_steps_unless_fresh(pictures, generator, fresh):
    seen: list[torch.Tensor] = []
    PGD(steps=6, draws=3, fresh=fresh)(
        recorder(seen), pictures, Y, radius=1.0, noise=Gaussian(sigma=SIGMA), generator=generator
    )
    assert len(seen) == 6
    assert {len(rows) for rows in seen} == {15}
    deltas = [rows.view(3, *pictures.shape) - pictures for rows in seen]
    assert deltas[0].std().item() == pytest.approx(SIGMA, rel=0.25)
    assert not torch.equal(deltas[0][0], deltas[0][1])
    for one, other in itertools.pairwise(deltas):
        assert torch.equal(one, other) is not fresh


def test_the_noise_follows_the_point(oracle, generator):
    """What the base classifier sees is the moved point plus the kept noise."""
    seen: list[torch.Tensor] = []

    def base(x):
        seen.append(x.detach().clone())
        return oracle.base(x)

    delta = noise_draws(oracle.x, 2, Gaussian(sigma=SIGMA), generator)
    PGD(steps=3, step=0.05).climb(base, oracle.x, torch.tensor([1]), radius=1.0, noises=itertools.repeat(delta))
    for i, rows in enumerate(seen):
        torch.testing.assert_close(rows, (oracle.x + 0.05 * i * oracle.towards + delta).flatten(0, 1))


@pytest.mark.parametrize("clip", [True, False])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("step", [None, 0.7])
def test_it_stays_in_the_ball_and_in_the_box(curved, pictures, generator, clip, dtype, step):
    x = pictures.to(dtype)
    radii = torch.tensor([0.0, 0.01, 0.3, 1.0, 3.0])
    method = PGD(steps=9, draws=8, step=step, clip=clip)
    found = method(curved.to(dtype), x, Y, radius=radii, noise=Gaussian(sigma=SIGMA), generator=generator)
    assert found.dtype == dtype
    digits = 1e-6 if dtype == torch.float32 else 1e-12
    assert (l2_norm(found - x) <= radii + digits).all()
    assert (l2_norm(found - x)[1:4] > 0.3 * radii[1:4]).all()
    assert torch.equal(found[0], x[0])
    inside = bool((found >= 0).all() and (found <= 1).all())
    assert inside is clip


def test_an_input_with_its_own_generator_is_attacked_the_same_in_any_batch(curved, pictures):
    radii = torch.tensor([0.1, 0.2, 0.3, 0.4, 0.5])

    def attacked(which, rows=None):
        generators = [torch.Generator().manual_seed(i) for i in which]
        return PGD(steps=5, draws=6)(
            curved,
            pictures[which],
            Y[which],
            radius=radii[which],
            noise=Gaussian(sigma=SIGMA),
            generator=generators,
            rows=rows,
        )

    whole = attacked([0, 1, 2, 3, 4])
    torch.testing.assert_close(whole[[3, 1]], attacked([3, 1], rows=4))


def test_the_base_classifier_gets_no_gradients_and_keeps_its_mode(curved, pictures, generator):
    PGD(steps=2, draws=2)(curved, pictures, Y, radius=0.1, noise=Gaussian(sigma=SIGMA), generator=generator)
    assert all(parameter.grad is None for parameter in curved.parameters())
    assert not curved.training


def test_its_configuration_is_a_plain_table():
    assert PGD(steps=3, draws=5, fresh=True).config() == {
        "name": "pgd",
        "steps": 3,
        "draws": 5,
        "step": None,
        "fresh": True,
        "clip": True,
    }


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"steps": 0}, "steps must be >= 1, got 0"),
        ({"draws": 0}, "draws must be >= 1, got 0"),
        ({"step": 0.0}, "step must be > 0 and finite, or None for 2 radius / steps, got 0.0"),
        ({"step": math.nan}, "step must be > 0 and finite, or None for 2 radius / steps, got nan"),
    ],
)
def test_settings_out_of_range(change, text):
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        PGD(**change)


@pytest.mark.parametrize("radius", [-0.1, math.inf, math.nan])
def test_a_radius_out_of_range(oracle, generator, radius):
    with pytest.raises(ValueError, match="radius must be >= 0 and finite"):
        PGD()(oracle.base, oracle.x, torch.tensor([1]), radius=radius, noise=Gaussian(sigma=SIGMA), generator=generator)

import itertools
import math

import numpy as np
import pytest
import torch

from noiseproof.training.losses import SmoothAdvLoss

SIGMA = 0.2


@pytest.fixture
def x(batch):
    return batch[0].double()


def drawn(x, m):
    """The draws of ``call`` for double pictures: [m, 6, features]."""
    noise = torch.randn((m * 6, *x.shape[1:]), generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return SIGMA * noise.view(m, 6, -1)


@pytest.fixture
def attack(call, linear, x):
    """The loss with DDN: where the pictures were in each pass, [6, features] each, and what came out."""

    def attacked(eps, *, y, m=3, steps=4, x=x, **options):
        linear.shown.clear()
        loss = SmoothAdvLoss(eps=eps, m=m, steps=steps, attack="ddn")
        out = call(loss, linear, x=x, y=y, sigma=SIGMA, **options)
        shown = [each.view(m, 6, -1) - drawn(x, m) for each in linear.shown]
        assert max((each - each.mean(dim=0)).abs().max() for each in shown) < 1e-12  # one noise in every pass
        return [each.mean(dim=0) for each in shown], out

    return attacked


def labels(linear, x, m):
    """What the model says most often, but for the first picture: there the class that it never says."""
    said = ((x.flatten(1) + drawn(x, m)) @ linear.W.detach().T).argmax(dim=2)
    votes = torch.nn.functional.one_hot(said, 5).sum(dim=0)
    y = votes.argmax(dim=1)
    y[0] = votes.argmin(dim=1)[0]
    return y


def lost(linear, at, x, y, m):
    """At which pictures another class has more votes than y."""
    said = ((at + drawn(x, m)) @ linear.W.detach().T).argmax(dim=2)
    votes = torch.nn.functional.one_hot(said, 5).sum(dim=0)
    return [max(row[c] for c in range(5) if c != label) > row[label] for row, label in zip(votes, y, strict=True)]


def by_the_letter(ascent, W, x, y, noise, *, eps, steps):
    """The perturbation of one picture."""
    delta, best, norm = np.zeros_like(x), None, eps
    for step in range(1, steps + 1):
        said = [int(np.argmax(W @ (x + delta + each))) for each in noise]
        other = max(said.count(c) for c in range(5) if c != y) > said.count(y)
        length = math.sqrt(sum(delta**2))
        if other and (best is None or length < math.sqrt(sum(best**2))):
            best = delta
        rate = 0.01 + 0.99 * (1 + math.cos(math.pi * step / steps)) / 2
        delta = delta + rate * ascent(W, x + delta, y, noise)
        norm *= 0.95 if other else 1.05
        delta = np.clip(x + delta * norm / math.sqrt(sum(delta**2)), 0.0, 1.0) - x
    if best is None:
        return np.zeros_like(x)
    length = math.sqrt(sum(best**2))
    return best * (eps / length if length > eps else 1.0)


@pytest.mark.parametrize(("m", "steps", "eps"), [(1, 2, 0.4), (3, 4, 0.3), (4, 10, 0.5)])
def test_against_a_slow_reference(linear, x, attack, softmax, ascent, m, steps, eps):
    y = labels(linear, x, m)
    _, out = attack(eps, y=y, m=m, steps=steps)
    W, noise = linear.W.detach().numpy(), drawn(x, m).numpy()
    total, lengths = 0.0, []
    for j, label in enumerate(y.tolist()):
        delta = by_the_letter(ascent, W, x[j].flatten().numpy(), label, noise[:, j], eps=eps, steps=steps)
        point = x[j].flatten().numpy() + delta
        total += sum(-math.log(softmax(W @ (point + noise[i, j]))[label]) for i in range(m)) / m
        lengths.append(math.sqrt(sum(delta**2)))
    assert out.loss.item() == pytest.approx(total / 6, rel=1e-6)
    assert lengths[0] == 0.0 < max(lengths)


def test_the_attack_is_made_in_eval_mode_with_the_weights_frozen(linear, x, attack):
    attack(0.3, y=labels(linear, x, 3))
    assert linear.modes == linear.learned == [False] * 4 + [True]


def test_the_norm_starts_at_eps_and_changes_by_five_percent(linear, x, attack):
    flat = 0.5 + 0 * x  # far from 0 and 1
    y = labels(linear, flat, 3)
    at, _ = attack(0.4, y=y, steps=8, x=flat)
    norm = torch.full((6,), 0.4, dtype=torch.float64)
    changes = []
    for before, after in itertools.pairwise(at[:8]):
        other = torch.tensor(lost(linear, before, flat, y, 3))
        norm = torch.where(other, 0.95 * norm, 1.05 * norm)
        changes.append(other)
        assert torch.allclose((after - flat.flatten(1)).norm(dim=1), norm, rtol=0, atol=1e-12)
    assert 0 < torch.stack(changes[1:]).double().mean() < 1


def test_it_trains_on_the_smallest_seen_that_makes_another_class_win_or_on_the_picture(linear, x, attack):
    y = labels(linear, x, 3)
    at, _ = attack(0.4, y=y, steps=8)
    lengths = torch.stack([(each - x.flatten(1)).norm(dim=1) for each in at])
    winning = torch.tensor([lost(linear, each, x, y, 3) for each in at[:8]])
    smallest = lengths[:8].where(winning, torch.inf).amin(dim=0).clamp(max=0.4)
    assert torch.allclose(lengths[8], smallest.where(winning.any(dim=0), 0.0), rtol=0, atol=1e-12)
    assert torch.tensor(lost(linear, at[8], x, y, 3))[lengths[8] < 0.399].sum() >= 2
    assert lengths[8, 0] < 1e-12  # wrong from the start: the smallest is none


@pytest.mark.parametrize("eps", [0.02, 0.4, 3.0])
def test_it_stays_inside_eps_and_the_picture_a_picture(linear, x, attack, eps):
    at, _ = attack(eps, y=labels(linear, x, 3), steps=10)
    assert (at[-1] - x.flatten(1)).norm(dim=1).max() <= eps + 1e-12
    assert min(each.min() for each in at) >= -1e-12
    assert max(each.max() for each in at) <= 1 + 1e-12
    if eps == 0.02:  # nothing is found so near
        assert torch.allclose(at[-1], x.flatten(1), rtol=0, atol=1e-12)


def test_it_raises_the_loss_of_the_label(linear, x, attack):
    y = labels(linear, x, 3)
    (there, *_, last), out = attack(0.4, y=y, steps=8)
    plain = torch.nn.functional.cross_entropy(((there + drawn(x, 3)) @ linear.W.T).flatten(0, 1), y.repeat(3)).item()
    assert out.loss.item() > plain + 0.1
    assert (attack(0.4, y=(y + 1) % 5, steps=8)[0][-1] - last).norm(dim=1).max() > 0.1


def test_eps_warms_up(linear, x, attack):
    flat = 0.5 + 0 * x
    at, _ = attack(0.4, y=labels(linear, flat, 3), x=flat, epoch=1.0)  # of 10
    right = ~torch.tensor(lost(linear, at[0], flat, labels(linear, flat, 3), 3))
    lengths = (at[1] - flat.flatten(1)).norm(dim=1)
    assert torch.allclose(lengths[right], torch.full_like(lengths[right], 0.08 * 1.05), rtol=0, atol=1e-12)


def test_without_a_gradient_a_picture_stays_where_it_is(linear, x, attack):
    linear.W.data.zero_()  # class 0 wins everywhere
    at, out = attack(0.4, y=torch.tensor([0, 1, 2, 3, 4, 0]))
    assert all(torch.allclose(each, x.flatten(1), rtol=0, atol=1e-12) for each in at)
    assert out.loss.item() == pytest.approx(math.log(5), rel=1e-12)


def test_the_configuration_names_ddn_alone():
    pgd, ddn = (SmoothAdvLoss(eps=1.0, m=4, attack=attack) for attack in ("pgd", "ddn"))
    settings = {"name": "smoothadv", "eps": 1.0, "m": 4, "steps": 10, "warmup": 10, "lambda": 0.0, "eta": 0.0}
    assert SmoothAdvLoss(eps=1.0, m=4) == pgd
    assert pgd.config() == settings
    assert ddn.config() == settings | {"attack": "ddn"}


def test_an_attack_that_does_not_exist():
    with pytest.raises(ValueError, match="unknown") as caught:
        SmoothAdvLoss(eps=1.0, m=4, attack="dnd")
    assert str(caught.value) == "unknown attack 'dnd'; did you mean 'ddn'?"

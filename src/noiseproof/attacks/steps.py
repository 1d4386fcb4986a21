"""The pieces of an attack on the soft vote: its noise, its direction, its ball."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import log
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from noiseproof.noises import Noise


def noise_draws(x: Tensor, draws: int, noise: Noise, generator: torch.Generator | Sequence[torch.Generator]) -> Tensor:
    """Float noise for every input of a batch: [draws, batch, *shape].

    Args:
        x: the batch, [batch, *shape].
        draws: noisy copies of each input.
        noise: of the smoothed classifier.
        generator: one, or one an input; then the noise of an input does not depend on its batch.
    """
    if isinstance(generator, torch.Generator):
        found: Tensor = noise.sample(x, draws, generator)
        return found
    if len(generator) != len(x):
        raise ValueError(f"generator must be one, or one an input, got {len(generator)} for {len(x)} inputs")
    each = [noise_draws(x[i : i + 1], draws, noise, one) for i, one in enumerate(generator)]
    return torch.cat(each, dim=1)


def soft_vote_loss(base: Callable[[Tensor], Tensor], x: Tensor, y: Tensor, noise: Tensor) -> Tensor:
    """-log p_bar_y of each input: p_bar = mean_i softmax f(x + delta_i). Differentiable, float64 ``[batch]``.

    The logarithm of the mean, not the mean of the logarithms: what is attacked is the vote.

    Args:
        base: the base classifier.
        x: [batch, *shape] in [0, 1].
        y: the class of each input, int64 [batch].
        noise: delta, [draws, batch, *shape].

    Source: SmoothAdv, Salman et al. 2019.
    """
    return -_log_votes(base, x, y, noise)[0]


def ascent_direction(
    base: Callable[[Tensor], Tensor], x: Tensor, y: Tensor, noise: Tensor, *, rows: int | None = None
) -> Tensor:
    """The direction in which -log p_bar_y of each input grows fastest, of L2 norm 1: [batch, *shape].

    Zero where there is none: the scores do not depend on the input, or are no numbers.

    Args:
        base: the base classifier; its parameters get no gradients.
        x: see ``soft_vote_loss``.
        y: see ``soft_vote_loss``.
        noise: see ``soft_vote_loss``.
        rows: noisy inputs a forward pass, about; by default all at once.
    """
    return ascent(base, x, y, noise, rows=rows)[0]


def ascent(
    base: Callable[[Tensor], Tensor], x: Tensor, y: Tensor, noise: Tensor, *, rows: int | None = None
) -> tuple[Tensor, Tensor]:
    """The direction of ``ascent_direction``, and how far the class led in the votes that it was made of.

    The lead is the share of draws that y won less the largest share of another class: float64 [batch], in [-1, 1].
    Arguments are those of ``ascent_direction``.
    """
    votes: Tensor | int = 0
    weight = torch.full((len(x),), -torch.inf, dtype=torch.float64, device=x.device)  # logarithms
    gradient = torch.zeros_like(x)
    draws = len(noise) if rows is None else max(1, rows // len(x))
    for first in range(0, len(noise), draws):
        part = noise[first : first + draws]
        points = x.detach().requires_grad_()
        log_p, log_rest, won = _log_votes(base, points, y, part)
        votes = votes + won
        # log((1 - p)/p) has the direction of -log p without its factor 1 - p, which float32 loses at confident inputs
        (steepest,) = torch.autograd.grad((log_rest - log_p).sum(), points)
        # the gradient of p_bar is the mean of its parts', each p (1 - p) times that of its log odds
        added = (log_p + log_rest).detach() + log(len(part))
        both = torch.logaddexp(weight, added)
        gradient = gradient * _column((weight - both).exp(), x) + steepest * _column((added - both).exp(), x)
        weight = both
    assert isinstance(votes, Tensor), "there is a draw at least"
    return direction(gradient), _lead(votes, y) / len(noise)


def direction(gradient: Tensor) -> Tensor:
    """Each gradient of a batch at L2 norm 1, and zero where it has no direction: [batch, *shape]."""
    norm = l2_norm(gradient)
    has_one = (norm > 0) & norm.isfinite()
    return torch.where(_column(has_one, gradient), gradient / _column(norm, gradient), 0.0)


def into_ball(delta: Tensor, radius: Tensor) -> Tensor:
    """Perturbations no longer than their radius: a longer one is shortened, a shorter one left alone.

    Args:
        delta: [batch, *shape].
        radius: L2, [batch].
    """
    norm = l2_norm(delta)
    return delta * _column(torch.where(norm > radius, radius / norm, 1.0), delta)


def onto_sphere(delta: Tensor, norm: Tensor) -> Tensor:
    """Perturbations stretched or shortened to their norm; one of no length stays as it is.

    Args:
        delta: [batch, *shape].
        norm: L2, [batch].
    """
    length = l2_norm(delta)
    return delta * _column(torch.where(length > 0, norm / length, 0.0), delta)


def l2_norm(delta: Tensor) -> Tensor:
    """The L2 norm of each entry of a batch: [batch]."""
    norm: Tensor = torch.linalg.vector_norm(delta.flatten(1), dim=1)
    return norm


def _log_votes(base: Callable[[Tensor], Tensor], x: Tensor, y: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The logarithms of p_bar_y and 1 - p_bar_y of each input, each with all its digits: float64 ``[batch]``.

    And the class votes, int64 ``[batch, classes]``.
    """
    draws, batch = noise.shape[:2]
    scores = base((x + noise).flatten(0, 1)).view(draws, batch, -1)
    log_p = scores.double().log_softmax(dim=2)
    label = y.view(1, -1, 1).expand(draws, -1, -1)
    others = log_p.scatter(2, label, -torch.inf)
    of_label = log_p.gather(2, label).squeeze(2).logsumexp(dim=0)
    votes = torch.zeros_like(scores[0], dtype=torch.int64)
    votes.scatter_add_(1, scores.detach().argmax(dim=2).T, torch.ones_like(scores[:, :, 0].T, dtype=torch.int64))
    return of_label - log(draws), others.logsumexp(dim=(0, 2)) - log(draws), votes


def _lead(votes: Tensor, y: Tensor) -> Tensor:
    """Votes of y less those of the largest other class: float64 ``[batch]``."""
    label = y.view(-1, 1)
    return (votes.gather(1, label).squeeze(1) - votes.scatter(1, label, -1).amax(dim=1)).double()


def _column(each: Tensor, x: Tensor) -> Tensor:
    """One number an input, in the shape and type in which it multiplies the inputs."""
    column = each.view(-1, *[1] * (x.dim() - 1))
    return column if each.dtype == torch.bool else column.to(x.dtype)

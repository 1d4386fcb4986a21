"""What several losses do: scores under several draws, their mean vote, a model held still for an attack."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import log

from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel


def noisy_scores(model: nn.Module, x: Tensor, noise: Tensor) -> Tensor:
    """The scores f(x + delta_i) in float64: [m, batch, classes]; one forward pass over m |x| pictures.

    Args:
        model: the base classifier.
        x: pictures, [batch, C, H, W].
        noise: delta, [m * batch, C, H, W], copy after copy; left as it is.
    """
    copies = noise.view(-1, *x.shape)
    scores: Tensor = model((copies + x).flatten(0, 1))
    return scores.double().view(*copies.shape[:2], -1)


def log_vote(scores: Tensor) -> Tensor:
    """The logarithm of p_bar, the mean softmax over the draws: [batch, classes].

    Args:
        scores: [m, batch, classes].
    """
    return scores.log_softmax(dim=2).logsumexp(dim=0) - log(len(scores))


def accuracy(scores: Tensor, y: Tensor) -> Tensor:
    """The fraction of the noisy copies whose highest score is the label's; detached.

    Args:
        scores: [m, batch, classes].
        y: classes, int64 [batch].
    """
    return (scores.detach().argmax(dim=2) == y).float().mean()


@contextmanager
def frozen_in_eval_mode(model: nn.Module) -> Iterator[nn.Module]:
    """The model for an attack inside training: in eval mode, its parameters asking for no gradients; after, as before.

    Without them no graph is kept for the weights, and batch-norm does not see the attack's pictures. Of several
    processes it is this one's own model: an attack is nothing they share.
    """
    module = model.module if isinstance(model, DistributedDataParallel) else model
    modes = [(part, part.training) for part in module.modules()]
    learned = [parameter for parameter in module.parameters() if parameter.requires_grad]
    try:
        module.eval()
        for parameter in learned:
            parameter.requires_grad_(False)
        yield module
    finally:
        for parameter in learned:
            parameter.requires_grad_(True)
        for part, training in modes:
            part.training = training

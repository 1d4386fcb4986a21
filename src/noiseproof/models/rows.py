"""Any number of rows through a model that takes only so many at once."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def in_batches(x: Tensor, call: Callable[[Tensor], Tensor], *, least: int, most: int) -> Tensor:
    """What ``call`` gives for all rows, asked for in batches of ``least`` to ``most`` rows.

    What is missing to ``least`` is filled with rows of zeros, whose answers are dropped: each row is answered on its
    own, so they change nothing.

    Args:
        x: ``[rows, *shape]``.
        call: ``[batch, *shape]`` to ``[batch, ...]``.
        least: rows of a batch, >= 1.
        most: likewise, >= ``least``.

    >>> in_batches(torch.arange(5.0), lambda x: x * len(x), least=2, most=2)
    tensor([0., 2., 4., 6., 8.])
    """
    answers = []
    for part in torch.split(x, most):
        short = least - len(part)
        whole = torch.cat([part, part.new_zeros((short, *part.shape[1:]))]) if short > 0 else part
        answers.append(call(whole)[: len(part)])
    return answers[0] if len(answers) == 1 else torch.cat(answers)

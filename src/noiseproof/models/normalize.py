"""Normalisation as the first layer of a base classifier, so that noise is added before it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Normalize(nn.Module):
    """Subtracts the mean and divides by the standard deviation, channel by channel.

    Both are buffers that stay out of the ``state_dict``: the key names are those of the bare architecture.

    >>> Normalize([0.5], [0.25])(torch.full((1, 1, 1, 1), 1.0)).item()
    2.0
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        if len(mean) != len(std):
            raise ValueError(f"mean and std must have one entry a channel, got {len(mean)} and {len(std)}")
        if not all(value > 0 for value in std):
            raise ValueError(f"std must be > 0 in each channel, got {list(std)}")
        self.register_buffer("mean", torch.tensor(list(mean)).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(list(std)).view(-1, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised pictures: [batch, C, H, W] in input units to the same shape."""
        return (x - self.mean) / self.std

    def extra_repr(self) -> str:
        """The two constants, for ``print(module)``."""
        return f"mean={self.mean.flatten().tolist()}, std={self.std.flatten().tolist()}"


class Normalized(nn.Module):
    """A network of another package behind its normalisation.

    Args:
        normalize: what is done to inputs in [0, 1] first.
        network: ``[batch, C, H, W]`` to scores ``[batch, classes]``, or to an object that holds them.
        field: the name of the scores in that object; None where there is none.
    """

    def __init__(self, normalize: Normalize, network: nn.Module, field: str | None = None) -> None:
        super().__init__()
        self.normalize, self.network, self.field = normalize, network, field

    def forward(self, x: Tensor) -> Tensor:
        """Scores: [batch, C, H, W] in input units to [batch, classes]."""
        found = self.network(self.normalize(x))
        return found if self.field is None else getattr(found, self.field)  # type: ignore[no-any-return]

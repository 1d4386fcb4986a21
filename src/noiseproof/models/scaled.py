"""A base classifier that takes numbers in their own units, where noise is added to scaled ones."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from noiseproof.data.scaling import Scaling
    from noiseproof.models.base import BaseModel


class Unscaled(nn.Module):
    """f(low + x (high - low)): noise is added to x, in units of each column's spread; f sees the columns' own units.

    Args:
        scaling: of the data set.
        classifier: f.

    >>> from noiseproof.data.scaling import Scaling
    >>> Unscaled(Scaling(("age",), (20.0,), (60.0,)), nn.Identity())(torch.tensor([[0.5], [1.25]]))
    tensor([[40.],
            [70.]])
    """

    low: Tensor
    spread: Tensor

    def __init__(self, scaling: Scaling, classifier: nn.Module) -> None:
        super().__init__()
        low = torch.tensor(scaling.low, dtype=torch.float64)
        self.register_buffer("low", low.to(torch.float32))
        self.register_buffer("spread", (torch.tensor(scaling.high, dtype=torch.float64) - low).to(torch.float32))
        self.classifier = classifier
        self.training = False  # the classifier says for itself whether it is

    def forward(self, x: Tensor) -> Tensor:
        """Scores ``[batch, classes]`` of inputs ``[batch, *shape]``."""
        return self.classifier(self.low + x * self.spread)  # type: ignore[no-any-return]  # of a module


def unscaled(model: BaseModel, scaling: Scaling) -> BaseModel:
    """A loaded classifier of numbers in their own units as one of scaled numbers; the fingerprint is made of both."""
    said = {"kind": "unscaled", **scaling.table(), "classifier": model.fingerprint}
    del said["unit"]  # words
    return replace(
        model,
        module=Unscaled(scaling, model.module),
        fingerprint=hashlib.sha256(json.dumps(said).encode()).hexdigest(),
    )

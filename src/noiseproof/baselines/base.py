"""What another method is to this comparison: a loss to train with, and a radius for each input."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Radii:
    """What a method says of a batch.

    Attributes:
        predictions: the class of each input, int64 [batch].
        radii: the class cannot change at any L2 distance below this, in input units, float64 [batch]; 0.0 where
            nothing is certified.
    """

    predictions: Tensor
    radii: Tensor


@dataclass(frozen=True)
class Certifier:
    """A network ready to be certified.

    Attributes:
        radii: class and radius of each input of a batch [batch, *shape] in [0, 1].
        dtype: the arithmetic its network now has.
        said: what was found about the network as a whole.
    """

    radii: Callable[[Tensor], Radii]
    dtype: torch.dtype
    said: dict[str, float] = field(default_factory=dict)


class Method(ABC):
    """Another certificate in L2. A subclass is a frozen dataclass whose fields are its settings of training."""

    name: ClassVar[str]
    architecture: ClassVar[str]
    """What is written into the weights file that its training makes."""
    source: ClassVar[str]

    @abstractmethod
    def begin(self, num_classes: int, shape: tuple[int, ...]) -> nn.Module:
        """A new network to train, its weights drawn from torch's global generator.

        Raises:
            ModelError: the package it needs is not installed.
        """

    @abstractmethod
    def loss(self, network: nn.Module, x: Tensor, y: Tensor, fraction: float) -> Tensor:
        """The loss of a batch, a scalar; ``fraction`` grows from 0 to 1 over the training."""

    def trained(self, network: nn.Module) -> nn.Module:
        """The trained network as plain layers of torch: what is stored and certified."""
        return network

    @abstractmethod
    def certifier(self, network: nn.Sequential, shape: tuple[int, ...]) -> Certifier:
        """What certifies inputs of this network; no randomness, no failure probability.

        Args:
            network: plain affine layers with activations between them, in eval mode.
            shape: of one input.

        Raises:
            ModelError: the package it needs is not installed, or the network has a layer it knows no bound for.
        """

    def certificate(self) -> dict[str, Any]:
        """What a radius rests on, as a plain table: part of the meaning of its results."""
        return {"method": self.name}

    def config(self) -> dict[str, Any]:
        """The settings of training as a plain table."""
        settings: dict[str, Any] = asdict(self)  # type: ignore[call-overload]  # subclasses are dataclasses
        return {"method": self.name} | settings

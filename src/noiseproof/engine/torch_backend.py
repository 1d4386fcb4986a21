"""Votes from a torch module on any device."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Unpack

import torch

from noiseproof.engine.arithmetic import arithmetic
from noiseproof.engine.pooled import PooledBackend

if TYPE_CHECKING:
    from noiseproof.engine.pooled import Setup


class TorchBackend(PooledBackend):
    """A torch module, or any callable on tensors, on any device. It is called as it is: see ``prepared``."""

    def __init__(
        self, base: Callable[[torch.Tensor], torch.Tensor], *, folded: bool = False, **setup: Unpack[Setup]
    ) -> None:
        """A backend for one base classifier.

        Args:
            base: ``[batch, *shape] -> [batch, num_classes]`` scores, on ``device``, in eval mode.
            folded: whether batch-norm was folded into the convolutions of ``base``, for the record.
            setup: see ``Setup``.

        Raises:
            ValueError: an argument is out of range.
        """
        super().__init__(**setup)
        self.base = base
        self.label = f"torch {torch.__version__}" + (" folded" if folded else "")

    def scores(self, x: torch.Tensor) -> object:
        """The base classifier's, in the arithmetic of the precision; under autocast with bf16."""
        with (
            arithmetic(self.precision, self.device),
            torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"),
        ):
            return self.base(x)

"""Votes from a torch module on any device."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from noiseproof.engine.arithmetic import arithmetic
from noiseproof.engine.pooled import PooledBackend

if TYPE_CHECKING:
    from noiseproof.noises import Noise


class TorchBackend(PooledBackend):
    """A torch module, or any callable on tensors, on any device. It is called as it is: see ``prepared``."""

    def __init__(
        self,
        base: Callable[[torch.Tensor], torch.Tensor],
        *,
        num_classes: int,
        noise: Noise,
        shape: tuple[int, ...],
        device: str | torch.device = "cpu",
        batch_size: int | None = None,
        precision: str = "fp32",
        workers: int | None = None,
        channels_last: bool = False,
        folded: bool = False,
    ) -> None:
        """A backend for one base classifier.

        Args:
            base: ``[batch, *shape] -> [batch, num_classes]`` scores, on ``device``, in eval mode.
            num_classes: how many scores a row has.
            noise: turns words into noisy inputs.
            shape: of one input.
            device: where the base classifier lives.
            batch_size: rows a forward pass; by default ``cpu_batch`` or ``gpu_batch``.
            precision: "fp32", on CUDA "tf32", or "bf16" for autocast.
            workers: batches computed at once; by default a core each on a CPU, 2 elsewhere.
            channels_last: hand pictures over in this layout.
            folded: whether batch-norm was folded into the convolutions of ``base``, for the record.

        Raises:
            ValueError: an argument is out of range.
        """
        super().__init__(
            num_classes=num_classes,
            noise=noise,
            shape=shape,
            device=device,
            batch_size=batch_size,
            precision=precision,
            workers=workers,
            channels_last=channels_last,
        )
        self.base = base
        self.label = f"torch {torch.__version__}" + (" folded" if folded else "")

    def scores(self, x: torch.Tensor) -> object:
        """The base classifier's, in the arithmetic of the precision; under autocast with bf16."""
        with (
            arithmetic(self.precision, self.device),
            torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"),
        ):
            return self.base(x)

"""What a training may be given beside its recipe and its data: weights to begin with, soft targets, a compiler."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from noiseproof.asked import Training
from noiseproof.data import DataSet
from noiseproof.errors import ModelError
from noiseproof.models import BaseModel, load
from noiseproof.models.denoised import Denoiser, load_denoiser
from noiseproof.training.losses import Loss
from noiseproof.training.targets import soft_targets


@dataclass(frozen=True)
class Given:
    """What a training is given.

    Attributes:
        init: the earlier model whose weights it begins with, or None.
        targets: soft predictions of the pictures, float32 [N, classes] on the CPU, or None.
        compiled: train through ``torch.compile``.
    """

    init: BaseModel | Denoiser | None = None
    targets: Tensor | None = None
    compiled: bool = False

    def meaning(self) -> dict[str, Any]:
        """What the weights depend on; a thing that is not given is not named."""
        targets = None if self.targets is None else hashlib.sha256(self.targets.numpy().data).hexdigest()
        every = {
            "init": None if self.init is None else self.init.fingerprint,
            "targets_sha256": targets,
            "compiled": self.compiled or None,
        }
        return {name: value for name, value in every.items() if value is not None}


def check_given(loss: Loss, training: Training) -> None:
    """Whether what is given goes together, before anything is read.

    Raises:
        ValueError: targets are missing or of no use, or extra_labels has nothing to label.
    """
    if loss.uses_targets and training.targets is None:
        raise ValueError(
            f"the loss {loss.name} needs targets; give the run folder of `noiseproof predict --n 100` of an earlier "
            "model on the training pictures"
        )
    if training.targets is not None and not loss.uses_targets:
        raise ValueError(f"targets go with the loss cat-rs, got them with {loss.name}")
    if training.extra_labels is not None and training.extra is None:
        raise ValueError("extra_labels goes with extra, whose pictures that model labels")


def read_given(data: DataSet, training: Training, arch: str) -> Given:
    """Reads what is named.

    Args:
        data: the training pictures, extra ones included.
        training: names it.
        arch: the architecture that ``init`` must have.

    Raises:
        ModelError: see ``models.load``.
        RunError: see ``soft_targets``.
    """
    init, targets = training.init, training.targets
    earlier: BaseModel | Denoiser | None = None
    if init is not None:
        classifies = training.task == "classifier"
        if classifies and Path(os.fspath(init).rpartition(":")[0]).suffix == ".py":
            raise ModelError(f"init must be a run folder of train, a .safetensors file or a checkpoint, got {init}")
        usual = (len(data.classes), tuple(data.shape))
        earlier = load(init, arch=arch, usual=usual) if classifies else load_denoiser(init, shape=data.shape)
    return Given(
        init=earlier,
        targets=None if targets is None else torch.from_numpy(soft_targets(targets, data)),
        compiled=training.compile,
    )

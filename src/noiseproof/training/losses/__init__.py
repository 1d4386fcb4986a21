"""Training losses, one a file. A new one is one line in ``LOSSES`` and one in the list of the laws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

from noiseproof.errors import unknown
from noiseproof.registry import Registry
from noiseproof.training.losses.base import Loss, LossIn, LossOut, Phase
from noiseproof.training.losses.cat_rs import CATRSLoss
from noiseproof.training.losses.consistency import ConsistencyLoss
from noiseproof.training.losses.gaussian import GaussianLoss
from noiseproof.training.losses.macer import MACERLoss
from noiseproof.training.losses.smoothadv import SmoothAdvLoss
from noiseproof.training.losses.smoothmix import SmoothMixLoss
from noiseproof.training.losses.stability import StabilityLoss

LOSSES: Registry[type[Loss]] = Registry(
    "loss",
    lambda kind: kind.name,
    [GaussianLoss, StabilityLoss, ConsistencyLoss, MACERLoss, SmoothAdvLoss, SmoothMixLoss, CATRSLoss],
    group="noiseproof.losses",
)

__all__ = [
    "LOSSES",
    "CATRSLoss",
    "ConsistencyLoss",
    "GaussianLoss",
    "Loss",
    "LossIn",
    "LossOut",
    "MACERLoss",
    "Phase",
    "SmoothAdvLoss",
    "SmoothMixLoss",
    "StabilityLoss",
    "find_loss",
]


def find_loss(loss: str | Loss, *, sigma: float, data: str, settings: Mapping[str, object] | None = None) -> Loss:
    """The loss of a name, with its published settings for this sigma and data set; a loss is itself.

    Args:
        loss: a name in ``LOSSES``, or a loss.
        sigma: standard deviation of the noise in input units.
        data: name of the data set.
        settings: what to change in the published ones, by name.

    Raises:
        ValueError: a name is unknown, a setting is out of range, or settings are given for what has its own.

    >>> find_loss("consistency", sigma=0.25, data="cifar10", settings={"eta": 0.1})
    ConsistencyLoss(lambda_=20.0, eta=0.1, m=2)
    """
    settings = {} if settings is None else settings
    if isinstance(loss, Loss):
        if settings:
            raise ValueError(f"loss_setting goes with the name of a loss, got it with {loss}")
        return loss
    kind = LOSSES.find(loss)
    known = {field.name.removesuffix("_"): field.name for field in fields(kind)}  # type: ignore[arg-type]
    for name in settings:
        if name not in known:
            raise ValueError(unknown(f"setting of the loss {loss}", name, known))
    given = {known[name]: value for name, value in settings.items()}
    return kind(**kind.published(sigma=sigma, data=data) | given)

"""Losses of denoisers, one a file. A new one is one line in ``DENOISING_LOSSES``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from noiseproof.errors import unknown
from noiseproof.models import load as load_model
from noiseproof.training.denoising.base import DenoisingLoss
from noiseproof.training.denoising.mse import MSELoss
from noiseproof.training.denoising.stability import StabilityDenoisingLoss
from noiseproof.training.losses.base import Loss

DENOISING_LOSSES: dict[str, type[DenoisingLoss]] = {kind.name: kind for kind in (MSELoss, StabilityDenoisingLoss)}

__all__ = ["DENOISING_LOSSES", "DenoisingLoss", "MSELoss", "StabilityDenoisingLoss", "find_denoising_loss"]


def find_denoising_loss(loss: str | Loss, *, settings: Mapping[str, object] | None = None) -> DenoisingLoss:
    """The loss of a name; a loss is itself.

    Args:
        loss: a name in ``DENOISING_LOSSES``, or a loss.
        settings: of ``stability`` its ``classifier``: a loaded one, or a spec of ``models.load``.

    Raises:
        ValueError: a name is unknown, a setting is missing, or settings are given for what has its own.
        ModelError: the classifier cannot be loaded.

    >>> find_denoising_loss("mse")
    MSELoss()
    """
    settings = {} if settings is None else settings
    if isinstance(loss, DenoisingLoss):
        if settings:
            raise ValueError(f"loss_setting goes with the name of a loss, got it with {loss.name}")
        return loss
    if loss not in DENOISING_LOSSES:
        raise ValueError(unknown("loss of a denoiser", str(loss), DENOISING_LOSSES))
    kind = DENOISING_LOSSES[loss]
    known = [each.name for each in fields(kind) if each.init]  # type: ignore[arg-type]
    for name in settings:
        if name not in known:
            raise ValueError(unknown(f"setting of the loss {loss}", name, known) if known else _has_none(loss, name))
    if kind is not StabilityDenoisingLoss:
        return kind(**settings)
    if "classifier" not in settings:
        raise ValueError("the loss stability of a denoiser needs its classifier; give loss_setting classifier=MODEL")
    given = settings["classifier"]
    return kind(load_model(given) if isinstance(given, str | Path) else given)  # type: ignore[arg-type]  # it checks


def _has_none(loss: str, name: str) -> str:
    return f"the loss {loss} of a denoiser has no settings, got {name}"

"""The normalisation that a caller states of a base classifier whose source does not say one."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import replace

from noiseproof.asked.options import number
from noiseproof.asked.subject import per_channel
from noiseproof.errors import ModelError
from noiseproof.models.base import BaseModel, fingerprint, frozen
from noiseproof.models.normalize import Normalize, Normalized

log = logging.getLogger(__name__)

_CLOSE = 1e-6


def with_normalisation(
    base: BaseModel, mean: float | Sequence[float] | None, std: float | Sequence[float] | None
) -> BaseModel:
    """The base classifier with (x - mean)/std as its first layer, in the place of one that is only assumed.

    Args:
        base: as it was loaded.
        mean: of each channel, in [0, 1] pixels, or one for all; None is 0, with std.
        std: likewise; None is 1, with mean: pixels are only centred. Without both, what is assumed is said.

    Raises:
        ModelError: the source says another normalisation, or has other channels.
    """
    own = getattr(base.module, "normalize", None)
    own = own if isinstance(own, Normalize) else None
    mean, std = per_channel("mean", mean), per_channel("std", std)
    if mean is None and std is None:
        if base.assumed and own is not None:
            log.warning(
                "%s does not say its normalisation, assumed is that of %s: mean %s, std %s; where it was trained with "
                "another, give --mean and --std (noiseproof doctor tries some)",
                base.source, base.assumed, *_texts(own),
            )  # fmt: skip
        return base
    if base.members:
        raise ModelError(f"{base.source}: mean and std are of one model; give each member its own in a FILE.py")
    channels = (
        len(own.mean) if own is not None else base.shape[0] if base.shape else max(len(mean or ()), len(std or ()))
    )
    layer = Normalize(_each("mean", mean, 0.0, channels, base.source), _each("std", std, 1.0, channels, base.source))
    layer.eval()  # what it normalises may be in anybody's hands, and says for itself whether it is
    if own is not None and _apart(own, layer) <= _CLOSE:
        return replace(base, assumed="")
    if own is not None and not base.assumed:
        texts = _texts(own)
        raise ModelError(
            f"{base.source} says its own normalisation: mean {texts[0]}, std {texts[1]}, asked was mean "
            f"{_texts(layer)[0]}, std {_texts(layer)[1]}; leave mean and std out"
        )
    if own is not None:
        base.module.normalize = layer
        module = base.module
    else:
        module = Normalized(layer, base.module)
        module.training = False  # the network says for itself whether it is
    said = {"model": base.fingerprint, "normalisation": fingerprint(layer, "normalisation")}
    sha = hashlib.sha256(json.dumps(said).encode()).hexdigest()
    return replace(base, module=frozen(module) if own is not None else module, fingerprint=sha, assumed="")


def _each(name: str, given: Sequence[float] | None, default: float, channels: int, source: str) -> list[float]:
    values = [default] if given is None else list(given)
    if len(values) not in (1, channels):
        raise ModelError(
            f"{name} must have one number, or one for each of {channels} channels of {source}, got {len(values)}"
        )
    return values * channels if len(values) == 1 else values


def _apart(one: Normalize, other: Normalize) -> float:
    return max(float((one.mean - other.mean).abs().max()), float((one.std - other.std).abs().max()))


def _texts(layer: Normalize) -> tuple[str, str]:
    """Both constants as ``--mean`` and ``--std`` take them."""
    mean, std = (
        ",".join(number(round(value, 7)) for value in part.flatten().tolist()) for part in (layer.mean, layer.std)
    )
    return mean, std

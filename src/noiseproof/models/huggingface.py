"""Image classifiers of Hugging Face transformers (extra ``hf``), with their processor's normalisation inside."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from noiseproof.arguments import expanded
from noiseproof.errors import ModelError, one_line
from noiseproof.models.base import BaseModel, agree, fingerprint, frozen
from noiseproof.models.normalize import Normalize, Normalized
from noiseproof.models.packages import need
from noiseproof.models.state import check_loaded

PREFIX = "hf:"
_ATTENTION = (None, "eager", "sdpa")
_CLOSE = 1e-4
"""How far the module's normalisation may be from the processor's on a picture: float32 rounding is far below."""


def load_hf(name: str, num_classes: int | None, shape: tuple[int, ...] | None) -> BaseModel:
    """The base classifier of a folder of ``save_pretrained``, or of a name on the Hub.

    The processor's rescaling and normalisation go into the module and are compared with the processor itself on a
    picture. Its resizing and cropping are left out: pictures must have the size that the model takes. Weights are read
    from safetensors only, and no code of the repository is run.

    Args:
        name: a folder; else a name, taken from the local cache where it is there.
        num_classes: checked against the configuration.
        shape: likewise.

    Raises:
        ModelError: the package is missing, there is no such model, its processor does more than resize, crop, rescale
            and normalise, or it is another model than asked.
    """
    spec = f"{PREFIX}{name}"
    if not name:
        raise ModelError("hf: must say which model; give hf:FOLDER of save_pretrained, or hf:NAME")
    transformers = need(spec, "hf", "transformers")
    with _silence():
        config = _got(spec, name, transformers.AutoConfig.from_pretrained)
        attention = getattr(config, "_attn_implementation", None)
        if attention not in _ATTENTION:
            raise ModelError(f"{spec} asks for the attention {str(attention)[:80]!r}, expected eager or sdpa")
        network, loaded = _got(
            spec,
            name,
            transformers.AutoModelForImageClassification.from_pretrained,
            config=config,
            use_safetensors=True,
            ignore_mismatched_sizes=True,  # they are told in ``loaded``
            output_loading_info=True,
        )
        check_loaded(spec, type(network).__name__, loaded)
        try:
            processor = _got(spec, name, transformers.AutoImageProcessor.from_pretrained)
        except ModelError as error:
            raise ModelError(
                f"{spec} has no image processor that can be loaded, so its normalisation is not known; save the one it "
                f"was trained with beside it (processor.save_pretrained), or {_REMEDY} ({one_line(error, 120)})"
            ) from error
        size = _size(processor, config)
        channels = int(getattr(config, "num_channels", 3) or 3)
        normalize = _normalisation(spec, processor, channels, size or (32, 32))
    stored = None if size is None else (channels, *size)
    found = None if stored is None and shape is None else tuple(agree(spec, "shape", shape, stored))
    classes = int(agree(spec, "num_classes", num_classes, int(config.num_labels)))
    module = frozen(Normalized(normalize, network.float(), "logits"))
    kind = f"hf:{type(network).__name__}"
    said = {
        key: value
        for key, value in config.to_dict().items()
        if not key.startswith("_") and key != "transformers_version"
    }
    content = hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()
    labels = getattr(config, "id2label", None) or {}
    names = [str(labels[k]) for k in range(classes) if k in labels]
    named = len(names) == classes and names != [f"LABEL_{k}" for k in range(classes)]
    metadata = {"classes": json.dumps(names)} if named else {}
    return BaseModel(module, kind, classes, found, fingerprint(module, f"{kind} {content}"), spec, metadata)


def _got(spec: str, name: str, get: Callable[..., Any], **options: object) -> Any:  # noqa: ANN401 (untyped package)
    """What a loader of transformers gives, from a folder or its cache, else from the network."""
    folder = expanded(name)
    where = str(folder) if folder.is_dir() else name
    try:
        try:
            return get(where, trust_remote_code=False, local_files_only=True, **options)
        except OSError:
            if folder.is_dir() or os.environ.get("HF_HUB_OFFLINE"):
                raise
            return get(where, trust_remote_code=False, **options)
    except Exception as error:
        raise ModelError(f"{spec} cannot be loaded: {one_line(error, 300)}") from error


def _size(processor: Any, config: Any) -> tuple[int, int] | None:  # noqa: ANN401 (untyped package)
    """Height and width after the processor's resizing and cropping, else what the configuration says."""
    crop, resize = getattr(processor, "do_center_crop", False), getattr(processor, "do_resize", False)
    for used, name in ((crop, "crop_size"), (resize, "size")):
        size = getattr(processor, name, None)
        if used and size is not None:
            height, width, shorter = (_side(size, side) for side in ("height", "width", "shortest_edge"))
            if height and width:
                return height, width
            if shorter and not crop:
                return shorter, shorter
    size = getattr(config, "image_size", None)
    if isinstance(size, int):
        return size, size
    return (int(size[0]), int(size[1])) if isinstance(size, list | tuple) and len(size) == 2 else None


def _side(size: Any, name: str) -> int | None:  # noqa: ANN401 (a number, a dictionary, or a record of theirs)
    if isinstance(size, int | float):
        return int(size)
    found = size.get(name) if isinstance(size, dict) else getattr(size, name, None)
    return None if found is None else int(found)


def _normalisation(spec: str, processor: Any, channels: int, size: tuple[int, int]) -> Normalize:  # noqa: ANN401
    """The processor on pictures of the model's size as one layer on [0, 1], checked against the processor."""
    scale = 255.0 * float(processor.rescale_factor) if getattr(processor, "do_rescale", False) else 255.0
    mean, std = [0.0] * channels, [1.0] * channels
    if getattr(processor, "do_normalize", False):
        mean, std = (
            [float(each) for each in _each(value, channels)] for value in (processor.image_mean, processor.image_std)
        )
    try:
        # (scale x - mean) / std
        layer = Normalize([each / scale for each in mean], [each / scale for each in std])
        picture = np.random.default_rng(0).integers(0, 256, (*size, channels), dtype=np.uint8)
        given = picture if channels > 1 else picture[:, :, 0]
        wanted = processor(given, do_resize=False, do_center_crop=False, return_tensors="np")["pixel_values"][0]
        mine = layer(torch.from_numpy(picture.transpose(2, 0, 1) / np.float32(255)))
        apart = float(np.abs(mine.numpy() - wanted).max() / max(1.0, float(np.abs(wanted).max())))
    except Exception as error:
        raise ModelError(f"{_refused(spec, processor)} ({one_line(error)}); {_REMEDY}") from error
    if not apart <= _CLOSE:
        raise ModelError(f"{_refused(spec, processor)} (off by {apart:.1e} on a picture); {_REMEDY}")
    return layer


_REMEDY = "put its steps into a module of your own and give file.py:name"


def _refused(spec: str, processor: object) -> str:
    return f"{spec}: {type(processor).__name__} does more than resize, crop, rescale and normalise"


def _each(value: Any, channels: int) -> list[Any]:  # noqa: ANN401 (a number or one a channel)
    return list(value) if isinstance(value, list | tuple) else [value] * channels


@contextmanager
def _silence() -> Iterator[None]:
    """Neither progress bars nor advice: what matters is raised."""
    from transformers.utils import logging as theirs

    before, bars = theirs.get_verbosity(), theirs.is_progress_bar_enabled()
    theirs.set_verbosity(logging.CRITICAL)
    theirs.disable_progress_bar()
    try:
        yield
    finally:
        theirs.set_verbosity(before)
        if bars:
            theirs.enable_progress_bar()

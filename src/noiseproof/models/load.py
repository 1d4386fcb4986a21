"""``load("spec")``: a base classifier from whatever a spec names; ``SOURCES`` lists all kinds."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from noiseproof.asked.options import line
from noiseproof.errors import ModelError, one_line
from noiseproof.foreign import generators_kept
from noiseproof.models.architectures import build
from noiseproof.models.base import BaseModel, agree, fingerprint, frozen
from noiseproof.models.checkpoint import SUFFIXES, load_checkpoint, our_name
from noiseproof.models.denoised import PREFIX, denoised, denoised_parts, load_denoiser
from noiseproof.models.efficientnet_lite import SPEC as LITE0
from noiseproof.models.efficientnet_lite import load_efficientnet_lite0
from noiseproof.models.ensemble import ensemble
from noiseproof.models.exported import load_exported
from noiseproof.models.huggingface import load_hf
from noiseproof.models.normalize import Normalize
from noiseproof.models.onnx_file import load_onnx
from noiseproof.models.python_file import load_python
from noiseproof.models.state import check_fit
from noiseproof.models.timm_models import load_timm
from noiseproof.models.torchvision_models import load_torchvision
from noiseproof.models.weights import load_weights

_MOST = 1 << 24  # of classes, and of the sides of a picture
_EXPECTED = (
    "a run folder of `noiseproof train`, a .safetensors file, a checkpoint (.pth.tar, .pt), or file.py:name "
    "(`noiseproof models` lists all kinds)"
)
_NAMED: dict[str, Callable[[str, int | None, tuple[int, ...] | None], BaseModel]] = {
    "hf:": load_hf,
    "timm:": load_timm,
    "tv:": load_torchvision,
}
_FILES: dict[str, Callable[[Path, int | None, tuple[int, ...] | None], BaseModel]] = {
    ".pt2": load_exported,
    ".onnx": load_onnx,
}


@generators_kept()  # a new module draws weights, which are overwritten
def load(
    spec: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    arch: str | None = None,
    num_classes: int | None = None,
    shape: tuple[int, ...] | None = None,
    consensus: int | None = None,
) -> BaseModel:
    """The base classifier a spec names: on the CPU, in eval mode, no weight requires a gradient.

    Args:
        spec: a run folder of ``noiseproof train``, a .safetensors file, a checkpoint of ``torch.save`` (.pth.tar,
            .pth, .pt, .tar: see ``load_checkpoint``), or ``path/to/file.py:name`` where the name is an ``nn.Module``
            or a callable without arguments that makes one (see ``load_python``); a program of torch.export (.pt2), an
            ONNX file (.onnx), ``hf:NAME``, ``timm:NAME`` or ``tv:NAME``, ``efficientnet-lite0``, or
            ``denoised:DENOISER::CLASSIFIER`` (see ``denoised``). Several are averaged: see ``Ensemble``.
        arch: the architecture; needed only where the file does not say, refused where it says another.
        num_classes: likewise; always needed for a Python file.
        shape: of one input, (C, H, W); likewise.
        consensus: of several: the first so many are asked first, the others where those disagree.

    Raises:
        ValueError: consensus is not in [2, members - 1].
        ModelError: there is no such path, the training is not finished, the file is damaged, or it holds
            another model than asked.
    """
    several = [spec] if isinstance(spec, str | os.PathLike) else list(spec)
    if len(several) != 1 or consensus is not None:
        members = [load(each, arch=arch, num_classes=num_classes, shape=shape) for each in several]
        return ensemble(members, consensus)
    text = os.fspath(several[0])
    if text.startswith(PREFIX):
        if arch is not None:
            raise ModelError(f"{text}: arch is for weights files; leave arch out")
        denoiser, classifier = denoised_parts(text)
        base = load(classifier, num_classes=num_classes, shape=shape)
        return denoised(load_denoiser(denoiser, shape=base.shape), base)
    file, colon, name = text.rpartition(":")
    if colon and file.endswith(".py"):
        if not Path(file).is_file():
            raise ModelError(f"no such path: {file}; expected {_EXPECTED}")
        return load_python(Path(file), name, arch=arch, num_classes=num_classes, shape=shape)
    prefix = text.partition(":")[0] + ":"
    path = Path(text)
    if (prefix in _NAMED or path.suffix in _FILES or text == LITE0) and arch is not None:
        raise ModelError(f"{text}: arch is for weights files, this says its own; leave arch out")
    if prefix in _NAMED:
        return _NAMED[prefix](text.removeprefix(prefix), num_classes, shape)
    if text == LITE0:
        return load_efficientnet_lite0(num_classes, shape)
    if path.is_dir():
        return _from_weights(_weights_of_run(path), text, arch, num_classes, shape)
    if not path.exists():
        raise ModelError(f"no such path: {text}; expected {_EXPECTED}")
    if path.suffix == ".py":
        raise ModelError(f"{text} is a Python file; say which model in it: {text}:name")
    if path.suffix in _FILES:
        return _FILES[path.suffix](path, num_classes, shape)
    if not path.name.endswith((".safetensors", *SUFFIXES)):
        raise ModelError(f"cannot load a model from {text}; expected {_EXPECTED}")
    return _from_weights(path, text, arch, num_classes, shape)


def _weights_of_run(folder: Path) -> Path:
    """The weights of a finished training run."""
    weights = folder / "weights.safetensors"
    if weights.is_file():
        return weights
    if (folder / "journal.jsonl").exists():
        raise ModelError(
            f"{folder} is a run folder of counts, not of a model; give the run folder of `noiseproof train` "
            f"(`{line('show', {}, folder)}` names the model it is about)"
        )
    if (folder / "checkpoint.pt").exists() or (folder / "manifest.json").exists():
        raise ModelError(
            f"{folder} has no weights.safetensors: the training is not finished; "
            "run the same train line again to finish"
        )
    raise ModelError(f"{folder} has no weights.safetensors; expected {_EXPECTED}")


def _from_weights(
    path: Path, source: str, arch: str | None, num_classes: int | None, shape: tuple[int, ...] | None
) -> BaseModel:
    if path.name.endswith(SUFFIXES):
        tensors, metadata = load_checkpoint(path, arch=arch)
        arch = arch and our_name(arch)
        if shape is not None:
            metadata.pop("shape", None)  # the usual one, not one the file says
    else:
        tensors, metadata = load_weights(path)
    if metadata.get("task") == "denoiser":
        raise ModelError(f"{source} holds a denoiser, no classifier; give it as --denoiser, the classifier as --model")
    arch = agree(path, "arch", arch, metadata.get("architecture"))
    num_classes = agree(path, "num_classes", num_classes, _stored_size(path, metadata))
    shape = tuple(agree(path, "shape", shape, _stored_shape(path, metadata)))
    assert num_classes is not None, "else agree had refused"
    _check_fit(tensors, path, metadata.get("architecture"), arch, num_classes, shape)
    module = build(arch, num_classes=num_classes, shape=shape)
    if "mean" in metadata and "std" in metadata:
        try:
            module.normalize = Normalize(_stored(path, metadata, "mean"), _stored(path, metadata, "std"))
        except (TypeError, ValueError, RuntimeError) as error:
            raise ModelError(f"{path}: its metadata mean and std are none ({str(error)[:200]})") from error
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        raise ModelError(f"{path}: its weights cannot be taken ({one_line(error)})") from error
    return BaseModel(frozen(module), arch, num_classes, shape, fingerprint(module, arch), source, metadata)


def _stored(path: Path, metadata: dict[str, str], name: str) -> Any:  # noqa: ANN401 (JSON)
    """A metadata value that is JSON, None where the file does not say."""
    try:
        return json.loads(metadata[name]) if name in metadata else None
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path}: its metadata {name} is no JSON, got {metadata[name][:80]!r}") from error


def _stored_size(path: Path, metadata: dict[str, str]) -> int | None:
    stored = _stored(path, metadata, "num_classes")
    if stored is not None and (type(stored) is not int or not 1 <= stored <= _MOST):
        raise ModelError(f"{path}: its metadata num_classes is no number of classes, got {str(stored)[:80]!r}")
    return stored


def _stored_shape(path: Path, metadata: dict[str, str]) -> tuple[int, ...] | None:
    stored = _stored(path, metadata, "shape")
    if stored is None:
        return None
    if not isinstance(stored, list) or not all(type(size) is int and 1 <= size <= _MOST for size in stored):
        raise ModelError(f"{path}: its metadata shape is no shape, got {str(stored)[:80]!r}")
    return tuple(stored)


def _check_fit(
    tensors: dict[str, Tensor], path: Path, stored: str | None, arch: str, num_classes: int, shape: tuple[int, ...]
) -> None:
    """Every key and shape must match those of the module, before room is made for its numbers."""
    try:
        with torch.device("meta"):
            wanted = build(arch, num_classes=num_classes, shape=shape).state_dict()
    except (RuntimeError, OverflowError, TypeError) as error:
        raise ModelError(
            f"{path}: there is no {arch} of {num_classes} classes and shape {shape} ({one_line(error)})"
        ) from error
    about = f"{path} (architecture stored: {stored or 'not said'}) does not fit {arch}"
    check_fit(tensors, wanted, about, names="give the right arch", sizes="give the right num_classes and shape")

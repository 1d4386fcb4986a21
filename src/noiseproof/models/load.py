"""``load("spec")``: a base classifier from a training run, a weights file, a checkpoint or a Python file."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from noiseproof.errors import ModelError
from noiseproof.models.architectures import build
from noiseproof.models.base import BaseModel, fingerprint
from noiseproof.models.checkpoint import SUFFIXES, load_checkpoint, our_name
from noiseproof.models.normalize import Normalize
from noiseproof.models.weights import load_weights

_MOST = 1 << 24  # of classes, and of the sides of a picture
_EXPECTED = "a run folder of `noiseproof train`, a .safetensors file, a checkpoint (.pth.tar, .pt), or file.py:name"


def load(
    spec: str | os.PathLike[str],
    *,
    arch: str | None = None,
    num_classes: int | None = None,
    shape: tuple[int, ...] | None = None,
) -> BaseModel:
    """The base classifier a spec names: on the CPU, in eval mode, no weight requires a gradient.

    Args:
        spec: a run folder of ``noiseproof train``, a .safetensors file, a checkpoint of ``torch.save`` (.pth.tar,
            .pth, .pt, .tar: see ``load_checkpoint``), or ``path/to/file.py:name`` where the name is an ``nn.Module``
            or a callable without arguments that makes one.
        arch: the architecture; needed only where the file does not say, refused where it says another.
        num_classes: likewise; always needed for a Python file.
        shape: of one input, (C, H, W); likewise.

    Raises:
        ModelError: there is no such path, the training is not finished, the file is damaged, or it holds
            another model than asked.
    """
    text = os.fspath(spec)
    file, colon, name = text.rpartition(":")
    if colon and file.endswith(".py"):
        return _from_python(Path(file), name, arch, num_classes, shape)
    path = Path(text)
    if path.is_dir():
        return _from_weights(_weights_of_run(path), text, arch, num_classes, shape)
    if not path.exists():
        raise ModelError(f"no such path: {text}; expected {_EXPECTED}")
    if path.suffix == ".py":
        raise ModelError(f"{text} is a Python file; say which model in it: {text}:name")
    if not path.name.endswith((".safetensors", *SUFFIXES)):
        raise ModelError(f"cannot load a model from {text}; expected {_EXPECTED}")
    return _from_weights(path, text, arch, num_classes, shape)


def _weights_of_run(folder: Path) -> Path:
    """The weights of a finished training run."""
    weights = folder / "weights.safetensors"
    if weights.is_file():
        return weights
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
    arch = _agree(path, "arch", arch, metadata.get("architecture"))
    num_classes = _agree(path, "num_classes", num_classes, _stored_size(path, metadata))
    shape = tuple(_agree(path, "shape", shape, _stored_shape(path, metadata)))
    assert num_classes is not None, "else _agree had refused"
    _check_fit(tensors, path, metadata.get("architecture"), arch, num_classes, shape)
    with torch.random.fork_rng(devices=[]):  # the new module's draws are overwritten: leave no trace of them
        module = build(arch, num_classes=num_classes, shape=shape)
    if "mean" in metadata and "std" in metadata:
        try:
            module.normalize = Normalize(_stored(path, metadata, "mean"), _stored(path, metadata, "std"))
        except (TypeError, ValueError, RuntimeError) as error:
            raise ModelError(f"{path}: its metadata mean and std are none ({str(error)[:200]})") from error
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        raise ModelError(f"{path}: its weights cannot be taken ({' '.join(str(error).split())[:200]})") from error
    return BaseModel(_frozen(module), arch, num_classes, shape, fingerprint(module, arch), source, metadata)


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


def _agree(path: Path, name: str, asked: Any, stored: Any) -> Any:  # noqa: ANN401 (any of three types)
    """What was asked or stored; an error where neither says or they differ."""
    if asked is None and stored is None:
        raise ModelError(f"{path} does not say its {name}; give {name}")
    if asked is not None and stored is not None and asked != stored:
        raise ModelError(f"{path} holds a model of {name} {stored!r}, asked was {asked!r}")
    return stored if asked is None else asked


def _check_fit(
    tensors: dict[str, Tensor], path: Path, stored: str | None, arch: str, num_classes: int, shape: tuple[int, ...]
) -> None:
    """Every key and shape must match those of the module, before room is made for its numbers."""
    try:
        with torch.device("meta"):
            wanted = build(arch, num_classes=num_classes, shape=shape).state_dict()
    except (RuntimeError, OverflowError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"{path}: there is no {arch} of {num_classes} classes and shape {shape} ({reason})") from error
    about = f"{path} (architecture stored: {stored or 'not said'}) does not fit {arch}"
    missing, unexpected = sorted(wanted.keys() - tensors.keys()), sorted(tensors.keys() - wanted.keys())
    if missing or unexpected:
        parts = []
        if missing:
            parts.append(f"{len(missing)} keys missing, the first {missing[0]}")
        if unexpected:
            parts.append(f"{len(unexpected)} keys unexpected, the first {unexpected[0]}")
        raise ModelError(f"{about}: {'; '.join(parts)}; give the right arch")
    for key, tensor in sorted(wanted.items()):
        if tensor.shape != tensors[key].shape:
            raise ModelError(
                f"{about}: {key} has shape {tuple(tensors[key].shape)}, expected {tuple(tensor.shape)}; "
                "give the right num_classes and shape"
            )


def _from_python(
    path: Path, name: str, arch: str | None, num_classes: int | None, shape: tuple[int, ...] | None
) -> BaseModel:
    spec = f"{path}:{name}"
    if not path.is_file():
        raise ModelError(f"no such path: {path}; expected {_EXPECTED}")
    if num_classes is None:
        raise ModelError(f"{spec}: a Python file does not say its num_classes; give num_classes")
    if arch is not None:
        raise ModelError(f"{spec}: arch is for weights files, a Python file is its own; leave arch out")
    source = path.read_bytes()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)  # unseeded weights are the same at each load
        module = _module_in(_execute(path, source), name, spec)
    architecture = f"{path.name}:{name}"
    sha = fingerprint(module, f"{architecture} {hashlib.sha256(source).hexdigest()}")
    return BaseModel(_frozen(module), architecture, num_classes, shape, sha, spec)


def _execute(path: Path, source: bytes) -> ModuleType:
    """The Python file as a module under a name of its own."""
    title = f"noiseproof_model_{hashlib.sha256(os.fsencode(path.resolve()) + source).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(title, path)
    assert spec is not None
    assert spec.loader is not None
    python = importlib.util.module_from_spec(spec)
    sys.modules[title] = python  # dataclasses and pickle look their module up by name
    try:
        spec.loader.exec_module(python)
    except Exception as error:
        raise ModelError(f"{path} cannot be run: {type(error).__name__}: {error}") from error
    return python


def _module_in(python: ModuleType, name: str, spec: str) -> nn.Module:
    """The named module, or what the named factory makes."""
    found = getattr(python, name, None)
    if found is None:
        raise ModelError(f"{spec}: the file defines no {name!r}")
    if not isinstance(found, nn.Module) and callable(found):
        try:
            found = found()
        except Exception as error:
            raise ModelError(f"{spec}: {name}() failed: {type(error).__name__}: {error}") from error
    if not isinstance(found, nn.Module):
        raise ModelError(
            f"{spec} must be an nn.Module or a callable without arguments that makes one, got {type(found).__name__}"
        )
    return found


def _frozen(module: nn.Module) -> nn.Module:
    return module.eval().requires_grad_(False)

"""Weights out of a file into a module that somebody else has made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from noiseproof.errors import ModelError, one_line
from noiseproof.models.checkpoint import SUFFIXES, load_checkpoint
from noiseproof.models.weights import load_weights

_PARALLEL = "module."


def fill(module: nn.Module, path: Path, name: str) -> None:
    """Put the weights of a file into a module; every key and shape must be the module's.

    Args:
        module: of the right architecture.
        path: a .safetensors file, or a checkpoint of ``torch.save`` with a ``state_dict``; nothing in it is run.
        name: what the module is called, for the errors.

    Raises:
        ModelError: there is no such file, it is damaged, or holds other weights.
    """
    tensors = _read(path)
    check_fit(
        tensors,
        module.state_dict(),
        f"{path} does not fit {name}",
        names="give the name it was saved from",
        sizes="give the right num_classes",
    )
    module.load_state_dict(tensors)


def check_fit(
    tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor], about: str, *, names: str, sizes: str
) -> None:
    """Every key and shape must be as wanted.

    Args:
        tensors: as they are.
        wanted: as a module has them.
        about: how the error begins.
        names: what helps where there are other keys.
        sizes: what helps where there are other shapes.

    Raises:
        ModelError: they are not.
    """
    missing, unexpected = sorted(wanted.keys() - tensors.keys()), sorted(tensors.keys() - wanted.keys())
    if missing or unexpected:
        parts = [
            f"{len(keys)} keys {what}, the first {keys[0]}"
            for what, keys in (("missing", missing), ("unexpected", unexpected))
            if keys
        ]
        raise ModelError(f"{about}: {'; '.join(parts)}; {names}")
    for key, tensor in sorted(wanted.items()):
        if tensor.shape != tensors[key].shape:
            found = tuple(tensors[key].shape)
            raise ModelError(f"{about}: {key} has shape {found}, expected {tuple(tensor.shape)}; {sizes}")


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise ModelError(f"no such file: {path}; expected weights in a .safetensors file or a checkpoint")
    if path.suffix == ".safetensors":
        tensors, _ = load_weights(path)
    elif path.name.endswith((*SUFFIXES, ".bin")):
        tensors, _ = load_checkpoint(path)
    else:
        raise ModelError(f"cannot load weights from {path}; expected .safetensors or {', '.join(SUFFIXES)}")
    if all(key.startswith(_PARALLEL) for key in tensors):
        tensors = {key.removeprefix(_PARALLEL): tensor for key, tensor in tensors.items()}
    return tensors


def made(spec: str, make: object) -> nn.Module:
    """What a package makes, without a trace in the global generator; its own errors in one line.

    Raises:
        ModelError: it failed.
    """
    assert callable(make)
    try:
        with torch.random.fork_rng(devices=[]):
            module = make()
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(f"{spec} cannot be loaded: {type(error).__name__}: {one_line(error, 300)}") from error
    if not isinstance(module, nn.Module):
        raise ModelError(f"{spec} is no module, got {type(module).__name__}")
    return module

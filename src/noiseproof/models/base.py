"""What a loaded base classifier is, and the name of its function: the fingerprint."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from noiseproof.errors import ModelError


@dataclass(frozen=True)
class BaseModel:
    """A base classifier in eval mode with frozen weights, and where it came from.

    Attributes:
        module: takes [batch, *shape] in input units, gives scores [batch, num_classes].
        architecture: a name in ``ARCHITECTURES``, or ``file.py:name``.
        num_classes: length of the scores.
        shape: of one input, or None where the source does not say.
        fingerprint: SHA-256 (hex) of architecture and weights; what a run's meaning holds.
        source: the path it was loaded from; a label only.
        metadata: what the weights file says of itself.
        members: of an ensemble, in their order; else none.
        assumed: whose normalisation stands in the module although the source does not say one; empty where it says.
    """

    module: nn.Module
    architecture: str
    num_classes: int
    shape: tuple[int, ...] | None
    fingerprint: str
    source: str
    metadata: dict[str, str] = field(default_factory=dict)
    members: tuple[BaseModel, ...] = ()
    assumed: str = ""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes in their order, where the source says them; else none."""
        try:
            names = json.loads(self.metadata.get("classes", "[]"))
        except (ValueError, RecursionError):  # a foreign file may say anything
            return ()
        fits = (
            isinstance(names, list) and len(names) == self.num_classes and all(isinstance(each, str) for each in names)
        )
        return tuple(names) if fits else ()

    @property
    def trained(self) -> dict[str, Any]:
        """How it was trained, as far as the weights file says: sigma, data, epochs, loss, augment; a label only."""
        said: dict[str, Any] = {name: self.metadata[name] for name in ("data",) if name in self.metadata}
        for name in ("sigma", "epochs", "loss", "augment"):
            with suppress(KeyError, ValueError, RecursionError):  # a foreign file may say anything
                said[name] = json.loads(self.metadata[name])
        return said


def fingerprint(module: nn.Module, name: str) -> str:
    """SHA-256 (hex) over the architecture's name and every tensor's name, dtype, shape and bytes.

    Independent of file, order, device and memory layout. Buffers outside the ``state_dict`` (the constants of
    the normalisation) count: they are part of the function; what else a ``state_dict`` may hold does not.
    """
    named = {**module.state_dict(), **dict(module.named_buffers())}
    tensors = {key: value for key, value in named.items() if isinstance(value, torch.Tensor)}
    digest = hashlib.sha256(json.dumps(name).encode())
    for key in sorted(tensors):
        tensor = tensors[key].detach().cpu().contiguous()
        digest.update(json.dumps([key, str(tensor.dtype), list(tensor.shape)]).encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def frozen(module: nn.Module) -> nn.Module:
    """The module in eval mode, no parameter of which requires a gradient."""
    return module.eval().requires_grad_(False)


def agree(where: Path | str, name: str, asked: Any, stored: Any) -> Any:  # noqa: ANN401 (any type)
    """What was asked or stored of a model.

    Raises:
        ModelError: neither says, or they differ.
    """
    if asked is None and stored is None:
        raise ModelError(f"{where} does not say its {name}; give {name}")
    if asked is not None and stored is not None and asked != stored:
        raise ModelError(f"{where} holds a model of {name} {stored!r}, asked was {asked!r}")
    return stored if asked is None else asked

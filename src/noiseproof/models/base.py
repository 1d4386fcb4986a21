"""What a loaded base classifier is, and the name of its function: the fingerprint."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from noiseproof.errors import ModelError
from noiseproof.screen import as_html


@dataclass(frozen=True, repr=False)
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

    def __repr__(self) -> str:
        """In a line, however large the module is."""
        shape = "" if self.shape is None else f" of shape {self.shape}"
        about = f"{self.architecture}, {self.num_classes} classes{shape}, {self.fingerprint[:12]}..., {self.source}"
        return f"<BaseModel: {about}>"

    def _repr_html_(self) -> str:
        """For notebooks: what is known of it."""
        known = {"trained": self.trained, "classes": ", ".join(self.classes), "members": len(self.members)}
        said = {name: getattr(self, name) for name in ("architecture", "num_classes", "shape", "fingerprint", "source")}
        rows = said | {name: value for name, value in known.items() if value}
        return as_html(repr(self), {"": list(rows), "value": list(rows.values())}, len(rows))

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
    the normalisation) count: they are part of the function; so does what a ``state_dict`` holds besides tensors.

    Raises:
        ModelError: something in it cannot be told.
    """
    tensors = {**module.state_dict(), **dict(module.named_buffers())}
    digest = hashlib.sha256(json.dumps(name).encode())
    for key in sorted(tensors):
        for part, tensor in _dense(key, tensors[key]):
            digest.update(json.dumps([part, str(tensor.dtype), list(tensor.shape)]).encode())
            digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _dense(key: str, value: Any) -> Iterator[tuple[str, Tensor]]:  # noqa: ANN401 (whatever a module keeps)
    """What a module keeps under a key as dense tensors on the CPU, each with a name that says what it is."""
    if isinstance(value, tuple | list):
        for number, each in enumerate(value):
            yield from _dense(f"{key}[{number}]", each)
    elif isinstance(value, Mapping):
        for name in sorted(value, key=str):
            yield from _dense(f"{key}[{name!r}]", value[name])
    elif not isinstance(value, Tensor):
        yield f"{key} {_said(key, value)}", torch.empty(0)
    elif value.device.type == "meta":
        raise ModelError(f"the base classifier has no numbers in {key}; load its weights, or give it a first batch")
    elif value.is_quantized:
        scales = value.q_scale() if value.qscheme() in _PER_TENSOR else value.q_per_channel_scales().tolist()
        zeros = value.q_zero_point() if value.qscheme() in _PER_TENSOR else value.q_per_channel_zero_points().tolist()
        yield f"{key} {value.dtype} {scales} {zeros}", value.detach().int_repr().cpu().contiguous()
    elif value.layout != torch.strided:
        whole = value.detach().cpu()
        yield f"{key} {value.layout}", whole.to_dense().contiguous()
    else:
        yield key, value.detach().cpu().contiguous()


def _said(key: str, value: object) -> str:
    if value is None or isinstance(value, str | int | float | bool | torch.dtype):
        return repr(value)
    try:
        return hashlib.sha256(pickle.dumps(value)).hexdigest()
    except Exception as error:
        raise ModelError(
            f"the base classifier keeps a {type(value).__name__} in {key}, of which nothing can be told: keep tensors "
            "there, or give a function on numpy arrays"
        ) from error


_PER_TENSOR = (torch.per_tensor_affine, torch.per_tensor_symmetric)


def frozen(module: nn.Module) -> nn.Module:
    """The module in eval mode, no parameter of which requires a gradient.

    Raises:
        ModelError: a layer waits for its first batch.
    """
    for name, parameter in module.named_parameters():
        if isinstance(parameter, nn.parameter.UninitializedParameter):
            raise ModelError(f"{name} waits for a first batch (a lazy layer); call the model on one before it is given")
        parameter.requires_grad_(False)  # one by one: TorchScript refuses it as a whole
    return module.eval()


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

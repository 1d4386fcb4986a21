"""What a base classifier must be before it is asked: checks that need no data."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from noiseproof.asked.compute import LARGEST_BATCH
from noiseproof.errors import ModelError, one_line, unknown
from noiseproof.models.base import BaseModel
from noiseproof.models.ensemble import row_by_row

if TYPE_CHECKING:
    from numpy.typing import NDArray

PRECISIONS = ("fp32", "tf32", "bf16")
"""Of a forward pass: plain, plain with CUDA's products of 10-bit mantissas, or torch's autocast."""
BACKENDS = {"torch": PRECISIONS, "onnxruntime": ("fp32",), "openvino": ("fp32", "bf16")}
"""What can draw, and in which precisions."""
_LONG = {"Expected one of": "torch knows none of that name", "Could not run": "torch has none here"}
"""What torch says at length, with all its devices and operators."""


def check_eval_mode(base: object) -> None:
    """Refuse a module of which any part is in training mode: its scores would depend on the rest of the batch.

    Raises:
        ModelError: names the first such part.
    """
    if isinstance(base, nn.Module):
        for name, part in base.named_modules():
            if part.training:
                where = f"its part {name!r} ({type(part).__name__})" if name else type(part).__name__
                raise ModelError(
                    f"the base classifier must be in eval mode, but {where} is in training mode; call base.eval() first"
                )


def check_precision(base: object, precision: str) -> None:
    """Refuse another precision than fp32 for what computes outside torch: the record would say what is not so.

    Raises:
        ModelError: a part of the module says ``outside_torch``.
    """
    if precision != "fp32" and isinstance(base, nn.Module):
        for part in base.modules():
            if getattr(part, "outside_torch", False):
                raise ModelError(
                    f"{type(part).__name__} computes outside torch, in a precision of its own; "
                    f"--precision {precision} has no effect on it: leave it out"
                )


def check_base(base: object) -> None:
    """Refuse what is no function from a batch to its scores.

    Raises:
        ValueError: says what to write instead.
    """
    if isinstance(base, str | os.PathLike):
        instead = f"give noiseproof.models.load({os.fspath(base)!r}).module"
    elif isinstance(base, BaseModel):
        instead = "give its module: base.module"
    elif isinstance(base, type):
        instead = f"that is a class; give one of its objects, {base.__name__}(...).eval()"
    elif not callable(base):
        instead = "give a module in eval mode, or a function"
    else:
        return
    got = base.__name__ if isinstance(base, type) else type(base).__name__
    raise ValueError(f"base must take a batch and return scores, got {got}; {instead}")


def other_floats(base: object) -> str:
    """What to do where a module computes in other floats than the float32 of its inputs; else empty."""
    kinds = {each.dtype for each in base.parameters()} if isinstance(base, nn.Module) else set()
    other = next((kind for kind in kinds if kind.is_floating_point and kind != torch.float32), None)
    return "" if other is None else f"inputs are float32, its weights {str(other)[6:]}: call .float() on it"


def as_batch(x: object) -> NDArray[Any]:
    """Inputs as an array ``[batch, *shape]``.

    Raises:
        ValueError: it is none; says what to give instead.
    """
    try:
        found = x.detach().cpu().numpy() if isinstance(x, torch.Tensor) else np.asarray(x)
    except (ValueError, TypeError) as error:
        raise ValueError(f"x must be a tensor or an array [batch, *shape], got {type(x).__name__}") from error
    if found.dtype.kind not in "uif":
        raise ValueError(f"x must be a tensor or an array [batch, *shape] of numbers, got {type(x).__name__}")
    if found.ndim < 2:
        raise ValueError(f"x must be a batch [batch, *shape], got shape {found.shape}; of one picture give x[None]")
    return found


def pair_of(batch: Any) -> tuple[Any, NDArray[np.int64]]:  # noqa: ANN401  # whatever a loader yields
    """Inputs and their true classes out of a batch of a data loader.

    Raises:
        ValueError: it is no such pair; says what to write instead.
    """
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        raise ValueError(
            f"loader must yield pairs (x, labels), got a {type(batch).__name__}; write such as "
            '((batch["image"], batch["label"]) for batch in loader)'
        )
    return batch[0], checked_labels("labels", batch[1], len(batch[0]))


def checked_labels(name: str, labels: object, rows: int) -> NDArray[np.int64]:
    """True classes, integers ``[rows]``, as an array.

    Raises:
        ValueError: they are none: names, scores, one-hot rows, or of another number of inputs.
    """
    found = np.asarray(labels.detach().cpu() if isinstance(labels, torch.Tensor) else labels)
    if found.dtype.kind not in "iu" or found.shape != (rows,):
        raise ValueError(
            f"{name} must be the true classes, integers [{rows}], got {found.dtype} {list(found.shape)}; "
            "not scores, names or one-hot rows"
        )
    return found.astype(np.int64)


def checked_scores(given: object, rows: int, num_classes: int) -> torch.Tensor:
    """What a base classifier returned, as real scores ``[rows, num_classes]``.

    Raises:
        ModelError: it is something else; says what to return instead.
    """
    if isinstance(given, torch.Tensor) and given.shape == (rows, num_classes):
        if not (given.dtype == torch.bool or given.is_complex()):
            return given
        kind = str(given.dtype).removeprefix("torch.")
        raise ModelError(
            f"the base classifier must return real scores, got {kind}: return what they are made of, a number a class"
        )
    got = tuple(given.shape) if isinstance(given, torch.Tensor) else type(given).__name__
    raise ModelError(
        f"the base classifier must return scores of shape ({rows}, {num_classes}) for {rows} inputs and "
        f"num_classes={num_classes}, got {got}; {_instead(given, rows)}"
    )


def _instead(given: object, rows: int) -> str:
    """What to write where a base classifier returns something else than scores."""
    if isinstance(given, Mapping):
        names = [str(name) for name, value in given.items() if isinstance(value, torch.Tensor)]
        name = next((each for each in ("logits", "out", "scores", "pred") if each in names), (names or ["logits"])[0])
        return f"take them out of it: lambda x: base(x)[{name!r}]"
    if isinstance(getattr(given, "logits", None), torch.Tensor):
        return "take them out of it: lambda x: base(x).logits"
    if isinstance(given, tuple | list) and given:
        place = next((i for i, each in enumerate(given) if isinstance(each, torch.Tensor)), 0)
        return f"take them out of it: lambda x: base(x)[{place}]"
    if isinstance(given, np.ndarray):
        return "return a tensor: torch.from_numpy(...); a function on numpy arrays is a model as file.py:name"
    if isinstance(given, torch.Tensor) and given.dim() > 2 and len(given) == rows:  # a batch of rows
        return "a certificate is about one class a picture: pool what it says of every pixel, scores.mean((2, 3))"
    if isinstance(given, torch.Tensor) and given.shape == (rows,) and not given.is_floating_point():
        return "these are classes: return the scores that they are the largest of"
    return "give the number of classes that it has (num_classes), its own data, or a model of plain scores"


def check_options(*, precision: str, batch_size: int | None, workers: int | None) -> None:
    """Refuse what no backend can do; None stands for a default.

    Raises:
        ValueError: names the option.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
    for name, value in (("batch_size", batch_size), ("workers", workers)):
        if value is not None and value < 1:
            raise ValueError(f"{name} must be >= 1, got {value}")
    if batch_size is not None and batch_size > LARGEST_BATCH:
        raise ValueError(f"batch_size must be <= {LARGEST_BATCH:,}, got {batch_size}")


def check_backend(name: str, *, precision: str, device: str | torch.device) -> None:
    """Refuse a backend that is none, or cannot do what is asked.

    Raises:
        ValueError: names the option.
    """
    try:
        device = torch.device(device)
    except (RuntimeError, TypeError):
        device = choose_device(str(device))  # which says what is wrong
    if name == "auto":
        raise ValueError(
            f"backend must be one of {', '.join(BACKENDS)} here, got 'auto', which is chosen for whole runs"
        )
    if name not in BACKENDS:
        raise ValueError(unknown("backend", name, BACKENDS))
    if name != "torch" and device.type != "cpu":
        raise ValueError(f"device must be cpu with backend {name}, got {device}; use backend torch")
    if precision not in BACKENDS[name]:
        raise ValueError(
            f"precision must be {' or '.join(BACKENDS[name])} with backend {name}, got {precision!r}; use backend torch"
        )
    if precision == "tf32" and device.type != "cuda":
        raise ValueError(f"precision tf32 is arithmetic of a CUDA device, not of {device}; use fp32")


def check_graph(name: str, base: object) -> None:
    """Refuse a base classifier that asks its parts as the row has it, where a backend wants one fixed graph.

    Raises:
        ModelError: members are asked row by row anywhere but in torch.
    """
    if name != "torch" and (why := row_by_row(base)):
        raise ModelError(f"backend {name} runs one fixed graph, but {why}; use --backend torch")


def choose_device(device: str) -> torch.device:
    """The device a name means; "auto" is CUDA where there is one, else the CPU.

    Raises:
        ValueError: no such device.
    """
    if device == "auto":
        return resolved("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = resolved(device)
        torch.empty(0, device=chosen)
        if chosen.type == "meta":
            raise NotImplementedError("it has no numbers")
    except (RuntimeError, AssertionError, NotImplementedError, ImportError) as error:
        said = one_line(error).partition(". ")[0]
        why = next((short for begins, short in _LONG.items() if said.startswith(begins)), said)
        raise ValueError(f"device must be auto, cpu, or one that torch can use, got {device!r} ({why})") from None
    return chosen


def choose_devices(devices: str) -> tuple[torch.device, ...]:
    """The devices that a text names: one, several with commas between, or "cuda" for all there are.

    Raises:
        ValueError: no such device, or one twice.
    """
    if devices == "cuda" and torch.cuda.is_available():
        return tuple(torch.device("cuda", index) for index in range(torch.cuda.device_count()))
    chosen = tuple(choose_device(name.strip()) for name in devices.split(","))
    if len(set(chosen)) < len(chosen):
        raise ValueError(f"device must name each device once, got {devices!r}")
    return chosen


def resolved(device: str | torch.device) -> torch.device:
    """A device by its number: ``cuda`` is the current one, but no tensor there says that it is on ``cuda``."""
    device = torch.device(device)
    if device.type == "cuda" and device.index is None:
        return torch.device("cuda", torch.cuda.current_device())
    return device

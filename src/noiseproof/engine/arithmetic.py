"""Which arithmetic torch uses on a GPU: "fp32" means IEEE fp32 there too."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

_CHANGED = threading.Condition()  # torch's flags are the process's, so what guards them is too
_IN_FORCE: list[tuple[str, list[Any]]] = []
"""For each that is inside: its arithmetic, and how the flags stood before the first came."""


@contextmanager
def arithmetic(precision: str, device: torch.device) -> Iterator[None]:
    """While inside, "fp32" and what bf16 leaves to it is IEEE, "tf32" is TF32, and cuDNN is deterministic.

    Torch's default is TF32 for convolutions: products of 10-bit mantissas under the name of fp32. The flags hold for
    all threads of the process; whoever wants another arithmetic than one in force waits until it is left. Before and
    after they are the caller's. On other devices nothing happens.

    Args:
        precision: "fp32", "tf32" or "bf16".
        device: where it is to hold.
    """
    if device.type != "cuda":
        yield
        return
    wanted = "tf32" if precision == "tf32" else "ieee"
    with _CHANGED:
        _CHANGED.wait_for(lambda: all(other == wanted for other, _ in _IN_FORCE))
        before = _IN_FORCE[0][1] if _IN_FORCE else _flags()
        _IN_FORCE.append((wanted, before))
        _set([wanted] * len(_places()) + [True, False])
    try:
        yield
    finally:
        with _CHANGED:
            _IN_FORCE.pop()
            if not _IN_FORCE:
                _set(before)
            _CHANGED.notify_all()


def _places() -> list[tuple[Any, str]]:
    """Where torch keeps it: since 2.9 by operation, before that (a flag for TF32) by library."""
    cudnn: Any = torch.backends.cudnn
    matmul = torch.backends.cuda.matmul
    if hasattr(matmul, "fp32_precision"):
        return [(part, "fp32_precision") for part in (cudnn.conv, cudnn.rnn, matmul)]
    return [(part, "allow_tf32") for part in (cudnn, matmul)]


def _flags() -> list[Any]:
    cudnn = torch.backends.cudnn
    return [*(getattr(part, name) for part, name in _places()), cudnn.deterministic, cudnn.benchmark]


def _set(values: list[Any]) -> None:
    *precisions, deterministic, benchmark = values
    for (part, name), value in zip(_places(), precisions, strict=True):
        setattr(part, name, value == "tf32" if name == "allow_tf32" and isinstance(value, str) else value)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = deterministic, benchmark


def cuda_environment(device: torch.device, precision: str) -> dict[str, Any]:
    """What the record says of a CUDA device's arithmetic; nothing elsewhere."""
    if device.type != "cuda":
        return {}
    version = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]  # torch's
    return {"cudnn": version, "tf32": precision == "tf32", "deterministic": True}

"""Whether a base classifier is still the one that a copy was made of."""

from __future__ import annotations

import hashlib
import pickle
from typing import Any

import torch


def contents(base: object) -> str | None:
    """A hash of everything that an object in memory is made of: another one, however it was changed in between.

    Of tensors their bytes are hashed, since neither their version counters nor their addresses move with every change
    (``weight.data.add_``, an array that shares their memory); of all else what pickle says of it: settings, hooks,
    parts. The hash is good for comparing an object with itself, in one process.

    Args:
        base: a module, as a rule.

    Returns:
        The hash, or None for what cannot be told: it holds what pickle or torch has no bytes of.

    >>> layer = torch.nn.Linear(2, 2)
    >>> before = contents(layer)
    >>> layer.weight.data[0, 0] += 1
    >>> contents(layer) == before, contents(lambda x: x)
    (False, None)
    """
    sink = _Sink()
    try:
        _Pickler(sink, protocol=pickle.HIGHEST_PROTOCOL).dump(base)
    except Exception:  # noqa: BLE001  # of any part of any module
        return None
    return sink.digest.hexdigest()


class _Sink:
    """A file that keeps the hash of what is written to it."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()

    def write(self, data: Any) -> None:  # noqa: ANN401  # a buffer
        self.digest.update(data)


class _Pickler(pickle.Pickler):
    """Tensors by their bytes."""

    def persistent_id(self, obj: object) -> object:
        if not isinstance(obj, torch.Tensor):
            return None
        raw = obj.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
        return type(obj).__name__, str(obj.dtype), tuple(obj.shape), str(obj.device), hashlib.sha256(raw).hexdigest()

"""A copy of a module, of kinds too that torch refuses to copy."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import TypeVar

import torch
from torch import nn

_Module = TypeVar("_Module", bound=nn.Module)


def copied(module: _Module) -> _Module:
    """A deep copy; what parts compute from their parameters and keep is copied without its history.

    ``weight_norm``, ``spectral_norm`` and pruning keep such tensors, which torch refuses to copy; they compute them
    again in each forward pass.

    Raises:
        Exception: of any kind: a part cannot be copied.
    """
    computed = {
        id(value): value.detach().clone()
        for part in module.modules()
        for value in _tensors(vars(part))
        if not value.is_leaf
    }
    return copy.deepcopy(module, computed)


def _tensors(kept: object) -> Iterator[torch.Tensor]:
    """The tensors among what a part keeps, in containers too."""
    if isinstance(kept, torch.Tensor):
        yield kept
    elif isinstance(kept, dict | list | tuple):
        for each in kept.values() if isinstance(kept, dict) else kept:
            yield from _tensors(each)

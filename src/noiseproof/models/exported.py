"""Programs of ``torch.export`` (.pt2)."""

from __future__ import annotations

import copy
import hashlib
import inspect
import json
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from noiseproof.errors import ModelError, one_line
from noiseproof.models.base import BaseModel, agree, fingerprint
from noiseproof.models.export_archive import check_archive
from noiseproof.models.file_kind import PROGRAM, refuse_other_kind
from noiseproof.models.rows import in_batches

_MOST = 1 << 20


class ExportedClassifier(nn.Module):
    """An exported program as a base classifier.

    A program of a fixed batch, or of a range of sizes, is asked in batches that fit, padded where they are too small.
    It is in eval mode if it was exported in it: what dropout and batch-norm do is part of the graph.
    """

    def __init__(self, graph: nn.Module, least: int, most: int) -> None:
        super().__init__()
        self.graph, self.least, self.most = graph, least, most
        self.train(False)

    def forward(self, x: Tensor) -> Tensor:
        """Scores ``[batch, classes]``."""
        return in_batches(x, self.graph, least=self.least, most=self.most)

    def train(self, mode: bool = True) -> ExportedClassifier:
        """Only marks the parts: the graph is what was exported, and refuses to be asked."""
        for part in self.modules():
            part.training = mode
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> ExportedClassifier:
        """A copy, without what torch tells about its own outdated calls."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ExportedClassifier(copy.deepcopy(self.graph, memo), self.least, self.most)


def load_exported(path: Path, num_classes: int | None, shape: tuple[int, ...] | None) -> BaseModel:
    """The base classifier of a .pt2 file of ``torch.export.save``; nothing in it is run but torch's operators.

    The fingerprint is that of the graph and the weights.

    Args:
        path: the file.
        num_classes: checked against what the program gives.
        shape: likewise against what it takes.

    Raises:
        ModelError: the file is damaged, asks for more than operators and tensors, takes or gives another thing than
            one tensor, or holds another model than asked.
    """
    try:
        check_archive(path)
    except (OSError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(_unreadable(path, error)) from error
    except ValueError as error:
        refuse_other_kind(path, PROGRAM)
        raise ModelError(f"{path} is refused, and nothing in it was run: {one_line(error, 300)}") from error
    except Exception as error:  # zip's, pickle's and torch's own
        refuse_other_kind(path, PROGRAM)
        raise ModelError(
            f"{path} is not a readable exported program ({one_line(error, 300)}); export it again"
        ) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.export.load(path)
            # the guards are a text of the file that torch would run
            options = {"check_guards": False} if "check_guards" in inspect.signature(program.module).parameters else {}
            graph = program.module(**options)
    except Exception as error:
        raise ModelError(
            f"{path} cannot be loaded by torch {torch.__version__} ({one_line(error, 300)}); export it again"
        ) from error
    takes, gives = _signature(path, program)
    batch, *sides = takes
    if not all(isinstance(side, int) for side in sides):
        raise ModelError(f"{path} takes inputs of shape {sides}, expected a fixed one; let only the batch be dynamic")
    least, most = (batch, batch) if isinstance(batch, int) else _range(program, batch)
    module = ExportedClassifier(graph, least, most)
    classes = gives[1] if len(gives) == 2 and isinstance(gives[1], int) else None
    if classes is None:
        raise ModelError(f"{path} must give scores [batch, classes], got shape {list(gives)}; export the classifier")
    classes = agree(path, "num_classes", num_classes, classes)
    stored = tuple(agree(path, "shape", shape, tuple(sides)))
    code = hashlib.sha256(json.dumps([str(program.graph), least, most]).encode()).hexdigest()
    frozen = module.requires_grad_(False)
    return BaseModel(frozen, "torch.export", classes, stored, fingerprint(graph, f"torch.export {code}"), str(path))


def _signature(path: Path, program: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:  # noqa: ANN401
    """The shapes of the one tensor that goes in and the one that comes out."""
    values = {node.name: node.meta.get("val") for node in program.graph.nodes}
    said = program.graph_signature
    sides = []
    for what, names in (("take", said.user_inputs), ("give", said.user_outputs)):
        tensors = [values.get(name) for name in names]
        if len(tensors) != 1 or not isinstance(tensors[0], Tensor):
            raise ModelError(f"{path} must {what} one tensor, got {len(tensors)} things; export the bare classifier")
        sides.append(tuple(tensors[0].shape))
    if not sides[0]:
        raise ModelError(f"{path} must take a batch [batch, ...], got a single number")
    return sides[0], sides[1]


def _range(program: Any, batch: Any) -> tuple[int, int]:  # noqa: ANN401
    """The smallest and largest batch it was exported for."""
    known = program.range_constraints.get(getattr(getattr(batch, "node", None), "expr", None))
    if known is None:
        return 1, _MOST
    least = int(known.lower) if known.lower.is_Integer else 1
    most = int(known.upper) if known.upper.is_Integer else _MOST
    return max(1, least), max(1, least, min(most, _MOST))


def _unreadable(path: Path, error: Exception) -> str:
    return f"{path} is not a readable exported program ({one_line(error, 300)}); export it again"

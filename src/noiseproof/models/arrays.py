"""A classifier that is no torch module: a function on numpy arrays, of JAX, scikit-learn or one's own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from noiseproof.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray


class ArrayClassifier(nn.Module):
    """A function on numpy arrays as a base classifier.

    The function gets float32 ``[batch, *shape]`` in input units, an array of its own, and gives scores
    ``[batch, num_classes]`` or integer labels ``[batch]``; labels become scores of 1 for the class and 0 for the
    others. It is called by one thread at a time. There is no gradient: of the attacks, those from scores and votes
    alone remain.

    Args:
        function: ``numpy [batch, *shape] -> [batch, num_classes] or int [batch]``; what it returns is anything that
            ``numpy.asarray`` takes.
        num_classes: how many classes there are.

    >>> darker = ArrayClassifier(lambda x: (x.mean(axis=(1, 2, 3)) < 0.5).astype(int), num_classes=2)
    >>> darker(torch.stack([torch.zeros(1, 2, 2), torch.ones(1, 2, 2)]))
    tensor([[0., 1.],
            [1., 0.]])
    """

    outside_torch: ClassVar[bool] = True

    def __init__(self, function: Callable[[NDArray[np.float32]], Any], num_classes: int) -> None:
        super().__init__()
        self.function, self.num_classes = function, num_classes
        self._one_at_a_time = threading.Lock()
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        """Scores ``[batch, num_classes]``, float32, on the device of x.

        Raises:
            ModelError: a label is outside the classes, or what came back is neither scores nor labels.
        """
        refuse_tracing()
        given = x.detach().to("cpu", torch.float32).numpy().copy()
        with self._one_at_a_time:
            found = self.function(given)
        return as_scores(found, self.num_classes).to(x.device)

    def __deepcopy__(self, memo: dict[int, Any]) -> ArrayClassifier:
        """Another one with the same function: it has no weights that torch knows of, and may not be copied at all."""
        return ArrayClassifier(self.function, self.num_classes)

    def extra_repr(self) -> str:
        """The function's name, for ``print(module)``."""
        return getattr(self.function, "__qualname__", type(self.function).__name__)


def refuse_tracing() -> None:
    """Refuse to become part of a graph: what is computed outside torch would be a constant in it.

    Raises:
        ModelError: torch traces, exports or compiles.
    """
    if torch.jit.is_tracing() or torch.compiler.is_compiling():  # type: ignore[attr-defined, no-untyped-call]  # stub
        raise ModelError("it computes outside torch and can be no part of a graph; use --backend torch")


def as_scores(found: Any, num_classes: int) -> Tensor:  # noqa: ANN401 (whatever a function returns)
    """Scores ``[batch, classes]``, float32 on the CPU, from scores or from integer labels ``[batch]``.

    Raises:
        ModelError: it is neither, or a label is outside [0, num_classes).
    """
    try:
        array = np.asarray(found)
    except Exception as error:
        raise ModelError(
            f"it must return scores [batch, classes] or labels [batch], got {type(found).__name__}"
        ) from error
    if array.dtype.kind not in "biuf" or array.ndim not in (1, 2) or (array.ndim == 1 and array.dtype.kind == "f"):
        got = f"{array.dtype} {list(array.shape)}"
        raise ModelError(f"it must return scores [batch, classes] or integer labels [batch], got {got}")
    if array.ndim == 2:
        return torch.tensor(array.astype(np.float32))
    labels = torch.tensor(array.astype(np.int64))
    outside = labels[(labels < 0) | (labels >= num_classes)]
    if len(outside):
        raise ModelError(
            f"labels must be in [0, {num_classes}) for num_classes={num_classes}, got {int(outside[0])}; "
            "number the classes as the data set does"
        )
    return nn.functional.one_hot(labels, num_classes).to(torch.float32)

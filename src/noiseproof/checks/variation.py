"""How far the scores of equal rows may differ, and the margin below which a vote is none."""

from __future__ import annotations

from math import ceil, isinf, log2

import torch
from torch import Tensor

LARGEST = 1e-3
"""Of a row's largest |score|: what rounding may move scores by in fp32, some thousand times what it does."""
_SAFETY = 8
"""A few hundred rows do not show the largest variation of a million."""


def variation(one: Tensor, other: Tensor) -> float:
    """The largest change of a score between two answers to the same rows, as a share of its row's largest |score|.

    Rows that are no numbers in both count as equal; in only one of them, as infinitely different.

    Args:
        one: scores ``[rows, classes]``.
        other: of the same rows.

    >>> variation(torch.tensor([[4.0, 1.0]]), torch.tensor([[4.0, 2.0]]))
    0.25
    """
    finite = torch.isfinite(one).all(dim=1)
    if not torch.equal(finite, torch.isfinite(other).all(dim=1)):
        return float("inf")
    one, other = one[finite].double(), other[finite].double()
    if not len(one):
        return 0.0
    change, largest = (one - other).abs().amax(dim=1), one.abs().amax(dim=1)
    return float(torch.where(change == 0, change, change / largest).max())


def largest_variation(dtype: torch.dtype) -> float:
    """What rounding alone may vary scores by that were computed in this precision.

    >>> largest_variation(torch.float32), largest_variation(torch.bfloat16)
    (0.001, 0.125)
    """
    return max(LARGEST, 16 * torch.finfo(dtype).eps) if dtype.is_floating_point else LARGEST


def tolerance_for(measured: float) -> float:
    """The margin, as a share of a row's largest |score|, up to which its vote may hang on the arithmetic.

    0 where equal rows had bitwise equal scores; else the power of two at or above eight times the variation.

    >>> tolerance_for(0.0), tolerance_for(1e-7) == 2.0**-20
    (0.0, True)
    """
    if measured == 0 or isinf(measured):
        return measured
    return 2.0 ** ceil(log2(_SAFETY * measured))


def argmax_changes(one: Tensor, other: Tensor, tolerance: float) -> int:
    """Rows of another class, although their margin is above the tolerance."""
    top = one.double().topk(2, dim=1).values
    sure = top[:, 0] - top[:, 1] > tolerance * one.double().abs().amax(dim=1)
    return int((sure & (one.argmax(dim=1) != other.argmax(dim=1))).sum())

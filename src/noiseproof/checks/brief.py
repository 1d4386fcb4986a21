"""Before the first draw: is what the backend computes a deterministic function of each row? A few batches."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from noiseproof.checks.rows import in_other_batches
from noiseproof.checks.variation import largest_variation, tolerance_for, variation
from noiseproof.errors import ModelError
from noiseproof.noises.words import Words
from noiseproof.tallies import CLASS_VOTES, VOID

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noiseproof.engine.pooled import PooledBackend

log = logging.getLogger(__name__)

ROWS = 512
"""Of a larger batch so many are asked about; they fill the rest too. No default batch of a CPU is larger."""


@dataclass(frozen=True)
class Checked:
    """What the brief check measured.

    Attributes:
        rows: noisy rows that were asked about.
        void: how many of them had scores that were no numbers.
        variation: the largest change of a row's scores, as a share of its largest |score|.
        tolerance: rows whose margin is no larger a share of their largest |score| are void; 0 where nothing varied.
    """

    rows: int
    void: int
    variation: float
    tolerance: float


def brief_check(backend: PooledBackend, inputs: Sequence[NDArray[Any]]) -> Checked:
    """Ask a backend five batches: the same twice, in another order, and beside other rows.

    It is the backend that will draw, at its own batch size and in its own precision, so what it varies by is what the
    votes of the run hang on.

    Args:
        backend: of the base classifier.
        inputs: a few clean ones, encoded; rows are spread over them.

    Raises:
        ModelError: scores vary by more than rounding can, or all of them are no numbers.
        OutOfMemoryError: a batch does not fit.
    """
    rows = noisy_rows(backend, inputs)
    first = backend.answers(rows)
    void = int((CLASS_VOTES.counted(first) == VOID).sum())
    if void == len(first):
        raise ModelError(
            f"the scores of all of {void} noisy inputs are NaN or infinite, so every draw would be void; "
            "repair the base classifier"
        )
    if are_probabilities(first):
        log.warning(
            "the scores are probabilities: votes are unaffected, but the soft vote and attacks with gradients expect "
            "logits and see these flattened; give the scores before the softmax for them"
        )
    # TF32 has the mantissa of float16
    dtype = {"bf16": torch.bfloat16, "tf32": torch.float16}.get(backend.precision, first.dtype)
    worst = 0.0
    for how, answer in [("between two calls", backend.answers(rows)), *in_other_batches(rows, backend.answers, first)]:
        found = variation(first, answer)
        if found > largest_variation(dtype):
            raise ModelError(
                f"the base classifier must be a deterministic function of each row, but scores change {how} by "
                f"{found:.1e} of the largest score; look for dropout, batch-norm in training mode, a mean over the "
                "batch or dynamic quantisation (noiseproof doctor says more)"
            )
        worst = max(worst, found)
    checked = Checked(len(first), void, worst, tolerance_for(worst))
    if checked.tolerance:
        log.warning(
            "scores of equal inputs vary by %.1e of the largest: votes with a margin of up to %.1e of it are void",
            worst,
            checked.tolerance,
        )
    return checked


def are_probabilities(scores: torch.Tensor) -> bool:
    """Whether rows of scores look like the outcome of a softmax: in [0, 1], of sum 1, and no bare labels.

    Args:
        scores: ``[rows, classes]``; rows that are no numbers are left out.

    >>> are_probabilities(torch.tensor([[0.25, 0.75]])), are_probabilities(torch.tensor([[0.0, 1.0]]))
    (True, False)
    """
    found = scores[torch.isfinite(scores).all(dim=1)].double()
    within = bool(((found >= 0) & (found <= 1)).all()) and bool(((found.sum(dim=1) - 1).abs() <= 1e-3).all())
    return len(found) > 0 and within and not bool(((found == 0) | (found == 1)).all())


def noisy_rows(backend: PooledBackend, inputs: Sequence[NDArray[Any]]) -> torch.Tensor:
    """Up to a batch of noisy inputs in input units, as the base classifier will see them."""
    words = Words(0, "doctor", "doctor")  # no input key is this word: shared by no run
    noise = backend.noise
    of_input = np.array_split(np.arange(min(backend.batch_size, ROWS)), len(inputs))
    drawn = [noise.perturb(x, words, int(k[0]), len(k)) for x, k in zip(inputs, of_input, strict=True) if len(k)]
    x = torch.from_numpy(np.concatenate(drawn)).to(torch.float32)
    return x.div_(noise.scale) if noise.scale != 1.0 else x

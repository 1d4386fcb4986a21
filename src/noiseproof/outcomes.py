"""What a procedure said of a batch, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np

from noiseproof.screen import ROWS, as_html
from noiseproof.types import ABSTAIN, Prediction

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noiseproof.types import Outcome


class Outcomes:
    """What a procedure said of a batch: arrays with one entry an input, and no others than those that apply.

    Attributes:
        prediction: class, or ``ABSTAIN`` (-1); int64 ``[batch]``.
        abstained: bool ``[batch]``.
        draws: that it took; int64 ``[batch]``.
        radius: certify: certified radius in input units, 0.0 where abstained; decide: what was asked about; float64.
        norm: certify and decide: the norm of the radius.
        certified: certify and decide: bool ``[batch]``.
        p_lower: certify: lower confidence bound on the top class's probability; float64 ``[batch]``.
        p_upper: certify: upper confidence bound on the largest rival's; float64 ``[batch]``.
        p_value: predict: of the test between the two largest counts; float64 ``[batch]``.
        answer: decide: "certified", "not certified" or "undecided"; str ``[batch]``.
    """

    prediction: NDArray[np.int64]
    abstained: NDArray[np.bool_]
    draws: NDArray[np.int64]
    radius: NDArray[np.float64]
    norm: str
    certified: NDArray[np.bool_]
    p_lower: NDArray[np.float64]
    p_upper: NDArray[np.float64]
    p_value: NDArray[np.float64]
    answer: NDArray[np.str_]

    def __init__(self, kind: type[Outcome], outcomes: Sequence[Outcome], draws: Sequence[int], norm: str) -> None:
        """The arrays of records.

        Args:
            kind: of all the records, of which there may be none.
            outcomes: one an input.
            draws: that each took.
            norm: of their radii.
        """
        for name in (each.name for each in fields(kind) if each.name != "norm"):
            dtype = _DTYPES.get(name, np.float64)
            setattr(self, name, np.array([getattr(outcome, name) for outcome in outcomes], dtype=dtype))
        self.abstained = self.prediction == ABSTAIN
        self.draws = np.array(draws, dtype=np.int64)
        if kind is not Prediction:
            self.norm, self.certified = norm, ~self.abstained

    def __len__(self) -> int:
        """The inputs."""
        return len(self.prediction)

    def __repr__(self) -> str:
        """In a line, however many inputs there are."""
        draws = int(self.draws.sum())
        return f"<Outcomes: {len(self)} inputs, {int(self.abstained.sum())} abstained, {draws:,} draws>"

    def _repr_html_(self) -> str:
        """For notebooks: the first inputs."""
        arrays = {name: value for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        return as_html(repr(self), {name: value[:ROWS].tolist() for name, value in arrays.items()}, len(self))

    def __getattr__(self, name: str) -> object:
        """What does not apply is named."""
        raise AttributeError(f"these outcomes have no {name!r}; they have {', '.join(sorted(vars(self)))}")


_DTYPES = {"prediction": np.int64, "answer": np.str_}

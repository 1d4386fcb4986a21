"""What a PREDICT run says as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from noiseproof.analysis.certified import abstention, right_share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noiseproof.types import Record


@dataclass(frozen=True)
class PredictionTable:
    """Shares of the inputs of a PREDICT run; they add to 1.

    Attributes:
        m: inputs.
        right: the share answered rightly.
        wrong: the share answered with another class.
        abstained: the share not answered.
    """

    m: int
    right: float
    wrong: float
    abstained: float


def prediction_table(records: Sequence[Record]) -> PredictionTable:
    """Count right, wrong and abstained answers, as table 4 of the appendix of Cohen et al. 2019 does.

    Args:
        records: finished inputs with labels; certificates count by their prediction.

    Raises:
        ValueError: no records, or a label is missing.
    """
    m, right, abstained = len(records), right_share(records), abstention(records)
    # Counted in whole inputs, so that no rounding leaves a share of -1e-17 wrong answers.
    wrong = (m - round(right * m) - round(abstained * m)) / m
    return PredictionTable(m=m, right=right, wrong=wrong, abstained=abstained)

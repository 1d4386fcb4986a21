"""What the finished inputs of one run say together; every share is over *all* inputs of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from noiseproof.types import Certificate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from noiseproof.types import Record


def certified_accuracy(records: Sequence[Record], radii: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of inputs that are right, not abstained, and certified at least at each radius.

    At radius 0 this is ``right_share``.

    Args:
        records: finished inputs with labels and certificates in one norm.
        radii: in input units, each >= 0, shape [radii].

    Returns:
        Shares in [0, 1], shape [radii].

    Raises:
        ValueError: no records, a label is missing, an outcome is no certificate, or a radius is negative.

    Source: Cohen et al. 2019, section 4, "approximate certified test set accuracy".
    """
    grid = np.asarray(radii, dtype=np.float64)
    if not np.all(grid >= 0):
        raise ValueError(f"radii must be >= 0, got {grid[~(grid >= 0)][0]}")
    return certified_share(right_radii(records), grid)


def average_certified_radius(records: Sequence[Record]) -> float:
    """ACR: the mean radius over all inputs, where a wrong or abstained one counts 0.

    Never a mean over the certified inputs only. Read it beside the curve: a constant classifier has a high ACR.

    Args:
        records: finished inputs with labels and certificates in one norm.

    Raises:
        ValueError: no records, a label is missing, or an outcome is no certificate.

    Source: Zhai et al. 2020 (MACER), section 5.
    """
    return float(np.maximum(right_radii(records), 0).mean())


def median_radius(records: Sequence[Record]) -> float:
    """The median radius over all inputs, where a wrong or abstained one counts 0; see ``average_certified_radius``."""
    return float(np.median(np.maximum(right_radii(records), 0)))


def natural_accuracy(records: Sequence[Record]) -> float | None:
    """The share of inputs at which the base classifier is right without noise; a picture not read counts as wrong.

    None where it was not recorded of every input: runs of earlier versions and imports do not say.

    Args:
        records: finished inputs with labels.

    Raises:
        ValueError: no records, or a label is missing.
    """
    _check_some(records)
    right = [record.clean == _label(record) for record in records]
    if any(record.clean is None and record.skipped is None for record in records):
        return None
    return sum(right) / len(records)


def right_share(records: Sequence[Record]) -> float:
    """The share of inputs at which the smoothed classifier did not abstain and is right.

    Args:
        records: finished inputs with labels; certificates or predictions.

    Raises:
        ValueError: no records, or a label is missing.
    """
    _check_some(records)
    return sum(_is_right(record) for record in records) / len(records)


def abstention(records: Sequence[Record]) -> float:
    """The share of inputs at which the procedure abstained; labels are not needed.

    Args:
        records: finished inputs; certificates or predictions.

    Raises:
        ValueError: no records.
    """
    _check_some(records)
    return sum(record.outcome.abstained for record in records) / len(records)


def right_radii(records: Sequence[Record]) -> NDArray[np.float64]:
    """What each input contributes: its certified radius if it is right, -1 if it is wrong or abstained.

    Args:
        records: finished inputs with labels and certificates in one norm.

    Returns:
        Radii in input units, shape [records].

    Raises:
        ValueError: no records, a label is missing, an outcome is no certificate, or the norms differ.
    """
    _check_some(records)
    norms = {_certificate(record).norm for record in records}
    if len(norms) > 1:
        raise ValueError(f"radii in different norms cannot be compared, got {', '.join(sorted(norms))}")
    return np.array([_certificate(record).radius if _is_right(record) else -1.0 for record in records])


def certified_share(contributions: NDArray[np.float64], radii: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of ``right_radii`` that reach each radius, without a pass over the inputs for each.

    >>> certified_share(np.array([0.5, -1.0, 0.25, 0.5]), np.array([0.0, 0.25, 0.3, 1.0])).tolist()
    [0.75, 0.75, 0.5, 0.0]
    """
    below = np.searchsorted(np.sort(contributions), radii, side="left")
    return (len(contributions) - below) / len(contributions)


def _certificate(record: Record) -> Certificate:
    if not isinstance(record.outcome, Certificate):
        raise ValueError(  # noqa: TRY004 - the value is of the right type, but of a run of another procedure
            f"outcomes must be certificates, got a prediction for input {record.index}; "
            "summarise a PREDICT run with prediction_table"
        )
    return record.outcome


def _is_right(record: Record) -> bool:
    label = _label(record)
    return not record.outcome.abstained and record.outcome.prediction == label


def _label(record: Record) -> int:
    if record.label is None:
        raise ValueError(f"labels are needed to tell right from wrong, but input {record.index} has none")
    return record.label


def _check_some(records: Sequence[Record]) -> None:
    if not records:
        raise ValueError("records must not be empty: the run has no finished input")

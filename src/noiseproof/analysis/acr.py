"""What a mean radius hides: its band, what a classifier that looks at nothing would have, how sure the inputs are."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from noiseproof.analysis.certified import right_radii
from noiseproof.stats import dkw_band
from noiseproof.types import Certificate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from noiseproof.types import Record


def acr_band(records: Sequence[Record], most: float | None, delta: float = 0.05) -> tuple[float, float | None]:
    """A confidence band around the ACR that the procedure has on the population the inputs were drawn from.

    The ACR is the area under certified accuracy, so the areas under the lower and the upper edge of its DKW band
    bound it, with probability 1 - delta.

    Args:
        records: finished inputs with labels and certificates in one norm.
        most: the largest radius that the procedure can certify; None where that is not known.
        delta: failure probability, in (0, 1).

    Returns:
        The lower end, and the upper end; None for it where ``most`` is not known or a radius lies beyond.

    Raises:
        ValueError: no records, a label is missing, an outcome is no certificate, or delta is out of range.

    Source: Dvoretzky, Kiefer & Wolfowitz 1956; the mean from it: Anderson 1969.
    """
    radii = np.sort(np.maximum(right_radii(records), 0.0))
    band, m = dkw_band(len(radii), delta), len(radii)
    steps = np.diff(radii, prepend=0.0)  # between one radius and the next m - i of m inputs are certified
    shares = 1 - np.arange(m) / m
    low = float(np.sum(steps * np.maximum(shares - band, 0.0)))
    if most is None or radii[-1] > most * (1 + 0.005):  # printed with three digits, to nearest
        return low, None
    beyond = max(most - float(radii[-1]), 0.0) * min(band, 1.0)
    return low, float(np.sum(steps * np.minimum(shares + band, 1.0))) + beyond


def constant_acr(records: Sequence[Record], most: float) -> float:
    """The ACR of a classifier that says the commonest label whatever it sees, at the largest radius there is.

    Args:
        records: with labels, at least one.
        most: the largest radius that the procedure can certify.

    Raises:
        ValueError: a label is missing.
    """
    labels = Counter(record.label for record in records)
    if None in labels:
        raise ValueError("labels are needed to tell right from wrong, but an input has none")
    return most * max(labels.values()) / len(records)


def right_lower(records: Sequence[Record]) -> NDArray[np.float64] | None:
    """The lower bound on p_A of each right input, ascending; -1 where it is wrong or abstained, shape [m].

    None where nothing is known of p_A: of an import whose radii are not those of Gaussian noise.

    Args:
        records: finished inputs with labels and certificates.
    """
    right = right_radii(records) >= 0
    found = [record.outcome.p_lower for record in records if isinstance(record.outcome, Certificate)]
    lower = np.where(right, np.array(found), -1.0)
    return None if (lower[right] <= 0).any() else np.sort(lower)

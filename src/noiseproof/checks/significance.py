"""Is one way of reading inputs or labels better than another? Told from chance at a stated rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scipy.stats import binom

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ALPHA = 1e-6
"""Rate of false alarms of one comparison, if the two readings are equally good."""


def far_above(one: NDArray[np.bool_], other: NDArray[np.bool_], *, gap: float, least: float) -> bool:
    """Whether a reading is right far more often than another, on the same pictures, and not by chance.

    Its accuracy must be at least ``least`` and exceed the other's by ``gap``; and if both were equally good, their
    disagreements would be that one-sided with probability at most 1e-6 (the exact sign test of McNemar).

    Args:
        one: whether it was right, a picture each.
        other: likewise.
        gap: by which the accuracy must differ.
        least: what the accuracy must be.
    """
    better, worse = int((one & ~other).sum()), int((other & ~one).sum())
    by_chance = float(binom.sf(better - 1, better + worse, 0.5)) if better else 1.0
    return bool(one.mean() >= least and one.mean() - other.mean() >= gap and by_chance <= ALPHA)

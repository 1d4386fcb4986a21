"""Better by chance is not better."""

from __future__ import annotations

import numpy as np
import pytest

from noiseproof.checks.significance import far_above


def readings(better: int, worse: int, both: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    one = [True] * better + [False] * worse + [True] * both + [False] * neither
    other = [False] * better + [True] * worse + [True] * both + [False] * neither
    return np.array(one), np.array(other)


@pytest.mark.parametrize(
    ("table", "far"),
    [
        ((20, 0, 20, 20), True),  # 2^-20 < 1e-6
        ((19, 0, 20, 20), False),  # 2^-19
        ((60, 40, 0, 0), False),  # a gap of .2, by chance with 2.8%
        ((40, 0, 400, 60), False),  # certain, but a gap of .08
        ((40, 0, 10, 150), False),  # right on a quarter only
        ((0, 0, 50, 0), False),
    ],
)
def test_far_above(table, far):
    assert far_above(*readings(*table), gap=0.2, least=0.5) is far

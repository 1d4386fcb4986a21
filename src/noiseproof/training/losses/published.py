"""Which of a paper's settings belongs to a sigma and a data set."""

from __future__ import annotations

import math


def at_sigma(sigma: float, quarter: float, half: float, one: float) -> float:
    """The setting published for the nearest of sigma .25, .5 and 1, nearest by ratio.

    >>> [at_sigma(sigma, 20, 10, 5) for sigma in (0.12, 0.25, 0.5, 1.0, 2.0)]
    [20, 20, 10, 5, 5]
    """
    table = {0.25: quarter, 0.5: half, 1.0: one}
    if not sigma > 0:
        return quarter
    return table[min(table, key=lambda known: abs(math.log(known) - math.log(sigma)))]


def mnist_like(data: str) -> bool:
    """Whether the settings for digits and clothes are meant, and not those of CIFAR-10.

    >>> mnist_like("fashion-mnist-small:train"), mnist_like("cifar10")
    (True, False)
    """
    return "mnist" in data.partition(":")[0]

"""Two methods on the same inputs: the exact test of which of them succeeds more often."""

from __future__ import annotations

from noiseproof.stats import special


def mcnemar(only_first: int, only_second: int) -> float:
    """Exact two-sided p-value of the hypothesis that both methods succeed equally often on inputs drawn like these.

    Inputs at which both succeed, or neither, say nothing. Of the others, each is equally likely to be either's, so
    under the hypothesis the count is Binomial(only_first + only_second, 1/2): P(p-value <= a) <= a for every a.

    Args:
        only_first: inputs at which the first alone succeeds, >= 0.
        only_second: inputs at which the second alone succeeds, >= 0.

    Raises:
        ValueError: a count is negative.

    Source: McNemar 1947, with the binomial distribution in place of the chi-squared one.

    >>> mcnemar(9, 1), mcnemar(3, 3)
    (0.021484375, 1.0)
    """
    for name, count in (("only_first", only_first), ("only_second", only_second)):
        if count < 0:
            raise ValueError(f"{name} must be >= 0, got {count}")
    return min(1.0, 2 * float(special.bdtr(min(only_first, only_second), only_first + only_second, 0.5)))

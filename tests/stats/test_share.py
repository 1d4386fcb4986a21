"""The verdict on a share: its error is added up over every sequence of counts there is, not simulated."""

import re

import numpy as np
import pytest
from scipy.stats import hypergeom

from noiseproof.stats.share import share_test


def ever(test, total, limits, *, upwards):
    """Exact probability that the counts reach a limit at some look, with ``total`` certified in the population."""
    held, drawn, reached = np.array([1.0]), 0, 0.0  # by the count so far
    for look, limit in zip(test.looks, limits, strict=True):
        more, after = look - drawn, np.zeros(look + 1)
        for count, mass in enumerate(held):
            if mass and count <= total:
                further = hypergeom(test.population - drawn, total - count, more).pmf(np.arange(more + 1))
                after[count : count + more + 1] += mass * further
        crossed = np.arange(look + 1) >= limit if upwards else np.arange(look + 1) <= limit
        reached += after[crossed].sum()
        held, drawn = np.where(crossed, 0.0, after), look
    return reached


@pytest.mark.parametrize("most", [None, 60])
@pytest.mark.parametrize("at_least", [0.1, 0.5, 0.9, 1.0])
def test_each_verdict_is_wrong_with_at_most_its_error(at_least, most):
    error = 0.1
    test = share_test(130, at_least, alpha=0.001, error=error, most=most)
    assert test.looks[-1] == (most or 130)
    needed = next(count for count in range(131) if count / 130 >= at_least - 1e-12)
    assert test.false == 1  # of 130 certificates two are false with .0078, more than half the error is left
    # one false certificate more than the share lacks: the test must not take it for enough
    assert ever(test, min(needed + test.false - 1, 130), test.enough, upwards=True) <= error / 2
    assert ever(test, needed, test.too_few, upwards=False) <= error / 2


@pytest.mark.parametrize(("total", "verdict"), [(130, "at least"), (0, "below")])
def test_a_clear_share_is_told_at_the_first_look(total, verdict):
    test = share_test(130, 0.5, alpha=0.001, error=0.1)
    assert test.looks[0] == 20
    assert test.verdict(min(20, total), 0) == verdict


@pytest.mark.parametrize(("certified", "verdict"), [(65, "undecided"), (66, "at least"), (64, "below")])
def test_all_inputs_tell_the_share_up_to_false_certificates(certified, verdict):
    test = share_test(130, 0.5, alpha=0.001, error=0.1)
    assert (test.looks[-1], test.false) == (130, 1)
    assert test.verdict(certified, len(test.looks) - 1) == verdict


def test_it_takes_few_of_many():
    """At a share of .7, "at least .6" is said of 10,000 inputs by 540 of them with probability .9."""
    test = share_test(10_000, 0.6, alpha=0.001, error=0.01)
    look = test.looks.index(540)
    assert hypergeom(10_000, 7000, 540).sf(test.enough[look] - 1) > 0.9


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((0, 0.5, 0.001, 0.1), "population must be >= 1, got 0"),
        ((9, 60.0, 0.001, 0.1), "at_least must be in (0, 1], got 60.0; .6 is 60 percent"),
        ((9, 0.0, 0.001, 0.1), "got 0.0; .6 is"),
        ((9, float("nan"), 0.001, 0.1), "got nan; .6 is"),
        ((9, 0.5, 0.001, 1.0), "error must be in (0, 1), got 1.0"),
        ((9, 0.5, 0.0, 0.1), "alpha must be in (0, 1), got 0.0"),
    ],
)
def test_what_is_out_of_range_is_refused(arguments, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        share_test(*arguments)

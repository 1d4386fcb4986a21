from __future__ import annotations

from math import inf

import pytest

from noiseproof.analysis.sandwich import sandwich
from noiseproof.store.attacks import Attacked
from noiseproof.types import ABSTAIN, Certificate, Decision, Prediction, Record


def record(index: int, label: int | None, outcome) -> Record:
    return Record(f"k{index}", index, label, (), outcome, 0.0)


def certificate(prediction: int, radius: float) -> Certificate:
    return Certificate(prediction, radius, 0.9, 0.1)


def broke(index: int, distance: float, prediction: int = 2) -> Attacked:
    return Attacked(f"k{index}", index, 1, 1, 0.5, 2.0, distance, 7, 10, (0, 4, 6), prediction, 1e-4, 1.0)


RECORDS = [
    record(0, 1, certificate(1, 0.5)),  # right, broken at .8
    record(1, 1, certificate(1, 0.25)),  # right, never broken
    record(2, 1, certificate(0, 0.75)),  # certified as wrong
    record(3, 1, certificate(ABSTAIN, 0.0)),  # nothing is known but that it breaks at .1
    record(4, 1, certificate(ABSTAIN, 0.0)),  # nothing is known
]
POINTS = [broke(0, 1.5), broke(0, 0.8), broke(0, 0.3, 1), broke(0, 0.2, ABSTAIN), broke(3, 0.1), broke(9, 0.1)]


def test_what_is_certified_and_what_is_broken():
    found = sandwich(RECORDS, POINTS)
    assert found.certified.tolist() == [0.5, 0.25, -inf, -inf, -inf]
    assert found.broken.tolist() == [0.8, inf, -inf, 0.1, inf]
    assert (found.m, found.reach) == (5, 0.8)


def test_both_curves_and_what_they_are_worth_at_a_step():
    """Certified at R still, broken at the distance already."""
    found = sandwich(RECORDS, POINTS)
    radii = [0.0, 0.1, 0.25, 0.2500001, 0.5, 0.7999, 0.8, 9.0]
    assert found.lower(radii).tolist() == pytest.approx([0.4, 0.4, 0.4, 0.2, 0.2, 0, 0, 0])
    assert found.upper(radii).tolist() == pytest.approx([0.8, 0.6, 0.6, 0.6, 0.6, 0.6, 0.4, 0.4])
    assert (found.lower(radii) <= found.upper(radii)).all()


def test_a_false_certificate_turns_the_sandwich_over():
    found = sandwich([record(0, 1, certificate(1, 0.5))], [broke(0, 0.25)])
    assert found.lower([0.3])[0] > found.upper([0.3])[0]


def test_decisions_are_certificates_of_one_radius():
    said = [
        record(0, 1, Decision("certified", 1, 0.5)),
        record(1, 1, Decision("not certified", ABSTAIN, 0.5)),
        record(2, 1, Decision("certified", 0, 0.5)),
    ]
    found = sandwich(said, [broke(0, 0.6), broke(1, 0.2)])
    assert found.certified.tolist() == [0.5, -inf, -inf]
    assert found.broken.tolist() == [0.6, 0.2, -inf]


def test_what_has_no_label_or_no_radius_is_left_out():
    assert sandwich([*RECORDS, record(5, None, certificate(1, 0.5))], []).m == 5
    with pytest.raises(ValueError, match="records must be one or more with labels, got none"):
        sandwich([record(0, 1, Prediction(1, 0.0))], [])

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from noiseproof.arguments import flag, integer, real
from noiseproof.noises import Gaussian
from noiseproof.procedures import Certify, Predict, Simultaneous


@pytest.mark.parametrize("value", [7, np.int64(7), np.uint8(7), np.array(7)])
def test_what_is_an_integer_becomes_a_plain_one(value):
    found = integer("n", value)
    assert found == 7
    assert type(found) is int


@pytest.mark.parametrize("value", [7.0, 100.5, "7", True, np.True_, np.float64(7), None, [7], np.array([7, 8])])
def test_what_is_none_is_refused_even_if_its_value_is(value):
    with pytest.raises(ValueError, match=re.escape(f"n must be an integer, got {value!r}")):
        integer("n", value)


def test_too_large():
    assert integer("n", 10, most=10) == 10
    with pytest.raises(ValueError, match=r"^n must be <= 1,000, got 1001$"):
        integer("n", 1001, most=1000)


def test_too_small():
    assert integer("limit", 1, least=1) == 1
    with pytest.raises(ValueError, match="limit must be >= 1, got 0"):
        integer("limit", 0, least=1)


@pytest.mark.parametrize("value", [1, 1.0, np.float32(1), np.int64(1)])
def test_what_is_a_number_becomes_a_plain_float(value):
    found = real("alpha", value)
    assert found == 1.0
    assert type(found) is float


@pytest.mark.parametrize("value", ["1", b"1", True, None, [1.0], 1j])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(ValueError, match=re.escape(f"alpha must be a number, got {value!r}")):
        real("alpha", value)


def test_flags():
    assert [flag("clip", value) for value in (True, False, np.True_)] == [True, False, True]
    assert type(flag("clip", np.True_)) is bool
    for value in (0, 1, "no", None):
        with pytest.raises(ValueError, match=re.escape(f"clip must be True or False, got {value!r}")):
            flag("clip", value)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Certify(n=2e3), "n must be an integer, got 2000.0"),
        (lambda: Certify(n=100.5), "n must be an integer, got 100.5"),
        (lambda: Certify(n0=True), "n0 must be an integer, got True"),
        (lambda: Certify(two_sided=1), "two_sided must be True or False, got 1"),
        (lambda: Certify(alpha="0.001"), "alpha must be a number, got '0.001'"),
        (lambda: Predict(n=1e3), "n must be an integer, got 1000.0"),
        (lambda: Predict(alpha=None), "alpha must be a number, got None"),
        (lambda: Simultaneous(n=1e3), "n must be an integer, got 1000.0"),
        (lambda: Simultaneous(alpha=None), "alpha must be a number, got None"),
        (lambda: Gaussian(sigma=0.5, grid=255.0), "grid must be an integer, got 255.0"),
        (lambda: Gaussian(sigma=0.5, grid=True), "grid must be an integer, got True"),
        (lambda: Gaussian(sigma="0.5"), "sigma must be a number, got '0.5'"),
    ],
)
def test_descriptions_refuse_what_is_of_another_kind(make, text):
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        make()


def test_numpy_numbers_are_stored_as_plain_ones():
    n, alpha = np.int64(2000), np.float32(0.5)
    made = [
        Certify(n0=np.int32(100), n=n, alpha=alpha, two_sided=np.False_),
        Predict(n=n, alpha=alpha),
        Simultaneous(n=n, alpha=alpha),
        Gaussian(sigma=alpha, grid=np.uint8(255)),
    ]
    plain = [
        Certify(n0=100, n=2000, alpha=0.5),
        Predict(n=2000, alpha=0.5),
        Simultaneous(n=2000, alpha=0.5),
        Gaussian(sigma=0.5),
    ]
    assert json.dumps([one.config() for one in made]) == json.dumps([one.config() for one in plain])

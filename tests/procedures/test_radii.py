from __future__ import annotations

import re

import pytest

from noiseproof.reports import parse_radii


@pytest.mark.parametrize(
    ("text", "radii"),
    [
        ("0:1.5:0.25", (0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)),
        ("0:1:0.1", (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)),
        ("0:1:0.3", (0, 0.3, 0.6, 0.9)),
        ("0.5:0.5:1", (0.5,)),
        (" 0 : 1 : .5 ", (0, 0.5, 1.0)),
        ("0,0.5,1", (0, 0.5, 1.0)),
        ("1e-3", (0.001,)),
    ],
)
def test_radii_are_the_floats_the_user_means(text, radii):
    assert parse_radii(text) == radii
    assert all(type(radius) is float for radius in parse_radii(text))


def test_a_thousand_radii_are_enough():
    assert len(parse_radii("0:0.999:0.001")) == 1000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "radii must be numbers, got '' in ''"),
        ("0,x", "radii must be numbers, got 'x' in '0,x'"),
        ("0::1", "radii must be numbers, got '' in '0::1'"),
        ("0,-1", "radii must be >= 0 and finite, got '-1' in '0,-1'"),
        ("0:inf:1", "radii must be >= 0 and finite, got 'inf' in '0:inf:1'"),
        ("nan", "radii must be >= 0 and finite, got 'nan' in 'nan'"),
        ("0:1", "radii must be start:stop:step such as 0:1.5:0.25, got '0:1'"),
        ("0:1:0", "step of radii must be > 0, got '0:1:0'"),
        ("1:0:0.1", "radii must not stop before they start, got '1:0:0.1'"),
        ("0.5,0.25", "radii must increase, got '0.5,0.25'"),
        ("0.5,0.50", "radii must increase, got '0.5,0.50'"),
        ("0:1:0.001", "radii must be at most 1000, got '0:1:0.001'; raise the step"),
    ],
)
def test_errors_say_what_is_wrong(text, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        parse_radii(text)

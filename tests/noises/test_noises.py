from __future__ import annotations

import re

import pytest

from noiseproof.noises import NOISES, Gaussian, noise_from


def test_every_family_is_registered_under_its_own_name():
    assert {name: made.family for name, made in NOISES.items()} == {name: name for name in NOISES}


def test_a_table_needs_only_what_has_no_default():
    assert noise_from({"family": "gaussian", "sigma": 0.25}) == Gaussian(sigma=0.25)


def test_a_table_is_not_changed():
    table = {"family": "gaussian", "sigma": 0.25}
    noise_from(table)
    assert table == {"family": "gaussian", "sigma": 0.25}


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ({"family": "gausian", "sigma": 0.5}, "unknown noise 'gausian'; did you mean 'gaussian'?"),
        ({"family": "xyz"}, "unknown noise 'xyz'; known: gaussian"),
        ({"sigma": 0.5}, "unknown noise ''; known: gaussian"),
        (
            {"family": "gaussian", "sgima": 0.5},
            "unknown setting of the noise gaussian 'sgima'; did you mean 'sigma'?",
        ),
        ({"family": "gaussian", "sigma": -1.0}, "sigma must be > 0, got -1.0"),
    ],
)
def test_a_table_that_describes_no_noise_is_refused(table: dict[str, object], text: str):
    with pytest.raises(ValueError, match=re.escape(text)):
        noise_from(table)

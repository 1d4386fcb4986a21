from __future__ import annotations

import re

import pytest

from noiseproof.procedures import PROCEDURES, Certify, Predict, procedure_from


def test_every_procedure_is_registered_under_its_own_name():
    assert {name: made.name for name, made in PROCEDURES.items()} == {name: name for name in PROCEDURES}


def test_a_table_needs_only_what_has_no_default():
    assert procedure_from({"name": "certify"}) == Certify()
    assert procedure_from({"name": "predict", "n": 500}) == Predict(n=500)


def test_a_table_is_not_changed():
    table = {"name": "predict", "n": 500}
    procedure_from(table)
    assert table == {"name": "predict", "n": 500}


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ({"name": "certfy"}, "unknown procedure 'certfy'; did you mean 'certify'?"),
        ({"n": 500}, "unknown procedure ''; known: anytime, certify, curve, decide, predict, sequential"),
        ({"name": "certify", "aplha": 0.1}, "unknown setting of the procedure certify 'aplha'; did you mean 'alpha'?"),
        ({"name": "predict", "n0": 10}, "unknown setting of the procedure predict 'n0'; did you mean 'n'?"),
        ({"name": "predict", "n": 1}, "n must be >= 11 to predict anything at alpha=0.001, got 1"),
    ],
)
def test_a_table_that_describes_no_procedure_is_refused(table: dict[str, object], text: str):
    with pytest.raises(ValueError, match=re.escape(text)):
        procedure_from(table)

from __future__ import annotations

import pytest

from noiseproof.reports.units import INPUT_UNITS, Units


def test_steps_of_a_pixel():
    steps = Units(255)
    assert (steps.number(1.0), steps.number(128 / 255), steps.value(0.5)) == ("255", "128", "127.5")
    assert steps.parse("0:128:64") == (0.0, 64 / 255, 128 / 255)
    assert ",".join(map(steps.number, steps.parse(steps.default_radii))) == "0,64,128,192,256,320,384"


def test_input_units():
    assert (INPUT_UNITS.number(0.25), INPUT_UNITS.value(0.12345)) == ("0.25", "0.123")
    assert INPUT_UNITS.parse("0:0.5:0.25") == (0.0, 0.25, 0.5)
    assert INPUT_UNITS.name == "input units: pixels in [0, 1]"


@pytest.mark.parametrize("per", [0, 2, 256, -255])
def test_other_units_are_refused(per):
    with pytest.raises(
        ValueError, match=rf"^units must be 1 \(pixels in \[0, 1\]\) or 255 \(8-bit steps\), got {per}$"
    ):
        Units(per)

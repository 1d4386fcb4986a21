from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from noiseproof.analysis import certified_share
from noiseproof.reports.page.chart import MOST_CORNERS, Chart, StepCurve, thinned, ticks

RADII = np.sort(np.random.default_rng(3).gamma(2, 0.2, 50_000))


def falling(radii: np.ndarray) -> StepCurve:
    xs = np.concatenate([[0.0], np.unique(radii)])
    return StepCurve("a", xs, certified_share(radii, xs), 0.01, 0.01)


def test_fifty_thousand_inputs_are_as_many_corners_as_a_screen_shows():
    line = falling(RADII)
    chart = Chart("c", "t", (line,), float(RADII[-1]), "x", "y", "radius", 255, "steps")
    few = thinned(line, chart.right)
    assert len(line.xs) > 10_000
    assert len(few.xs) <= MOST_CORNERS
    assert len(chart.svg()) + len(chart.data()) < 100_000
    # at each place where the slider stops, the value is that of the whole curve
    stops = np.arange(0, few.xs[-1], chart.step)
    read = few.ys[np.searchsorted(few.xs, stops - 1e-9)]
    assert read.tolist() == certified_share(RADII, stops).tolist()


def test_a_short_curve_is_left_as_it_is():
    line = falling(RADII[:100])
    assert thinned(line, 1.0) is line


def test_the_path_goes_through_the_corners_and_the_band_is_around_it():
    line = StepCurve("a", np.array([0.0, 0.5, 1.0]), np.array([1.0, 0.5, 0.0]), 0.25, 0.25)
    svg = Chart("c", "<t>", (line,), 1.0, "x", "y & z", "radius").svg()
    assert "&lt;t&gt;" in svg
    assert "y &amp; z" in svg
    curve = re.search(r'class="curve c0 d0" d="([^"]*)"', svg)
    assert curve is not None
    assert curve[1] == "M58.0 12.0V182.0H402.0V352.0H746.0"
    band = re.search(r'class="band c0 d0" d="([^"]*)"', svg)
    assert band is not None
    assert band[1] == "M58.0 12.0V97.0H402.0V267.0H746.0L746.0 352.0H402.0L402.0 267.0H58.0Z"


def test_curves_beyond_the_colours_are_dashed():
    line = falling(RADII[:9])
    assert [replace(line, number=i).style for i in (0, 6, 7, 14)] == ["c0 d0", "c6 d0", "c0 d1", "c0 d2"]


def test_the_numbers_cannot_end_the_script_they_stand_in():
    line = replace(falling(RADII[:9]), name="</script><script>")
    data = Chart("c", "t", (line,), 1.0, "x", "y", "radius").data()
    assert "<" not in data
    assert json.loads(data)["lines"][0]["name"] == "</script><script>"


@pytest.mark.parametrize("right", [0.0123, 0.4, 1.0, 1.4, 2.835, 723.0])
def test_ticks_are_round_and_few(right: float):
    found = ticks(right)
    assert 4 <= len(found) <= 10
    assert found[0] == 0.0
    assert found[-1] <= right * (1 + 1e-9)

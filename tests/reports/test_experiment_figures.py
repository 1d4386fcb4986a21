from __future__ import annotations

import numpy as np
import pytest

from noiseproof.analysis import PredictionTable, certified_accuracy, summarize
from noiseproof.reports.experiment_figures import (
    PlottedCurve,
    accuracy_curve,
    answers_of,
    bounds_of,
    curves_of,
    largest_radius,
    upper_envelope,
)
from noiseproof.reports.look import COLOURS
from noiseproof.reports.units import Units
from noiseproof.types import Certificate, Record


def records(radii, wrong=1):
    right = [Record("k", i, 3, (), Certificate(3, r, 0.9, 0.1), 0.1) for i, r in enumerate(radii)]
    return right + [Record("k", 9, 3, (), Certificate(4, 3.0, 0.9, 0.1), 0.1)] * wrong


def summary(*radii, wrong=1):
    return summarize(records(radii, wrong), alpha=0.001, radii=(0.0,))


def curve(radii, shares, label="c"):
    return PlottedCurve(label, np.array(radii), np.array(shares), "red")


def test_a_curve_falls_to_0_where_the_last_input_is():
    drawn = accuracy_curve(summary(0.25, 0.5, 0.5, 0.75), "mine", 1, "--")
    assert drawn.radii.tolist() == [0.0, 0.25, 0.5, 0.75, 0.75]
    assert drawn.shares.tolist() == [0.8, 0.8, 0.6, 0.2, 0.0]
    assert (drawn.label, drawn.colour, drawn.dashes) == ("mine", COLOURS[1], "--")
    assert accuracy_curve(summary(), "none", 0).shares.tolist() == [0.0, 0.0]


def test_the_largest_radius_is_that_of_a_right_input():
    assert largest_radius([summary(0.25, 0.5), summary(0.75)]) == 0.75
    assert largest_radius([summary()]) == 0.0


def test_the_envelope_is_the_largest_share_at_every_radius():
    rng = np.random.default_rng(0)
    runs = [records(rng.uniform(0, high, 30).tolist(), wrong) for high, wrong in ((1, 5), (2, 20))]
    envelope = upper_envelope(
        [accuracy_curve(summarize(run, alpha=0.001, radii=(0.0,)), "", i) for i, run in enumerate(runs)], "best"
    )
    at = rng.uniform(0, envelope.radii[-1], 300)
    drawn = envelope.shares[np.searchsorted(envelope.radii, at, side="left")]
    assert drawn.tolist() == np.max([certified_accuracy(run, at) for run in runs], axis=0).tolist()
    assert envelope.shares[-1] == 0.0


def test_curves_are_drawn_as_steps_in_the_units_asked_for():
    figure = curves_of([curve([0, 0.5, 1, 1], [0.9, 0.8, 0.5, 0])], norm="L2", title="t", note="n", units=Units(255))
    axes = figure.axes[0]
    (line,) = axes.lines
    assert line.get_drawstyle() == "steps-pre"
    assert line.get_xdata().tolist() == [0, 127.5, 255, 255]
    assert axes.get_xlim() == (0, pytest.approx(1.05 * 255))
    assert axes.get_xlabel() == "L2 radius (units of 1/255: one step of one 8-bit pixel)"
    assert (axes.get_title(), axes.get_ylabel()) == ("t", "certified accuracy")
    assert figure.legends[0].get_title().get_text() == "n"
    assert not axes.child_axes


@pytest.mark.parametrize(("share", "left"), [(0.9, True), (0.2, False)])
def test_the_magnified_part_lies_where_no_curve_is(share, left):
    shown = curve([0, 1, 2, 2], [0.95, share, share, 0])
    axes = curves_of([shown], norm="L2", title="", zoom=1).axes[0]
    (inset,) = axes.child_axes
    assert inset.get_ylim()[0] < share < inset.get_ylim()[1] < share + 0.2
    assert inset.get_xlim()[0] < 1 < inset.get_xlim()[1]
    box = inset.get_position() if inset.get_axes_locator() is None else inset.get_axes_locator()(inset, None)
    assert (box.x0 < 0.5) == left
    assert (box.y0 < 0.4) == left


def test_a_run_that_certifies_nothing_can_be_drawn():
    assert curves_of([accuracy_curve(summary(), "none", 0)], norm="L2", title="").axes[0].get_xlim() == (0, 1)


def test_bars_say_right_abstained_and_wrong():
    tables = {"n = 100": PredictionTable(20, 0.5, 0.15, 0.35), "n = 1,000": PredictionTable(20, 0.8, 0.2, 0.0)}
    figure = answers_of(tables, title="t")
    axes = figure.axes[0]
    bars = {c.get_label(): [round(bar.get_width(), 9) for bar in c] for c in axes.containers}
    assert bars == {"right": [0.5, 0.8], "abstained": [0.35, 0.0], "wrong": [0.15, 0.2]}
    assert [round(bar.get_x(), 9) for bar in axes.containers[2]] == [0.85, 0.8]  # one behind the other
    assert [text.get_text() for text in axes.texts] == ["50.0%", "80.0%", "35.0%", "15.0%", "20.0%"]
    assert axes.get_xlabel() == "share of 20 inputs"


def test_bounds_are_drawn_by_name():
    p_a = np.array([0.6, 0.9])
    axes = bounds_of(p_a, {"one": p_a * 2, "two": p_a}, title="t").axes[0]
    assert [line.get_label() for line in axes.lines] == ["one", "two"]
    assert axes.lines[0].get_ydata().tolist() == [1.2, 1.8]

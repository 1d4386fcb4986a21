from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from noiseproof.analysis import certified_accuracy, summarize
from noiseproof.asked.look import Look
from noiseproof.reports import accuracy_table, curves_figure, draw_curves
from noiseproof.reports.figures import step_curve
from noiseproof.reports.look import COLOURS
from noiseproof.types import Answer, Certificate, Record


def records(radii=(0.25, 0.5, 0.5, 0.75), wrong=1, norm="l2"):
    answers = (Answer("select", 100, (100,)), Answer("estimate", 1000, (1000,)))
    right = [Record("k", i, 3, answers, Certificate(3, r, 0.9, 0.1, norm), 0.1) for i, r in enumerate(radii)]
    return right + [Record("k", 9, 3, answers, Certificate(4, 3.0, 0.9, 0.1, norm), 0.1)] * wrong


def summary(name="gaussian", sigma=None, norm="l2", **changes):
    return summarize(records(norm=norm, **changes), alpha=0.001, radii=(0.0,), name=name, sigma=sigma)


def test_step_curve_has_a_corner_at_every_certified_input():
    radii, shares = step_curve(summary(), 1.0)
    assert radii.tolist() == [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    assert shares.tolist() == [0.8, 0.8, 0.6, 0.2, 0.0, 0.0]
    assert [a.tolist() for a in step_curve(summary(), 0.75)] == [[0, 0.25, 0.5, 0.75, 0.75], [0.8, 0.8, 0.6, 0.2, 0]]
    assert [a.tolist() for a in step_curve(summary(radii=(np.inf,)), 2.0)] == [[0, 2, 2], [0.5, 0.5, 0.5]]


def test_the_drawn_curve_is_the_certified_accuracy_everywhere():
    rng = np.random.default_rng(0)
    run = records(radii=rng.uniform(0, 2, 50).tolist(), wrong=20)
    one = summarize(run, alpha=0.001, radii=(0.0,))
    line = curves_figure([one]).axes[0].lines[0]
    assert line.get_drawstyle() == "steps-pre"
    radii, shares = line.get_data()
    at = rng.uniform(0, 2.05, 500)
    drawn = np.asarray(shares)[np.searchsorted(radii, at, side="left")]
    assert drawn.tolist() == certified_accuracy(run, at).tolist()


def test_each_run_has_its_curve_band_colour_and_legend():
    figure = curves_figure([summary("a", sigma=0.5), summary("b")])
    axes = figure.axes[0]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == [
        "a (ACR 0.400)",
        "b (ACR 0.400)",
        "DKW band, probability 0.95",
        "the most that n draws can certify",
    ]
    curves = [line for line in axes.lines if str(line.get_label()).endswith("(ACR 0.400)")]
    assert [line.get_color() for line in curves] == list(COLOURS[:2])
    for curve, band in zip(curves, axes.collections, strict=False):
        assert to_rgb(band.get_facecolor()[0][:3]) == to_rgb(curve.get_color())
    assert axes.get_xlabel() == "L2 radius (input units: pixels in [0, 1])"
    assert axes.get_ylabel() == "certified accuracy"
    assert axes.get_title() == "Certified accuracy of the smoothed classifier"
    assert curves_figure([summary()], Look(title="mine")).axes[0].get_title() == "mine"


def test_the_band_is_the_dkw_band_within_0_and_1():
    one = summary(wrong=0, radii=(0.1,) * 80 + (0.5,) * 20)
    band = curves_figure([one]).axes[0].collections[0].get_paths()[0]
    assert band.contains_points([(0.05, 0.95), (0.3, 0.2), (0.52, 0.05)]).all()
    assert not band.contains_points([(0.05, 0.2), (0.3, 0.95), (0.52, 0.2)]).any()
    heights = band.vertices[:, 1]
    assert one.band == pytest.approx(0.1358, abs=1e-4)
    assert set(np.round(heights, 9)) == set(np.round([1 - one.band, 1, 0.2 - one.band, 0.2 + one.band, 0, one.band], 9))


def test_a_curve_ends_at_the_largest_radius_that_n_draws_certify():
    one, two = summary("a", sigma=0.5), summary("b", sigma=1.0)
    axes = curves_figure([one, two]).axes[0]
    dotted = [line for line in axes.lines if line.get_linestyle() == ":" and len(line.get_xdata())]
    assert [line.get_xdata()[0] for line in dotted] == [one.ceiling, two.ceiling]
    assert max(axes.lines[0].get_xdata()) == one.ceiling
    assert axes.get_xlim() == (0, pytest.approx(1.05 * two.ceiling))
    assert "the most" not in str([text.get_text() for text in curves_figure([summary()]).legends[0].get_texts()])


def test_an_imported_radius_above_the_ceiling_is_still_drawn():
    one = summary(radii=(5.0,), sigma=0.5)
    assert one.ceiling < 5
    assert max(curves_figure([one]).axes[0].lines[0].get_xdata()) == 5.0


def test_a_run_that_certifies_nothing_can_be_drawn():
    assert curves_figure([summary(radii=(), wrong=3)]).axes[0].get_xlim() == (0, 1)


def test_an_infinite_radius_does_not_stretch_the_axis():
    assert curves_figure([summary(radii=(0.5, np.inf))]).axes[0].get_xlim() == (0, pytest.approx(0.525))


def test_of_many_runs_the_legend_says_how_wide_the_bands_are():
    def drawn(runs):
        figure = curves_figure([summary(str(i)) for i in range(runs)])
        return len(figure.axes[0].collections), [text.get_text() for text in figure.legends[0].get_texts()]

    assert drawn(4)[0] == 5  # and one for the legend
    bands, labels = drawn(5)
    assert bands == 0
    shown = re.search(r"±([\d.]+) points, not drawn", labels[-1])
    table = accuracy_table([summary()]).rows[0]
    assert f"±{shown[1]}" in table, "figure and table round alike"
    assert float(shown[1]) >= 100 * summary().band


def test_more_runs_than_colours_differ_by_their_dashes():
    lines = curves_figure([summary(str(i)) for i in range(len(COLOURS) + 1)]).axes[0].lines
    assert lines[0].get_color() == lines[len(COLOURS)].get_color()
    assert lines[0].get_linestyle() != lines[len(COLOURS)].get_linestyle()


@pytest.mark.parametrize(("name", "magic"), [("c.png", b"\x89PNG"), ("c.pdf", b"%PDF"), ("c.SVG", b"<?xml")])
def test_the_same_runs_give_the_same_bytes(tmp_path, name, magic, monkeypatch):
    first = draw_curves([summary()], tmp_path / name)
    assert first == tmp_path / name
    written = first.read_bytes()
    assert written.startswith(magic)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")  # a date in the file would now be another one
    assert draw_curves([summary()], str(tmp_path / name)).read_bytes() == written


def test_drawing_needs_no_display_and_leaves_pyplot_alone(tmp_path):
    program = (
        "import sys, noiseproof.reports; assert 'matplotlib' not in sys.modules;"
        "from noiseproof.analysis import summarize; from noiseproof.types import Certificate, Record;"
        "run = [Record('k', 0, 1, (), Certificate(1, 0.5, 0.9, 0.1), 0.1)];"
        f"noiseproof.reports.draw_curves([summarize(run, alpha=0.001, radii=[0])], {str(tmp_path / 'c.png')!r});"
        "assert 'matplotlib.pyplot' not in sys.modules; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    assert (tmp_path / "c.png").exists()


def test_what_cannot_be_drawn_is_refused(tmp_path):
    message = "path must end in .png, .pdf, .svg, got 'curve.jpg'"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        draw_curves([summary()], tmp_path / "curve.jpg")
    with pytest.raises(ValueError, match=r"^summaries must not be empty: name at least one run"):
        draw_curves([], tmp_path / "c.png")
    with pytest.raises(ValueError, match=r"^runs of one figure must have the same norm, got l1, l2$"):
        curves_figure([summary(), summary(norm="l1")])

"""Whoever reads a figure can: no text is cut off, colours and marks tell curves apart, letters stay letters."""

from __future__ import annotations

import itertools
import re
import zlib

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.text import Text

from noiseproof.analysis import decision_table, summarize
from noiseproof.analysis.sandwich import Sandwich
from noiseproof.asked.look import Look
from noiseproof.reports.attack import attack_figure
from noiseproof.reports.baselines_figure import Row, baselines_figure
from noiseproof.reports.experiment_figures import PlottedCurve, accuracy_curve, answers_of, curves_of
from noiseproof.reports.falsify import sandwich_figure
from noiseproof.reports.figures import curves_figure, save_figure
from noiseproof.reports.formula_experiments import bounds_findings, ceiling_findings, tightness_findings
from noiseproof.reports.look import COLOURS
from noiseproof.store.attacks import Attacked
from noiseproof.types import Answer, Certificate, Decision, Record

LOOKS = [Look(), Look(style="neurips"), Look(style="icml"), Look(style="ieee", title="A title of one's own " * 4)]
SCREEN = {"baselines": 7.6, "attack": 5.2, "tightness": 5.6}
"""Inches of those figures that are not as wide as the others."""
LONG = "smoothing, a network with quite a long name, trained at sigma 0.25, number {}"


ATTACKED = tuple(
    Attacked(f"k{i}", i, 3, 3, 0.25, at, 0.25 * at, 77, 10, (0, 4, 0, 6), 1 if i < at else 3, 0.5, 1.0)
    for at in (1.0, 1.5, 2.0)
    for i in range(1, 9)
)


def summary(name, reach=1.0, right=15, sigma=0.5):
    answers = (Answer("select", 100, (100,)), Answer("estimate", 1000, (1000,)))
    radii = np.linspace(0.05, reach, right).tolist() + [2.0] * (20 - right)
    made = [
        Record("k", i, 3, answers, Certificate(3 if i < right else 1, r, 0.9, 0.1), 0.1) for i, r in enumerate(radii)
    ]
    return summarize(made, alpha=0.001, radii=(0.0,), name=name, sigma=sigma)


def drawn(look, name=LONG.format, curves=9):
    """Every kind of figure."""
    summaries = [summary(name(i), reach=0.3 + 0.1 * i) for i in range(curves)]
    decided = [Record("k", i, 0, (Answer("decide", 9, (9,)),), Decision("certified", i % 2, 0.5), 0.1) for i in (0, 1)]
    rows = [
        Row(f"{kind}, {name(i)}", np.linspace(-0.1, 1 + 0.2 * i, 20), 1.0, 1.0, 0.0, family=family)
        for family, kind in enumerate(("smoothing", "Li et al. 2019", "Wong et al. 2018"))
        for i in range(5)
    ]
    return {
        "report": curves_figure(summaries, look),
        "few": curves_figure(summaries[:3], look),
        "experiment": curves_of(
            [accuracy_curve(each, each.name, i) for i, each in enumerate(summaries)],
            norm="L2", title="Certified accuracy for varying sigma", note="What the reader must know of it. " * 4,
            zoom=2, look=look,
        ),
        "guarantee": curves_of(
            [accuracy_curve(each, each.name, i) for i, each in enumerate(summaries[:3])],
            norm="L2", title="t", y="robust accuracy of these inputs", zoom=1, look=look,
        ),
        "answers": answers_of({name(i): decision_table(decided, alpha=0.001) for i in (1, 2)}, title="t", look=look),
        "baselines": baselines_figure(rows, 20, look),
        "attack": attack_figure(ATTACKED, look, data="imagenet:val"),
        "sandwich": sandwich_figure(Sandwich(np.array([0.5, -np.inf]), np.array([0.6, np.inf])), look),
        "bounds": bounds_findings(look).figure,
        "ceiling": ceiling_findings(look).figure,
        "tightness": tightness_findings(look).figure,
    }  # fmt: skip


def texts_of(figure):
    """What is written in a figure, and the box that each text takes."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    for text in figure.findobj(Text):
        box = text.get_window_extent(renderer)
        if text.get_text() and text.get_visible() and box.width > 0 and _shown(text, figure):
            yield text.get_text(), box


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.style)
def test_no_text_is_cut_off(look):
    for kind, figure in drawn(look).items():
        page = figure.bbox.padded(1)
        for text, box in texts_of(figure):
            inside = page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1
            assert inside, f"{kind}: {text!r} is cut off"


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.style)
def test_no_text_lies_on_another(look):
    for kind, figure in drawn(look).items():
        for (a, box), (b, other) in itertools.combinations(texts_of(figure), 2):
            # boxes of rotated letters are a little larger than the letters
            assert not box.padded(-2).overlaps(other.padded(-2)), f"{kind}: {a!r} lies on {b!r}"


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.style)
def test_a_label_is_no_longer_than_its_axis(look):
    for kind, figure in drawn(look, "run {}".format).items():
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw(renderer)
        for axes in figure.axes:
            box = axes.yaxis.label.get_window_extent(renderer)
            assert box.height <= 1.02 * axes.bbox.height, f"{kind}: {axes.get_ylabel()!r}"


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.style)
def test_what_is_magnified_stands_inside_its_axes(look):
    steep = [accuracy_curve(summary(f"{i}", 0.2 + 0.1 * i, 10), f"{i}", i) for i in range(3)]
    radii, shares = np.array([0, 0.4, 0.8, 1, 1]), np.array([0.9, 0.87, 0.82, 0.8, 0])
    flat = [PlottedCurve(f"{i}", radii, shares - 0.02 * i * (shares > 0), COLOURS[i]) for i in range(3)]
    places = set()
    for curves in (steep, flat):
        figure = curves_of(curves, norm="L2", title="t", zoom=1, look=look)
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw(renderer)
        (axes,), (inset,) = figure.axes, figure.axes[0].child_axes
        box = inset.get_tightbbox(renderer)
        assert axes.bbox.x0 < box.x0, "its labels lie on the axis"
        assert axes.bbox.y0 < box.y0, "its labels lie on the axis"
        assert box.x1 < figure.bbox.x1
        places.add(inset.bbox.y0 > axes.bbox.y0 + axes.bbox.height / 2)
    assert places == {True, False}


@pytest.mark.parametrize("name", [LONG.format, "run {}".format], ids=["long", "short"])
@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.style)
def test_a_legend_of_a_panel_covers_none_of_its_curves(look, name):
    figure = drawn(look, name)["baselines"]
    figure.draw(FigureCanvasAgg(figure).get_renderer())
    panels = [axes for axes in figure.axes if axes.get_legend() is not None]
    assert len(panels) == 3
    for axes in panels:
        box = axes.get_legend().get_window_extent()
        for line in axes.lines:
            if line.get_label()[0] != "_":
                corners = axes.transData.transform(np.column_stack(line.get_data()))
                assert not any(box.contains(*corner) for corner in corners)


def _shown(text, figure):
    """Ticks beyond the limits of their axes are there and never drawn."""
    for axes in [*figure.axes, *(child for each in figure.axes for child in each.child_axes)]:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in axis.get_major_ticks():
                if text in (tick.label1, tick.label2):
                    return text.get_visible() and low <= tick.get_loc() <= high
    return True


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.style)
def test_the_axes_keep_most_of_the_figure_and_the_width_is_that_of_the_venue(look):
    wide = {"screen": 6.4, "neurips": 5.5, "icml": 3.25, "ieee": 3.5}[look.style]
    for kind, figure in drawn(look, "run {}".format, 5).items():
        figure.draw(FigureCanvasAgg(figure).get_renderer())
        assert figure.get_figwidth() == (SCREEN.get(kind, wide) if look.style == "screen" else wide)
        assert sum(axes.get_position().height for axes in figure.axes[::2]) > 1 / 3, kind
        assert figure.get_figheight() < 9, f"{kind} is higher than a page"
        sizes = [text.get_fontsize() for text in figure.findobj(Text) if text.get_text()]
        assert min(sizes) >= 5.5


def test_a_venue_has_its_caption_in_the_text():
    figures = drawn(Look(style="icml"), "run {}".format, 2)
    assert [figure.axes[0].get_title() for kind, figure in figures.items() if kind != "baselines"] == [""] * 10
    assert curves_figure([summary("a")], Look(style="icml", title="mine")).axes[0].get_title() == "mine"
    assert curves_figure([summary("a")], Look(title="")).axes[0].get_title() == ""


def test_the_legend_has_the_order_of_the_curves():
    low, high, middle = summary("low", 0.3), summary("high", 0.9), summary("middle", 0.6)
    figure = curves_figure([low, high, middle])
    assert [text.get_text().split()[0] for text in figure.legends[0].get_texts()[:3]] == ["high", "middle", "low"]
    curves = [accuracy_curve(each, each.name, i) for i, each in enumerate((low, high, middle))]
    figure = curves_of(curves, norm="L2", title="t")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["high", "middle", "low"]
    axes = baselines_figure(
        [Row(f"smoothing, {n}", np.array([r]), 1.0, None, 0.0) for n, r in (("low", 0.1), ("high", 0.9))], 1
    ).axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["high", "low"]


def test_nine_curves_have_nine_colours_dashes_and_marks():
    many = curves_figure([summary(f"{i}") for i in range(9)]).axes[0].lines
    lines = [line for line in many if line.get_label()[0] != "_"]
    assert len({line.get_color() for line in lines}) == 9
    assert len({(str(line.get_linestyle()), line.get_marker(), line._dash_pattern[0]) for line in lines}) == 9
    assert len({line.get_marker() for line in lines}) == 9
    few = curves_figure([summary(f"{i}") for i in range(4)]).axes[0].lines
    assert len({str(line._unscaled_dash_pattern) for line in few if line.get_label()[0] != "_"}) == 4


VISION = {
    "all": np.eye(3),
    "no green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "no red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
"""What eyes see of linear RGB: Machado, Oliveira, Fernandes 2009, severity 1."""


@pytest.mark.parametrize("eyes", VISION)
def test_colours_stay_apart_for_every_eye(eyes):
    def lab(name):
        srgb = np.array(to_rgb(name))
        linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
        seen = np.clip(np.array(VISION[eyes]) @ linear, 0, 1)
        to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
        x, y, z = np.cbrt(np.array(to_xyz) @ seen / np.array([0.9505, 1, 1.089]) + 1e-6)
        return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])

    assert len(COLOURS) >= 9
    distances = [np.linalg.norm(lab(a) - lab(b)) for a, b in itertools.combinations(COLOURS, 2)]
    assert min(distances) > 14  # 2.3 is just noticeable


def test_letters_of_a_pdf_are_letters(tmp_path):
    page = save_figure(curves_figure([summary("a")]), tmp_path / "c.pdf").read_bytes()
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", page, re.DOTALL)
    everything = page + b"".join(zlib.decompress(part) for part in streams if part[:1] == b"x")
    assert b"/Type3" not in everything
    assert b"/CIDFontType2" in everything  # Type 42 inside
    assert b"/FontFile2" in everything  # embedded


def test_a_png_has_200_dots_an_inch(tmp_path):
    from PIL import Image

    for kind, figure in drawn(Look(), "run {}".format, 3).items():
        with Image.open(save_figure(figure, tmp_path / f"{kind}.png")) as picture:
            assert [round(each) for each in picture.info["dpi"]] == [200, 200]


def test_the_shares_shown_are_those_asked_for():
    for kind, figure in drawn(Look(ylim="0.5,0.9"), "run {}".format, 3).items():
        assert kind in ("answers", "bounds", "ceiling") or figure.axes[0].get_ylim() == (
            0.5,
            0.9,
        )  # which have no shares there
    assert curves_figure([summary("a")], Look(ylim=(0.2, 1))).axes[0].get_ylim() == (0.2, 1)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"ylim": "0.5"}, "ylim must be LOW,HIGH such as 0.5,1, got '0.5'"),
        ({"ylim": "a,b"}, "ylim must be LOW,HIGH such as 0.5,1, got 'a,b'"),
        ({"ylim": "1,0"}, "ylim must be two shares, 0 <= LOW < HIGH <= 1, got '1,0'"),
        ({"ylim": "0,nan"}, "ylim must be two shares, 0 <= LOW < HIGH <= 1, got '0,nan'"),
        ({"width": 0.1}, "width must be in inches, from 1 to 40, got 0.1"),
        ({"width": float("nan")}, "width must be in inches, from 1 to 40, got nan"),
        ({"style": "icm"}, "unknown style 'icm'; did you mean 'icml'?"),
    ],
)
def test_a_look_that_is_none_is_refused(settings, text):
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        Look(**settings)

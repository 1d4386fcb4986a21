"""``report --title --ylim --width --style``: what a figure is to look like reaches it; what cannot be is refused."""

from __future__ import annotations

import re

import pytest

from noiseproof.cli.main import run


def svg(make_run, tmp_path, *flags):
    assert run(["report", str(make_run("c", (0.99, 0.9))), "--plot", str(tmp_path / "c.svg"), *flags]) == 0
    return (tmp_path / "c.svg").read_text()


def inches(text):
    return float(re.search(r'<svg[^>]* width="([\d.]+)pt"', text)[1]) / 72


def test_the_figure_is_as_it_was_asked_for(make_run, tmp_path):
    text = svg(make_run, tmp_path, "--title", "Mine alone", "--ylim", "0.5,0.6", "--width", "4")
    assert "Mine alone" in text
    assert inches(text) == pytest.approx(4)
    assert "<!-- 0.52 -->" in text


def test_a_venue_has_its_width_and_no_title(make_run, tmp_path):
    text = svg(make_run, tmp_path, "--style", "icml")
    assert inches(text) == pytest.approx(3.25)
    assert "Certified accuracy of" not in text


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (["--ylim", "1,0"], "ylim must be two shares, 0 <= LOW < HIGH <= 1, got '1,0'"),
        (["--width", "90"], "width must be in inches, from 1 to 40, got 90"),
        (["--style", "icmll"], "did you mean 'icml'?"),
    ],
)
def test_what_cannot_be_is_refused(make_run, tmp_path, capsys, flags, text):
    assert run(["report", str(make_run("c", (0.99,))), "--plot", str(tmp_path / "c.svg"), *flags]) == 2
    assert text in capsys.readouterr().err
    assert not (tmp_path / "c.svg").exists()

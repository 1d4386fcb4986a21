from __future__ import annotations

import numpy as np
import pytest

from noiseproof.reports import tightness
from noiseproof.reports.tightness import draw_tightness, worst_case_probability


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were saved."""
    figures = []
    save = tightness.save_figure
    monkeypatch.setattr(tightness, "save_figure", lambda figure, path: figures.append(figure) or save(figure, path))
    return figures


def test_every_curve_crosses_one_half_at_the_radius(tmp_path, drawn):
    path = draw_tightness(tmp_path / "t.png", p_lowers=(0.7, 0.99))
    assert path.read_bytes().startswith(b"\x89PNG")
    axes = drawn[0].axes[0]
    curves = [line for line in axes.lines if str(line.get_label()).startswith("$p_A$")]
    assert [line.get_label() for line in curves] == ["$p_A$ = 0.99", "$p_A$ = 0.7"]
    for line, p_a in zip(curves, (0.99, 0.7), strict=True):
        size, p = (np.asarray(values) for values in line.get_data())
        assert (size[0], size[-1]) == (0, 2)
        assert p.tolist() == worst_case_probability(p_a, size).tolist()
        assert p[0] == pytest.approx(p_a)
        assert p[size == 1].tolist() == [0.5]
        assert (p[size < 1] > 0.5).all()
        assert (p[size > 1] < 0.5).all()
    (mark,) = (line for line in axes.lines if line.get_marker() == "o")
    assert [list(values) for values in mark.get_data()] == [[1], [0.5]]
    assert axes.get_xlabel() == "size of the perturbation, in units of the certified radius R (L2)"


def test_the_same_figure_gives_the_same_bytes(tmp_path):
    assert draw_tightness(tmp_path / "a.png").read_bytes() == draw_tightness(tmp_path / "b.png").read_bytes()


def test_what_cannot_be_drawn(tmp_path):
    with pytest.raises(ValueError, match=r"path must end in \.png, .* got 't.gif'"):
        draw_tightness(tmp_path / "t.gif")
    with pytest.raises(ValueError, match="p_lowers must be at least one, got none"):
        draw_tightness(tmp_path / "t.png", p_lowers=())
    with pytest.raises(ValueError, match=r"p_a must be in \(0.5, 1\), got 1.0"):
        draw_tightness(tmp_path / "t.png", p_lowers=(0.6, 1.0))
    assert not list(tmp_path.iterdir())

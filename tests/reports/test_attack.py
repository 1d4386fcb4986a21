from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from noiseproof.reports import attack
from noiseproof.reports.attack import attack_table, broken_shares, contradiction_text, draw_attack
from noiseproof.store.attacks import Attacked, Judgement
from noiseproof.types import ABSTAIN


def point(index: int, multiple: float, prediction: int) -> Attacked:
    votes = (0, 4, 0, 6)
    return Attacked(f"k{index}", index, 3, 3, 0.25, multiple, 0.25 * multiple, 77, 10, votes, prediction, 0.5, 1.0)


@pytest.fixture
def points() -> list[Attacked]:
    """40 inputs at R (one abstains), 10 at 1.5 R of which 2 break and 3 abstain."""
    at_r = [point(i, 1.0, ABSTAIN if i == 0 else 3) for i in range(40)]
    return [*(point(i, 1.5, [1, 2, ABSTAIN, ABSTAIN, ABSTAIN][i] if i < 5 else 3) for i in range(10)), *at_r]


def test_abstaining_and_staying_are_not_breaking():
    assert [point(0, 1.5, said).broken for said in (ABSTAIN, 3, 2)] == [False, False, True]
    assert [point(0, at, 2).contradicts for at in (0.5, 1.0, 1.0000001)] == [True, True, False]
    assert not point(0, 1.0, ABSTAIN).contradicts
    assert replace(point(0, 2.0, 2), distance=0.2).contradicts, "it is the distance that counts, not what was allowed"
    assert not replace(point(0, 1.0, 2), radius=0.0).contradicts, "nothing is certified"
    for said, wrong in ((2, True), (ABSTAIN, False), (3, False)):
        twice = replace(point(0, 1.0, 2), again=Judgement(1, 100, (1, 2), said, 0.5))
        assert (twice.broken, twice.contradicts) == (wrong, wrong)


def test_shares_and_their_exact_intervals(points):
    first, second = broken_shares(points)
    assert (first.multiple, first.attacked, first.broken, first.abstained) == (1.0, 40, 0, 1)
    assert first.lower == 0
    assert first.upper == pytest.approx(1 - 0.025 ** (1 / 40), rel=1e-6)
    assert (second.multiple, second.attacked, second.broken, second.abstained) == (1.5, 10, 2, 3)
    # Clopper & Pearson for 2 of 10
    assert (second.share, second.lower, second.upper) == pytest.approx((0.2, 0.0252107, 0.5560955), abs=1e-6)


def test_the_table_stands_beside_the_published_shares(points):
    table = attack_table([*points, point(0, 2.0, 1)], n=1000, alpha=0.001, data="imagenet:val")
    assert table.rows == (
        ("1 R", "40", "0", "1", "0.0%", "0.0% to 8.8%", "-"),
        ("1.5 R", "10", "2", "3", "20.0%", "2.5% to 55.6%", "17%"),
        ("2 R", "1", "1", "0", "100.0%", "2.5% to 100.0%", "53%"),
    )
    said = " ".join(table.caption)
    assert "PREDICT, n = 1000, alpha = 0.001" in said
    assert "ImageNet inputs at sigma 0.25: another model and n." in said
    elsewhere = attack_table(points, n=1000, alpha=0.001, data="mnist:test")
    assert elsewhere.header == table.header[:-1]
    assert len(elsewhere.rows[0]) == 6
    assert "Cohen" not in " ".join(elsewhere.caption)


def test_a_contradiction_is_loud_and_says_where(points):
    assert contradiction_text(points, certificate_alpha=0.001, judge_alpha=0.001) == ""
    wrong = [*points, point(50, 1.0, 1), point(50, 0.5, 3)]
    said = contradiction_text(wrong, certificate_alpha=0.001, judge_alpha=0.01).splitlines()
    assert said[0] == "CONTRADICTION: 1 of 42 points within a certified radius are of another class."
    assert said[1] == (
        "  input 50: certified 3 within 0.250000, but 1 at distance 0.25 (pgd, 1 R allowed, p = 5.0e-01, "
        "votes [0, 4, 0, 6], judging seed 77)"
    )
    # 41 certificates, 42 points each judged twice before it counts: 41 * .001 + 42 * .01^2
    assert said[2].startswith("Chance explains 0.045 on average at most")
    again = replace(wrong[-2], again=Judgement(78, 100, (0, 90, 0, 10), 1, 1e-9))
    told = contradiction_text([again], certificate_alpha=0.001, judge_alpha=0.01)
    assert "judging seed 77; again [0, 90, 0, 10], seed 78)" in told
    taken_back = replace(again, again=Judgement(78, 100, (0, 10, 0, 90), 3, 1e-9))
    assert contradiction_text([taken_back], certificate_alpha=0.001, judge_alpha=0.01) == ""


def test_the_figure_shows_each_share_with_its_interval(points, tmp_path, monkeypatch):
    figures = []
    save = attack.save_figure
    monkeypatch.setattr(attack, "save_figure", lambda figure, path: figures.append(figure) or save(figure, path))
    path = draw_attack(points, tmp_path / "a.png", data="foolbox-imagenet:val")
    assert path.read_bytes().startswith(b"\x89PNG")
    axes = figures[0].axes[0]
    (container,) = axes.containers
    marks, _, (bars,) = container.lines
    assert [list(values) for values in marks.get_data()] == [[1.0, 1.5], [0.0, 0.2]]
    ends = np.array([[x, y] for segment in bars.get_segments() for x, y in segment])
    np.testing.assert_allclose(ends, [[1, 0], [1, 0.0880973], [1.5, 0.0252107], [1.5, 0.5560955]], atol=1e-6)
    published = next(line for line in axes.lines if line.get_marker() == "x")
    assert [list(values) for values in published.get_data()] == [[1.5, 2.0], [0.17, 0.53]]
    labels = [text.get_text() for text in figures[0].legends[0].get_texts()]
    assert "this attack (40 inputs, 95% interval)" in labels
    assert axes.get_xlim()[1] >= 2
    draw_attack(points, path, data="mnist:test")  # of which the published shares say nothing
    assert "x" not in [line.get_marker() for line in figures[1].axes[0].lines]
    assert not [text for text in figures[1].legends[0].get_texts() if "Cohen" in text.get_text()]


def test_nothing_attacked_is_no_table_and_no_figure(tmp_path):
    with pytest.raises(ValueError, match="points must be at least one, got none"):
        attack_table([], n=1000, alpha=0.001, data="")
    with pytest.raises(ValueError, match="points must be at least one, got none"):
        draw_attack([], tmp_path / "a.png", data="")
    with pytest.raises(ValueError, match=r"path must end in \.png"):
        draw_attack([point(0, 1.0, 3)], tmp_path / "a.gif", data="")

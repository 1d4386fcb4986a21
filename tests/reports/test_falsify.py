from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from noiseproof.analysis.sandwich import Sandwich
from noiseproof.reports import falsify
from noiseproof.reports.falsify import (
    attack_rows,
    contradiction_record,
    distance_table,
    draw_sandwich,
    sandwich_radii,
    sandwich_table,
)
from noiseproof.store.attacks import Attacked, Judgement
from noiseproof.types import ABSTAIN, Answer, Certificate, Record

INF = float("inf")
FOUND = Sandwich(np.array([0.5, 0.25, -INF, -INF]), np.array([0.8, INF, -INF, 0.1]))


def point(index: int, attack: str, distance: float, prediction: int, radius: float = 0.25) -> Attacked:
    votes = (0, 4, 0, 6)
    return Attacked(f"k{index}", index, 3, 3, radius, 2.0, distance, 77, 10, votes, prediction, 0.5, 2.0, attack=attack)


@pytest.fixture
def points() -> list[Attacked]:
    """Four certified inputs (broken at 1.2 R and 2 R; not; by an abstention only) and one that is not certified."""
    return [
        point(0, "ddn", 0.5, 1),
        point(0, "pgd", 0.3, 1),
        point(1, "ddn", 0.5, 2),
        point(2, "pgd", 0.5, 3),
        point(3, "pgd", 0.5, ABSTAIN),
        point(4, "ddn", 0.01, 1, radius=0.0),
    ]


def test_an_input_is_broken_from_its_nearest_break_on(points):
    table = distance_table(points, (0.5, 1.0, 1.2, 1.5, 2.0), n=1000, alpha=0.001)
    assert [row[:4] for row in table.rows] == [
        ("0.5 R", "4", "0", "0.0%"),
        ("1 R", "4", "0", "0.0%"),
        ("1.2 R", "4", "1", "25.0%"),
        ("1.5 R", "4", "1", "25.0%"),
        ("2 R", "4", "2", "50.0%"),
    ]
    assert table.rows[-1][4] == "6.8% to 93.2%"  # Clopper & Pearson for 2 of 4
    assert "n = 1000, alpha = 0.001" in table.caption[0]
    with pytest.raises(ValueError, match="points must be about one certified input at least"):
        distance_table(points[-1:], (1.0,), n=10, alpha=0.1)


@pytest.mark.parametrize("radius", [0.1, 0.7, 1 / 3, 0.29999999999999999])
def test_a_break_at_r_exactly_is_one_within_r(radius):
    for distance, broken in ((radius, "1"), (np.nextafter(radius, 0), "1"), (radius * 1.001, "0")):
        table = distance_table([point(0, "pgd", distance, 1, radius)], (1.0,), n=10, alpha=0.1)
        assert table.rows[0][2] == broken


def test_each_attack_and_what_it_added(points):
    assert attack_rows([*points, point(5, "pgd", 0.2, 1)]).rows == (
        ("ddn", "3", "3", "0", "2.00 R", "2.00"),
        ("pgd", "4", "2", "1", "1.00 R", "2.00"),
    )


def test_the_sandwich_as_a_table():
    assert sandwich_radii(FOUND, 0.5) == (0.0, 0.25, 0.5, 0.75, 1.0)
    assert sandwich_table(FOUND, (0.0, 0.25, 0.5, 0.8)).rows == (
        ("0", "50.0%", "75.0%", "25.0%"),
        ("0.25", "50.0%", "50.0%", "0.0%"),
        ("0.5", "25.0%", "50.0%", "25.0%"),
        ("0.8", "0.0%", "25.0%", "25.0%"),
    )
    assert len(sandwich_radii(Sandwich(np.array([50.0]), np.array([INF])), 0.25)) <= 13


def test_the_figure_has_both_curves_with_their_steps(tmp_path, monkeypatch):
    figures = []
    save = falsify.save_figure
    monkeypatch.setattr(falsify, "save_figure", lambda figure, path: figures.append(figure) or save(figure, path))
    assert draw_sandwich(FOUND, tmp_path / "s.pdf").read_bytes().startswith(b"%PDF")
    assert draw_sandwich(FOUND, tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")
    upper, lower = figures[0].axes[0].lines
    for line, wanted in (
        (lower, [(0.0, 0.5), (0.25, 0.5), (0.26, 0.25), (0.5, 0.25), (0.51, 0), (0.83, 0)]),
        (upper, [(0.0, 0.75), (0.0999, 0.75), (0.1, 0.5), (0.7999, 0.5), (0.8, 0.25), (0.83, 0.25)]),
    ):
        x, y = line.get_data()
        assert np.interp([at for at, _ in wanted], x, y).tolist() == pytest.approx([share for _, share in wanted])
    labels = [text.get_text() for text in figures[0].legends[0].get_texts()]
    assert labels == ["the truth lies here", "empirical: no attack broke it", "certified"]
    draw_sandwich(Sandwich(np.array([0.5]), np.array([0.25])), tmp_path / "wrong.png")
    assert "contradiction" in [text.get_text() for text in figures[-1].legends[0].get_texts()]
    with pytest.raises(ValueError, match=r"path must end in \.png"):
        draw_sandwich(FOUND, tmp_path / "s.gif")


def test_a_contradiction_for_the_record_says_everything():
    record = Record("k0", 0, 3, (Answer("select", 5, (0, 0, 0, 5)),), Certificate(3, 0.25, 0.9, 0.1), 1.0)
    found = replace(point(0, "pgd", 0.2, 1), again=Judgement(78, 100, (0, 90, 0, 10), 1, 1e-9), arithmetic="exact")
    clean = np.zeros((1, 2, 2))
    moved = clean.copy()
    moved[0, 0, 1] = 0.2
    said = contradiction_record(found, record, clean, moved)
    assert json.loads(json.dumps(said)) == {
        "input": {"key": "k0", "index": 0, "label": 3},
        "certified": {
            "outcome": {"class": 3, "radius": 0.25},
            "counts": [{"stage": "select", "n": 5, "votes": [0, 0, 0, 5]}],
        },
        "found": {
            "attack": "pgd",
            "class": 1,
            "distance": 0.2,
            "judged with": "exact",
            "counts": {"n": 10, "votes": [0, 4, 0, 6], "seed": 77, "p_value": 0.5},
            "again": {"seed": 78, "n": 100, "votes": [0, 90, 0, 10], "prediction": 1, "p_value": 1e-9},
        },
        "perturbation": {"l2": 0.2, "linf": 0.2, "coordinates": 1},
    }

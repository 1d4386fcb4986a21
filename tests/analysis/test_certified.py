from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noiseproof.analysis import (
    abstention,
    average_certified_radius,
    certified_accuracy,
    median_radius,
    natural_accuracy,
    right_radii,
    right_share,
)
from noiseproof.types import ABSTAIN, Certificate, Prediction, Record


def record(label, prediction, radius=0.0, norm="l2", index=0):
    return Record("key", index, label, (), Certificate(prediction, radius, 0.9, 0.1, norm), 1.0)


RUN = [
    record(3, 3, 0.5),  # right
    record(3, 3, 0.25),  # right
    record(1, 3, 2.0),  # wrong, with the largest radius of all
    record(0, ABSTAIN, 0.0),  # abstained, where 0 would be the right class
    record(0, 0, 1.0),  # right
]

outcomes = st.lists(st.tuples(st.integers(0, 2), st.integers(-1, 2), st.floats(0, 4)), min_size=1, max_size=30)


def test_certified_accuracy_is_over_all_inputs_and_closed_at_the_radius():
    shares = certified_accuracy(RUN, [0, 0.25, 0.2500001, 0.5, 1.0, 1.5])
    assert shares.tolist() == [0.6, 0.6, 0.4, 0.4, 0.2, 0.0]


def test_acr_and_median_count_wrong_and_abstained_as_zero():
    assert average_certified_radius(RUN) == pytest.approx((0.5 + 0.25 + 1.0) / 5)
    assert median_radius(RUN) == 0.25
    assert median_radius(RUN[:4]) == 0.125


def test_shares_at_no_radius():
    assert right_share(RUN) == 0.6
    assert abstention(RUN) == 0.2
    assert right_radii(RUN).tolist() == [0.5, 0.25, -1.0, -1.0, 1.0]


def test_natural_accuracy_is_that_of_the_base_classifier_and_only_where_all_of_it_was_recorded():
    clean = [replace(each, clean=said) for each, said in zip(RUN, (3, 0, 1, ABSTAIN, 0), strict=True)]
    assert natural_accuracy(clean) == 3 / 5  # wrongly certified, but right without noise
    unread = replace(RUN[0], skipped="cut off")
    assert natural_accuracy([*clean, unread]) == 3 / 6
    assert natural_accuracy([*clean, RUN[0]]) is None


def test_abstention_and_the_right_share_accept_predictions_and_abstention_needs_no_label():
    run = [Record("k", 0, 1, (), Prediction(1, 1e-9), 0.1), Record("k", 1, None, (), Prediction(-1, 0.5), 0.1)]
    assert right_share(run[:1]) == 1.0
    assert abstention(run) == 0.5


@given(outcomes, st.lists(st.floats(0, 4), max_size=10))
def test_the_curve_is_a_plain_count(cases, radii):
    run = [record(label, prediction, 0.0 if prediction < 0 else r) for label, prediction, r in cases]
    expected = [
        sum(r.outcome.prediction == r.label and r.outcome.radius >= radius for r in run) / len(run) for radius in radii
    ]
    assert certified_accuracy(run, radii).tolist() == expected


@given(outcomes)
def test_acr_is_the_area_under_the_curve(cases):
    run = [record(label, prediction, 0.0 if prediction < 0 else r) for label, prediction, r in cases]
    edges = np.unique([0.0, *(r.outcome.radius for r in run)])
    area = float(np.sum(np.diff(edges) * certified_accuracy(run, edges[1:])))
    assert average_certified_radius(run) == pytest.approx(area, abs=1e-12)
    assert certified_accuracy(run, [0.0])[0] == right_share(run)


def test_the_published_table_of_the_paper_is_reproduced(shared):
    """The CIFAR-10 table of Cohen et al. 2019 from its own logs; radii there are printed with three digits."""
    folder = shared / "published" / "cohen2019"
    if not folder.is_dir():
        pytest.skip(f"published logs are not here: no folder {folder}")
    logs = {
        "noise_0.12/test/sigma_0.12.tsv": [0.59, 0, 0, 0, 0, 0],
        "noise_0.25/test/sigma_0.25.tsv": [0.60, 0.43, 0.27, 0, 0, 0],
        "noise_0.50/test/sigma_0.50.tsv": [0.55, 0.41, 0.32, 0.23, 0.15, 0.09],
        "noise_1.00/test/sigma_1.00.tsv": [0.39, 0.34, 0.28, 0.22, 0.17, 0.14],
    }
    for name, expected in logs.items():
        with (folder / "certify" / "cifar10" / "resnet110" / name).open() as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        run = [record(int(row["label"]), int(row["predict"]), float(row["radius"])) for row in rows]
        assert len(run) == 500
        shares = certified_accuracy(run, [0.25, 0.5, 0.75, 1.0, 1.25, 1.5])
        assert [round(share, 2) for share in shares.tolist()] == pytest.approx(expected, abs=1e-9), name


@pytest.mark.parametrize("statistic", [natural_accuracy, right_share, abstention, median_radius])
def test_an_empty_run_is_refused(statistic):
    with pytest.raises(ValueError, match=r"^records must not be empty: the run has no finished input$"):
        statistic([])


def test_errors_name_what_is_missing():
    with pytest.raises(ValueError, match=r"^records must not be empty"):
        certified_accuracy([], [0.5])
    with pytest.raises(ValueError, match=r"^labels are needed to tell right from wrong, but input 7 has none$"):
        certified_accuracy([record(None, 1, index=7)], [0.5])
    with pytest.raises(ValueError, match=r"but input 7 has none$"):
        right_share([record(None, ABSTAIN, index=7)])
    with pytest.raises(ValueError, match=r"but input 7 has none$"):
        natural_accuracy([record(None, ABSTAIN, index=7)])
    with pytest.raises(ValueError, match=r"^radii must be >= 0, got -0\.5$"):
        certified_accuracy(RUN, [0.0, -0.5])
    with pytest.raises(ValueError, match=r"^radii must be >= 0, got nan$"):
        certified_accuracy(RUN, [float("nan")])
    with pytest.raises(ValueError, match=r"^radii in different norms cannot be compared, got l1, l2$"):
        average_certified_radius([*RUN, record(0, 0, 1.0, norm="l1")])
    with pytest.raises(
        ValueError,
        match=r"^outcomes must be certificates, got a prediction for input 4; "
        r"summarise a PREDICT run with prediction_table$",
    ):
        certified_accuracy([Record("k", 4, 1, (), Prediction(1, 0.0), 0.1)], [0.5])

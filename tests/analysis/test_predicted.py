from __future__ import annotations

import pytest

from noiseproof.analysis import PredictionTable, prediction_table
from noiseproof.types import ABSTAIN, Prediction, Record


def run(*pairs):
    return [Record("k", i, label, (), Prediction(said, 0.0), 0.1) for i, (label, said) in enumerate(pairs)]


def test_shares_are_of_all_inputs():
    table = prediction_table(run((1, 1), (1, 1), (0, 2), (0, ABSTAIN), (2, ABSTAIN)))
    assert table == PredictionTable(m=5, right=0.4, wrong=0.2, abstained=0.4)


@pytest.mark.parametrize("m", range(1, 60))
def test_no_wrong_answer_is_exactly_none(m):
    for right in range(m + 1):
        assert prediction_table(run(*[(1, 1)] * right, *[(1, ABSTAIN)] * (m - right))).wrong == 0


def test_errors_name_what_is_missing():
    with pytest.raises(ValueError, match=r"^records must not be empty"):
        prediction_table([])
    with pytest.raises(ValueError, match=r"but input 0 has none$"):
        prediction_table(run((None, 1)))

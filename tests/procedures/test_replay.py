from __future__ import annotations

import re

import pytest

from noiseproof.noises import Gaussian
from noiseproof.procedures import Certify, Predict, check_under_way, replay
from noiseproof.types import Answer

NOISE = Gaussian(sigma=0.5)
PROCEDURE = Certify(n0=10, n=1000)
ANSWERS = [Answer("select", 10, (8, 2)), Answer("estimate", 100, (90, 10)), Answer("estimate", 900, (800, 99))]


def test_replay_takes_any_iterable():
    assert replay(PROCEDURE, NOISE, iter(ANSWERS)) == replay(PROCEDURE, NOISE, ANSWERS)


@pytest.mark.parametrize(
    ("answers", "text"),
    [
        ([], "the procedure wants 10 more draws of 'select' than are stored"),
        (ANSWERS[:2], "the procedure wants 900 more draws of 'estimate' than are stored"),
        (ANSWERS[1:], "request 0 should be 10 draws of 'select', but 100 of 'estimate' are stored"),
        (
            [ANSWERS[0], ANSWERS[2], ANSWERS[1]],
            "request 1 should be 100 draws of 'estimate', but 900 of 'estimate' are stored",
        ),
        ([*ANSWERS, ANSWERS[2]], "the procedure was done after 3 answers, but more are stored"),
        ([ANSWERS[0], Answer("estimate", 100, (90, 11))], "votes must be one count >= 0 a class (two or more)"),
        ([ANSWERS[0], Answer("estimate", 100, (-1, 11))], "votes must be one count >= 0 a class (two or more)"),
        (
            [Answer("select", 10, (0, 0, 10)), *ANSWERS[1:]],
            "answers must be about the same classes, got votes for 2 and for 3",
        ),
    ],
)
def test_answers_to_other_questions_are_refused(answers: list[Answer], text: str):
    with pytest.raises(ValueError, match=re.escape(text)):
        replay(PROCEDURE, NOISE, answers)


def test_the_answers_of_one_procedure_are_not_those_of_another():
    with pytest.raises(ValueError, match="request 0 should be 100 draws of 'predict', but 10 of 'select' are stored"):
        replay(Predict(n=1010), NOISE, ANSWERS)


@pytest.mark.parametrize(
    "drawn",
    [
        {},
        {"select": [(4, (3, 1))]},
        {"select": [(4, (3, 1)), (6, (6, 0))]},
        {"select": [(10, (8, 2))], "estimate": [(100, (90, 10)), (900, (800, 99))]},
        {"estimate": [(60, (50, 9)), (40, (40, 0)), (1, (0, 0))], "select": [(10, (8, 2))]},
    ],
)
def test_draws_of_an_input_under_way_are_those_the_procedure_asks_for(drawn):
    check_under_way(PROCEDURE, NOISE, drawn)


@pytest.mark.parametrize(
    ("drawn", "text"),
    [
        ({"select": [(4, (3, 1)), (7, (6, 1))]}, "a range of 'select' straddles the request of 10 draws"),
        (
            {"select": [(10, (8, 2))], "estimate": [(99, (99, 0)), (2, (2, 0))]},
            "a range of 'estimate' straddles the request of 100 draws",
        ),
        (
            {"select": [(9, (8, 1))], "estimate": [(100, (99, 0))]},
            "draws of 'estimate' are stored that the procedure never asked for: it still waits for draws of 'select'",
        ),
        (
            {"predict": [(9, (8, 1))]},
            "draws of 'predict' are stored that the procedure never asked for: it still waits for draws of 'select'",
        ),
        (
            {"select": [(10, (8, 2)), (10, (8, 2))]},
            "draws of 'select' are stored that the procedure never asked for: it still waits for draws of 'estimate'",
        ),
        (
            {"select": [(10, (8, 2))], "estimate": [(100, (90, 10)), (900, (800, 99)), (1, (1, 0))]},
            "draws of 'estimate' are stored that the procedure never asked for: it was done",
        ),
        ({"select": [(10, (8, 3))]}, "votes must be one count >= 0 a class (two or more)"),
    ],
)
def test_draws_that_cannot_be_gone_on_with_are_refused(drawn, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        check_under_way(PROCEDURE, NOISE, drawn)

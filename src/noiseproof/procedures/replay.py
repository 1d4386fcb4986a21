"""Replay: a procedure driven by stored answers gives what it gave when they were drawn."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from noiseproof.types import Answer, Certificate, Prediction

if TYPE_CHECKING:
    from noiseproof.noises.base import Noise
    from noiseproof.procedures.base import Procedure


def replay(procedure: Procedure, noise: Noise, answers: Iterable[Answer]) -> Certificate | Prediction:
    """The outcome of a procedure that was given these answers.

    Raises:
        ValueError: the procedure would have asked for something else, for more, or for less, or the votes of an
            answer are none.
    """
    answers = list(answers)
    classes = sorted({len(answer.votes) for answer in answers})
    if len(classes) > 1:
        raise ValueError(f"answers must be about the same classes, got votes for {classes[0]} and for {classes[-1]}")
    asking = procedure.run(noise)
    request = next(asking)
    outcome: Certificate | Prediction | None = None
    for number, answer in enumerate(answers):
        if outcome is not None:
            raise ValueError(f"the procedure was done after {number} answers, but more are stored")
        if (answer.stage, answer.n) != (request.stage, request.n):
            raise ValueError(
                f"request {number} should be {request.n} draws of {request.stage!r}, "
                f"but {answer.n} of {answer.stage!r} are stored"
            )
        try:
            request = asking.send(np.array(answer.votes, dtype=np.int64))
        except StopIteration as done:
            outcome = done.value
    if outcome is None:
        raise ValueError(f"the procedure wants {request.n} more draws of {request.stage!r} than are stored")
    return outcome

"""Replay: a procedure driven by stored answers gives what it gave when they were drawn."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from noiseproof.tallies import Votes
from noiseproof.types import Answer, Outcome

if TYPE_CHECKING:
    from noiseproof.noises.base import Noise
    from noiseproof.procedures.base import Procedure
    from noiseproof.types import Counts


def replay(
    procedure: Procedure,
    noise: Noise,
    answers: Iterable[Answer],
    label: int | None = None,
    *,
    to_its_end: bool = False,
) -> Outcome:
    """The outcome of a procedure that was given these answers.

    Where they end before the procedure does, it is what could be said so far, if it allows to be ended there.

    Args:
        procedure: what the input was asked by.
        noise: what its certificate is about.
        answers: in the order of the requests.
        label: the true class, for a label-aware procedure.
        to_its_end: refuse answers that end before the procedure does.

    Raises:
        ValueError: the procedure would have asked for something else, for more, or for less, or the votes of an
            answer are none.
    """
    answers = list(answers)
    classes = sorted({len(answer.votes) for answer in answers})
    if len(classes) > 1:
        raise ValueError(f"answers must be about the same classes, got votes for {classes[0]} and for {classes[-1]}")
    asking = procedure.run(noise, label)
    request = next(asking)
    outcome: Outcome | None = None
    for number, answer in enumerate(answers):
        if outcome is not None:
            raise ValueError(f"the procedure was done after {number} answers, but more are stored")
        if (answer.stage, answer.n) != (request.stage, request.n):
            raise ValueError(
                f"request {number} should be {request.n} draws of {request.stage!r}, "
                f"but {answer.n} of {answer.stage!r} are stored"
            )
        try:
            request = asking.send(Votes.of(answer.votes).array())
        except StopIteration as done:
            outcome = done.value
    if outcome is None and answers and not to_its_end:
        outcome = request.so_far
    if outcome is None:
        raise ValueError(f"the procedure wants {request.n} more draws of {request.stage!r} than are stored")
    return outcome


def check_under_way(
    procedure: Procedure, noise: Noise, drawn: Mapping[str, Iterable[tuple[int, Sequence[int]]]]
) -> None:
    """Refuse draws of an unfinished input that the procedure, as far as it came, would not have asked for.

    Args:
        procedure: what the input was asked by.
        noise: what its certificate is about.
        drawn: stage -> (n, votes) of ranges that tile [0, m).

    Raises:
        ValueError: a range straddles two requests, or answers none that was reached, or its votes are none.
    """
    known = {stage: list(ranges) for stage, ranges in drawn.items()}
    classes = max((len(votes) for ranges in known.values() for _, votes in ranges), default=1)
    failure = None
    # the label is written down when an input is finished: until then any of them may be it
    for label in range(classes) if procedure.label_aware else [None]:
        try:
            return _check_under_way(procedure, noise, known, label)
        except ValueError as error:
            failure = error
    assert failure is not None, "there is a label to try"
    raise failure


def _check_under_way(
    procedure: Procedure, noise: Noise, drawn: Mapping[str, list[tuple[int, Sequence[int]]]], label: int | None
) -> None:
    left = {stage: deque(ranges) for stage, ranges in drawn.items()}
    asking = procedure.run(noise, label)
    request = next(asking)
    while True:
        ranges, got = left.get(request.stage, deque()), 0
        votes: Counts | int = 0
        while ranges and got < request.n:
            n, voted = ranges.popleft()
            got, votes = got + n, votes + Votes.of(voted).array()
        if got > request.n:
            raise ValueError(f"a range of {request.stage!r} straddles the request of {request.n} draws")
        waits = got < request.n
        if waits:
            break
        try:
            request = asking.send(np.asarray(votes))
        except StopIteration:
            break
    for stage, ranges in left.items():
        if ranges:
            so_far = f"it still waits for draws of {request.stage!r}" if waits else "it was done"
            raise ValueError(f"draws of {stage!r} are stored that the procedure never asked for: {so_far}")

"""What smaller n, or another alpha, would have said: read off the votes that are stored, nothing is drawn anew."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, overload

from noiseproof.analysis.predicted import PredictionTable, prediction_table
from noiseproof.errors import UnsupportedError
from noiseproof.procedures import Certify, Predict, replay
from noiseproof.types import Certificate, Prediction, Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noiseproof.noises import Noise
    from noiseproof.procedures import Procedure


@dataclass(frozen=True)
class Exploratory:
    """What another alpha would have printed: no certificate, because alpha is fixed before sampling.

    Attributes:
        certificate: in the form of one; it must not be passed on without its mark.
        alpha: the failure probability it was made with, after looking.
    """

    certificate: Certificate
    alpha: float


def prefix_edges(record: Record) -> tuple[int, ...]:
    """The n whose outcome is known exactly: where the requests of CERTIFY or PREDICT end.

    Args:
        record: a finished input of a run of Certify or Predict; imported ones without answers have no edges.
    """
    asked = (n for stage, n in record.requests if stage != "select")
    return tuple(itertools.accumulate(asked))


@overload
def at_n(record: Record, procedure: Certify, noise: Noise, n: int) -> Certificate: ...
@overload
def at_n(record: Record, procedure: Predict, noise: Noise, n: int) -> Prediction: ...
@overload
def at_n(record: Record, procedure: Procedure, noise: Noise, n: int) -> Certificate | Prediction: ...
def at_n(record: Record, procedure: Procedure, noise: Noise, n: int) -> Certificate | Prediction:
    """Exactly what the same procedure with this n would have said of this input, under the same seed.

    It is a certificate at the procedure's alpha, not an exploration: a run with this n would have drawn the same
    noise and stopped here. Taking the best of several n after looking is another procedure, and not covered.

    Args:
        record: a finished input.
        procedure: the procedure it was made with; one that fixes n beforehand.
        noise: the noise it was made with.
        n: one of ``prefix_edges(record)``.

    Raises:
        UnsupportedError: the procedure has no fixed n.
        ValueError: n is no edge, or too small to say anything at this alpha.
    """
    outcome = record_at_n(record, procedure, noise, n).outcome
    assert isinstance(outcome, Certificate if isinstance(procedure, Certify) else Prediction)
    return outcome


def record_at_n(record: Record, procedure: Procedure, noise: Noise, n: int) -> Record:
    """The record that a run with this n would have left: ``at_n`` with the answers it rests on.

    Its ``seconds`` are the input's, split by draws. Arguments and errors are those of ``at_n``.
    """
    if not isinstance(procedure, Certify | Predict):
        raise UnsupportedError(
            f"smaller n is known exactly only where n is fixed beforehand (certify, predict), got {procedure.name}"
        )
    if record.skipped is not None:
        return record
    edges = prefix_edges(record)
    if n not in edges:
        known = ", ".join(str(edge) for edge in edges) or "none"
        raise ValueError(f"n must be where a request of input {record.index} ends ({known}), got {n}")
    first = sum(answer.stage == "select" for answer in record.answers)
    answers = record.answers[: first + edges.index(n) + 1]
    seconds = record.seconds * sum(answer.n for answer in answers) / record.draws
    outcome = replay(replace(procedure, n=n), noise, answers)
    return replace(record, answers=answers, outcome=outcome, seconds=seconds)


def at_alpha(record: Record, procedure: Procedure, noise: Noise, alpha: float) -> Exploratory:
    """What the same votes would have given at another alpha; exploratory, whatever alpha is.

    Args:
        record: a finished input of a run of Certify.
        procedure: the procedure it was made with.
        noise: the noise it was made with.
        alpha: in (0, 1).

    Raises:
        UnsupportedError: the procedure stopped where its own alpha told it to, so another alpha has no meaning.
        ValueError: alpha is out of range, or n is too small to certify anything at it.
    """
    if not isinstance(procedure, Certify):
        raise UnsupportedError(
            "another alpha is known for runs of certify only (a sequential procedure stops where its own alpha tells "
            f"it to), got {procedure.name}; run it again with the alpha you want"
        )
    outcome = (
        replay(replace(procedure, alpha=alpha), noise, record.answers) if record.skipped is None else record.outcome
    )
    assert isinstance(outcome, Certificate), "CERTIFY gives certificates"
    return Exploratory(outcome, alpha)


def prediction_tables(
    records: Sequence[Record], procedure: Procedure, noise: Noise
) -> tuple[tuple[int, PredictionTable], ...]:
    """Right, wrong and abstained for every n that a run of PREDICT passed: (n, table), n increasing.

    Args:
        records: finished inputs with labels.
        procedure: the PREDICT they were made with.
        noise: the noise they were made with.

    Raises:
        UnsupportedError: the procedure is not PREDICT.
        ValueError: no records, or a label is missing.

    Source: Cohen et al. 2019, appendix, the tables on PREDICT for n = 100 ... 100,000.
    """
    if not isinstance(procedure, Predict):
        raise UnsupportedError(f"the table of answers needs a run of predict, got one of {procedure.name}")
    edges = prefix_edges(records[0]) if records else (procedure.n,)
    return tuple((n, prediction_table([record_at_n(record, procedure, noise, n) for record in records])) for n in edges)

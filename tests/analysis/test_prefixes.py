"""Smaller n is held against runs that were really made with it, on the same draws."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

from noiseproof.analysis import (
    Exploratory,
    at_alpha,
    at_n,
    prediction_tables,
    prefix_edges,
    record_at_n,
)
from noiseproof.errors import UnsupportedError
from noiseproof.noises import Gaussian
from noiseproof.procedures import Certify, Predict, Procedure
from noiseproof.types import ABSTAIN, Answer, Record

NOISE = Gaussian(sigma=0.5).on((1, 2, 2))
EDGES = (100, 1000, 10_000, 100_000)


def draws(seed, p):
    """The class of each draw, one stream a stage, as keyed noise would give them: only an index decides."""
    rng = np.random.default_rng(seed)
    return {stage: rng.choice(len(p), size=100_000, p=p) for stage in ("select", "estimate", "predict")}


def run(procedure, stream, index=0, label=0):
    asking = procedure.run(NOISE)
    request, answers, taken = next(asking), [], dict.fromkeys(stream, 0)
    while True:
        first = taken[request.stage]
        taken[request.stage] += request.n
        votes = np.bincount(stream[request.stage][first : first + request.n], minlength=3)
        answers.append(Answer(request.stage, request.n, tuple(votes.tolist())))
        try:
            request = asking.send(votes)
        except StopIteration as done:
            return Record(f"k{index}", index, label, tuple(answers), done.value, 10.0)


@pytest.mark.parametrize("p", [(0.999, 0.001, 0.0), (0.9, 0.05, 0.05), (0.51, 0.3, 0.19), (0.3, 0.3, 0.4)])
@pytest.mark.parametrize("two_sided", [False, True])
def test_a_prefix_is_the_run_with_that_n(p, two_sided):
    stream = draws(1, p)
    whole = run(Certify(n=100_000, alpha=0.01, two_sided=two_sided), stream)
    for n in EDGES:
        alone = run(Certify(n=n, alpha=0.01, two_sided=two_sided), stream)
        assert at_n(whole, Certify(n=100_000, alpha=0.01, two_sided=two_sided), NOISE, n) == alone.outcome
        cut = record_at_n(whole, Certify(n=100_000, alpha=0.01, two_sided=two_sided), NOISE, n)
        assert dataclasses.replace(cut, seconds=10.0) == alone
        assert cut.seconds == pytest.approx(10.0 * (100 + n) / 100_100)


def test_a_prefix_of_predict_is_the_run_with_that_n():
    stream = draws(2, (0.52, 0.48, 0.0))
    whole = run(Predict(n=100_000), stream)
    assert prefix_edges(whole) == EDGES
    said = [at_n(whole, Predict(n=100_000), NOISE, n) for n in EDGES]
    assert said == [run(Predict(n=n), stream).outcome for n in EDGES]
    assert (said[0].prediction, said[-1].prediction) == (ABSTAIN, 0)


def test_edges_are_where_requests_of_the_estimate_end():
    assert prefix_edges(run(Certify(n0=1000, n=2000), draws(0, (1, 0, 0)))) == (100, 1000, 2000)
    assert prefix_edges(Record("k", 0, 0, (), run(Certify(n=50), draws(0, (1, 0, 0))).outcome, 0.0)) == ()


def test_an_n_between_the_edges_is_refused_with_the_list_of_edges():
    record = run(Certify(n0=10, n=2000), draws(0, (1, 0, 0)), index=7)
    for n in (5, 110, 500, 2100, 100_000):
        text = f"n must be where a request of input 7 ends (100, 1000, 2000), got {n}"
        with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
            at_n(record, Certify(n0=10, n=2000), NOISE, n)
    imported = dataclasses.replace(record, answers=())
    with pytest.raises(ValueError, match=re.escape("ends (none), got 2000")):
        at_n(imported, Certify(n0=10, n=2000), NOISE, 2000)


@dataclasses.dataclass(frozen=True)
class Peeking(Procedure):
    alpha: float = 0.001
    name = "peeking"
    most_draws = 1

    def run(self, noise, label=None):
        raise NotImplementedError


def test_a_procedure_that_stops_by_itself_has_no_smaller_n_and_no_other_alpha():
    record = run(Certify(n=1000), draws(0, (1, 0, 0)))
    with pytest.raises(UnsupportedError, match=r"where n is fixed beforehand \(certify, predict\), got peeking$"):
        at_n(record, Peeking(), NOISE, 100)
    with pytest.raises(UnsupportedError, match=r"^another alpha is known for runs of certify only .*, got peeking;"):
        at_alpha(record, Peeking(), NOISE, 0.01)


@pytest.mark.parametrize("alpha", [0.0001, 0.01, 0.1])
def test_another_alpha_is_the_run_with_that_alpha_and_is_marked(alpha):
    stream = draws(3, (0.9, 0.06, 0.04))
    found = at_alpha(run(Certify(n=10_000), stream), Certify(n=10_000), NOISE, alpha)
    assert found == Exploratory(run(Certify(n=10_000, alpha=alpha), stream).outcome, alpha)
    assert not isinstance(found, type(found.certificate))  # what asks for a certificate does not take it


def test_an_alpha_at_which_n_certifies_nothing_is_refused():
    record = run(Certify(n=10), draws(0, (1, 0, 0)))
    with pytest.raises(ValueError, match=r"^n must be >= 14 to certify anything at alpha=0.0001, got 10"):
        at_alpha(record, Certify(n=10), NOISE, 0.0001)
    with pytest.raises(ValueError, match=r"^alpha must be in \(0, 1\), got 1.5$"):
        at_alpha(record, Certify(n=10), NOISE, 1.5)


def test_the_table_of_answers_is_that_of_each_run():
    streams = [draws(i, p) for i, p in enumerate([(0.52, 0.48, 0), (0.9, 0.1, 0), (0.1, 0.9, 0), (0.4, 0.4, 0.2)])]
    records = [run(Predict(n=10_000), stream, index=i) for i, stream in enumerate(streams)]
    tables = dict(prediction_tables(records, Predict(n=10_000), NOISE))
    assert list(tables) == [100, 1000, 10_000]
    for n, table in tables.items():
        said = [run(Predict(n=n), stream).outcome.prediction for stream in streams]
        assert (table.m, table.right, table.wrong, table.abstained) == (
            4,
            said.count(0) / 4,
            (4 - said.count(0) - said.count(ABSTAIN)) / 4,
            said.count(ABSTAIN) / 4,
        )
    assert (tables[100].right, tables[100].wrong, tables[100].abstained) == (0.25, 0.25, 0.5)


def test_the_table_of_answers_needs_predict_and_records():
    with pytest.raises(UnsupportedError, match=r"^the table of answers needs a run of predict, got one of certify$"):
        prediction_tables([run(Certify(n=100), draws(0, (1, 0, 0)))], Certify(n=100), NOISE)
    with pytest.raises(ValueError, match=r"^records must not be empty"):
        prediction_tables([], Predict(n=100), NOISE)

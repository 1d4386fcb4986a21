"""What every procedure owes: replay is run, no answer that cannot be, and an error rate of at most alpha."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pytest
from scipy.special import gammaln, ndtri, xlogy

from noiseproof.noises import Gaussian
from noiseproof.procedures import (
    PROCEDURES,
    Anytime,
    Certify,
    Curve,
    Decide,
    Predict,
    Procedure,
    Sequential,
    SequentialPredict,
    Simultaneous,
    procedure_from,
    replay,
)
from noiseproof.stats import clopper_pearson_lower
from noiseproof.tallies import Votes
from noiseproof.types import ABSTAIN, Answer, Certificate, Outcome, Prediction

SIGMA = 0.5
NOISE = Gaussian(sigma=SIGMA)


@dataclass(frozen=True)
class Variant:
    """A procedure small enough to be enumerated, and when what it says is false.

    Attributes:
        make: the procedure at a level.
        room: prediction, p of the classes [.., classes] and of void draws -> the radius that may be claimed at most
            for it; below 0 where the class itself is wrong.
        sharp: some p makes the error rate at least this much of alpha (or the enumeration could not tell).
        limits: p_A at which its claims become false, beside the bounds of 30 draws, where the rate is tried.
    """

    make: Callable[[float], Procedure]
    room: Callable[[int, np.ndarray, np.ndarray], np.ndarray]
    sharp: float
    limits: Callable[[float], list[float]] = lambda alpha: []


def one_sided_room(top: int, p: np.ndarray, void: np.ndarray) -> np.ndarray:
    """The claim is about p_A alone: sigma Phi^-1(p_A)."""
    del void
    return SIGMA * ndtri(p[:, top])


def two_sided_room(top: int, p: np.ndarray, void: np.ndarray) -> np.ndarray:
    """Void draws may all belong to one rival."""
    rival = np.minimum(1.0, np.delete(p, top, axis=1).max(axis=1) + void)
    return SIGMA / 2 * (ndtri(p[:, top]) - ndtri(rival))


def predict_room(top: int, p: np.ndarray, void: np.ndarray) -> np.ndarray:
    """PREDICT claims no radius, only that no rival is more probable."""
    return p[:, top] - (np.delete(p, top, axis=1).max(axis=1) + void)


def needed(*radii: float) -> Callable[[float], list[float]]:
    """What a procedure with a threshold tests: just below it, the claim is false."""
    return lambda alpha: [NOISE.p_needed(radius) for radius in radii]


def bounds_of_looks(alpha: float) -> list[float]:
    """Every bound the two looks of the sequential procedures below can give."""
    sides = (1, 2)
    return [
        clopper_pearson_lower(k, n, alpha * share / side)
        for n, share in ((10, 0.3), (20, 0.7))
        for k in range(1, n + 1)
        for side in sides
    ]


TWO_LOOKS = {"n_max": 20, "first_look": 10}

VARIANTS = {
    "certify": Variant(lambda alpha: Certify(n0=3, n=30, alpha=alpha), one_sided_room, 0.9),
    "certify, two-sided": Variant(lambda alpha: Certify(n0=3, n=30, alpha=alpha, two_sided=True), two_sided_room, 0.4),
    "simultaneous": Variant(lambda alpha: Simultaneous(n=30, alpha=alpha), one_sided_room, 0.3),
    "decide": Variant(lambda alpha: Decide(radius=0.1, alpha=alpha, **TWO_LOOKS), one_sided_room, 0.25, needed(0.1)),
    "anytime": Variant(
        lambda alpha: Anytime(radius=0.1, alpha=alpha, n_max=20, look_every=10), one_sided_room, 0.01, needed(0.1)
    ),
    "decide, class": Variant(
        lambda alpha: Decide(radius=0.0, alpha=alpha, **TWO_LOOKS), one_sided_room, 0.4, needed(0)
    ),
    "curve": Variant(
        lambda alpha: Curve(radii=(0, 0.05, 0.1), alpha=alpha, **TWO_LOOKS), one_sided_room, 0.4, needed(0, 0.05, 0.1)
    ),
    "sequential": Variant(
        lambda alpha: Sequential(n0=1, alpha=alpha, **TWO_LOOKS), one_sided_room, 0.45, bounds_of_looks
    ),
    "sequential, two-sided": Variant(
        lambda alpha: Sequential(n0=1, alpha=alpha, two_sided=True, **TWO_LOOKS), two_sided_room, 0.2, bounds_of_looks
    ),
    "sequential-predict": Variant(lambda alpha: SequentialPredict(alpha=alpha, **TWO_LOOKS), predict_room, 0.2),
    "predict": Variant(lambda alpha: Predict(n=30, alpha=alpha), predict_room, 0.25),
}
every = pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)


def test_the_list_is_the_registry():
    assert {variant.make(0.05).name for variant in VARIANTS.values()} == set(PROCEDURES)


@dataclass(frozen=True)
class Leaves:
    """Every way a procedure can go, with ``slots`` things a draw can be.

    Attributes:
        ways: log of the number of orders in which the draws can come; [leaves].
        drawn: how often each thing came; [leaves, slots].
        prediction: what was said; [leaves].
        radius: in what radius (0 for a prediction); [leaves].
    """

    ways: np.ndarray
    drawn: np.ndarray
    prediction: np.ndarray
    radius: np.ndarray

    def error_rate(self, p: np.ndarray, room: Callable[[int], np.ndarray]) -> np.ndarray:
        """P(what is said is false) for each row of p, exactly."""
        likely = np.exp(self.ways + xlogy(self.drawn[None], p[:, None]).sum(axis=2))
        rate = np.zeros(len(p))
        for top in set(self.prediction.tolist()) - {ABSTAIN}:
            said = self.prediction == top
            rate += np.where(self.radius[said] > room(top)[:, None], likely[:, said], 0.0).sum(axis=1)
        return rate


def ask_for(procedure: Procedure, answers: list[Answer]) -> Answer | Outcome:
    """What a procedure does after these answers: an unanswered request, or the outcome."""
    asking = procedure.run(NOISE)
    request = next(asking)
    for answer in answers:
        try:
            request = asking.send(np.array(answer.votes))
        except StopIteration as done:
            return done.value
    return Answer(request.stage, request.n, ())


def multisets(n: int, slots: int) -> list[tuple[int, ...]]:
    edges = itertools.combinations(range(n + slots - 1), slots - 1)
    return [tuple(b - a - 1 for a, b in itertools.pairwise((-1, *edge, n + slots - 1))) for edge in edges]


@lru_cache
def leaves(name: str, alpha: float, void: bool) -> Leaves:
    """Three classes, or two and a void slot."""
    procedure = VARIANTS[name].make(alpha)
    found = []

    def go(answers: list[Answer], ways: float, drawn: np.ndarray) -> None:
        then = ask_for(procedure, answers)
        if not isinstance(then, Answer):
            found.append((ways, drawn, then.prediction, 0.0 if isinstance(then, Prediction) else then.radius))
            return
        for came in multisets(then.n, 3):
            answer = Answer(then.stage, then.n, came[:2] if void else came)
            go([*answers, answer], ways + gammaln(then.n + 1) - gammaln(np.add(came, 1)).sum(), drawn + np.array(came))

    go([], 0.0, np.zeros(3))
    return Leaves(*(np.array(column) for column in zip(*found, strict=True)))


def hard_cases(alpha: float, limits: list[float]) -> np.ndarray:
    """Probabilities of three things; among them the worst: just below a bound that 30 draws can give."""
    just_below = [clopper_pearson_lower(k, 30, alpha / side) * (1 - 1e-9) for side in (1, 2, 3) for k in range(1, 31)]
    just_below += [limit * (1 - 1e-9) for limit in limits]
    tops = np.concatenate([just_below, np.linspace(0.05, 1, 20), [1 / 3, 0.5 - 1e-9, 0.5]])
    shares = np.array([0.0, 0.1, 0.5 - 1e-9, 1.0])
    top, share = (grid.ravel() for grid in np.meshgrid(tops, shares))
    cases = np.stack([top, (1 - top) * share, (1 - top) * (1 - share)], axis=1)
    return np.concatenate([cases, cases[:, [1, 0, 2]], cases[:, [2, 1, 0]]])


@every
@pytest.mark.parametrize("alpha", [0.05, 0.001])
@pytest.mark.parametrize("void", [False, True], ids=["three classes", "two and void"])
def test_the_error_rate_is_at_most_alpha(variant: Variant, alpha: float, void: bool):
    """Exact: every outcome of every stage, for many p. The claims: class and radius, void draws against them."""
    name = next(name for name, other in VARIANTS.items() if other is variant)
    cases = hard_cases(alpha, variant.limits(alpha))
    classes, lost = (cases[:, :2], cases[:, 2]) if void else (cases, np.zeros(len(cases)))
    tree = leaves(name, alpha, void)
    total = np.exp(tree.ways + xlogy(tree.drawn[None], cases[:50, None]).sum(axis=2)).sum(axis=1)
    assert total == pytest.approx(np.ones(50), rel=1e-9), "the enumeration is complete"
    rate = tree.error_rate(cases, lambda top: variant.room(top, classes, lost))
    assert rate.max() <= alpha * (1 + 1e-9)
    assert rate.max() >= variant.sharp * alpha, "the cases are not hard enough to tell"


@every
def test_replay_is_run(variant: Variant):
    """Drawn answers, fed to the generator and stored, give the same outcome again, through JSON too."""
    generator = np.random.default_rng(0)
    for procedure in (variant.make(0.05), larger(variant.make(0.001))):
        for p in ([0.9, 0.06, 0.04], [0.4, 0.35, 0.25], [0.0, 1.0, 0.0]):
            asking, answers = procedure.run(NOISE), []
            request = next(asking)
            while True:
                votes = generator.multinomial(request.n, [*np.multiply(p, 0.95), 0.05])[:3]  # some are void
                answers.append(Answer(request.stage, request.n, tuple(votes.tolist())))
                try:
                    request = asking.send(votes)
                except StopIteration as done:
                    outcome = done.value
                    break
            stored = [Answer(a["stage"], a["n"], tuple(a["votes"])) for a in json.loads(dumps(answers))]
            again = procedure_from(json.loads(json.dumps(procedure.config())))
            assert replay(again, NOISE, stored) == outcome
            assert sum(answer.n for answer in answers) <= procedure.most_draws


@every
def test_what_is_recounted_at_once_is_what_run_says(variant: Variant):
    """For votes near every tie and boundary; and nothing is said where ``run`` would have asked for something else."""
    generator = np.random.default_rng(1)
    told = 0
    for procedure in (variant.make(0.05), larger(variant.make(0.001))):
        for top in [*generator.uniform(0.3, 1, 60).tolist(), 0.0, 1.0]:
            p = [top, *((1 - top) * generator.dirichlet([1, 1, 1]))]  # the last is void
            answers: list[Answer] = []
            while isinstance(then := ask_for(procedure, answers), Answer):
                votes = generator.permutation(generator.multinomial(then.n, p)[:3])
                answers.append(Answer(then.stage, then.n, Votes.of(votes)))
            last = answers[-1]
            wrong = [answers[:-1], [*answers, last], answers[1:], [*answers[:-1], replace(last, n=last.n + 1)]]
            wrong += [[*answers[:-1], replace(last, stage="other")], [*answers[1:], answers[0]]]
            for stored in [answers, *wrong]:
                asked = tuple((each.stage, each.n) for each in stored)
                if (said := procedure.recount(asked, [each.votes for each in stored], NOISE)) is not None:
                    assert said == replay(procedure, NOISE, stored, to_its_end=True)
                    told += 1
    assert told == 0 or told >= 124, "where it is there, it tells all that are whole"


def larger(procedure: Procedure) -> Procedure:
    config = procedure.config()
    return procedure_from(config | {"n" if "n" in config else "n_max": 12_345})


def dumps(answers: list[Answer]) -> str:
    return json.dumps([{"stage": a.stage, "n": a.n, "votes": a.votes} for a in answers])


@every
def test_votes_that_cannot_be_are_refused(variant: Variant):
    request = ask_for(variant.make(0.05), [])
    assert isinstance(request, Answer)
    for votes in ([request.n, 1], [-1, 1], [request.n + 1, -1], [1], [2**62] * 4):
        asking = variant.make(0.05).run(NOISE)
        next(asking)
        with pytest.raises(ValueError, match="votes must be one count >= 0 a class"):
            asking.send(np.array(votes))


@every
def test_answers_that_were_not_asked_for_are_refused(variant: Variant):
    procedure = variant.make(0.05)
    answers: list[Answer] = []
    while isinstance(then := ask_for(procedure, answers), Answer):
        answers.append(Answer(then.stage, then.n, (then.n, 0)))
    assert replay(procedure, NOISE, answers) == then
    last = answers[-1]
    ends_anywhere = procedure.most_draws > 0 and next(procedure.run(NOISE)).so_far is not None
    wrong = [
        *([] if ends_anywhere else [answers[:-1]]),
        [*answers, last],
        [*answers[:-1], Answer("other", last.n, last.votes)],
        [*answers[:-1], Answer(last.stage, last.n + 1, last.votes)],
    ]
    for stored in wrong:
        with pytest.raises(ValueError, match="stored"):
            replay(procedure, NOISE, stored)


@every
def test_void_draws_never_help(variant: Variant):
    """A void draw says no more than any vote it might have been."""
    procedure = variant.make(0.05)
    requests: list[Answer] = []
    while isinstance(then := ask_for(procedure, requests), Answer):
        requests.append(Answer(then.stage, then.n, (then.n, 0, 0)))
    *before, last = requests
    for votes in multisets(last.n, 4)[::97]:
        said = replay(procedure, NOISE, [*before, Answer(last.stage, last.n, votes[:3])])
        for slot in range(3):
            full = [count + (votes[3] if i == slot else 0) for i, count in enumerate(votes[:3])]
            known = replay(procedure, NOISE, [*before, Answer(last.stage, last.n, tuple(full))])
            if not said.abstained:
                assert known.prediction == said.prediction
            if isinstance(said, Certificate) and isinstance(known, Certificate):
                assert said.radius <= known.radius
                assert said.p_lower <= known.p_lower


@every
def test_a_sure_thing_is_said_with_the_fewest_draws(variant: Variant):
    procedure = variant.make(0.05)
    answers: list[Answer] = []
    while isinstance(then := ask_for(procedure, answers), Answer):
        answers.append(Answer(then.stage, then.n, (0, then.n)))
    assert then.prediction == 1


@every
def test_the_procedure_is_its_configuration(variant: Variant):
    procedure = variant.make(0.05)
    config = procedure.config()
    assert config["name"] == procedure.name
    assert math.isclose(config["alpha"], 0.05)
    assert procedure_from(json.loads(json.dumps(config))) == procedure

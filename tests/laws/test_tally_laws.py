"""What every tally owes: draws that add, counts that hold, no place that hangs on the arithmetic; through a whole run.

Class votes are the only tally of the package. So that the seam is real, another one goes through it here: how often a
class was among the two largest scores.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from noiseproof.engine import Drawn, Engine, Finished, Task, TorchBackend
from noiseproof.errors import RunError
from noiseproof.noises import Gaussian
from noiseproof.noises.keys import input_key
from noiseproof.procedures import PROCEDURES, Certify, Predict, Procedure, replay
from noiseproof.procedures.base import prefixes
from noiseproof.store import Manifest, Range, RunFolder, VerificationError, read_run, verify
from noiseproof.tallies import CLASS_VOTES, TALLIES, ClassVotes, Tally, in_meaning, tally_of
from noiseproof.types import ABSTAIN, Draw, Prediction

CLASSES = 5
SHAPE = (1, 2, 3)
NOISE = Gaussian(sigma=0.4).on(SHAPE)


@dataclass(frozen=True)
class AmongLargest(Tally):
    """One count a class: in how many draws its score was among the ``k`` largest."""

    k: int = 2

    name: ClassVar[str] = "among-largest"

    def slots(self, classes: int) -> int:
        return classes

    def places(self, scores):
        return scores.topk(self.k, dim=1).indices

    def margin(self, scores):
        top = scores.topk(self.k + 1, dim=1).values.float()
        return top[:, -2] - top[:, -1]

    def holds(self, counts: Sequence[int], n: int) -> bool:
        draws, rest = divmod(sum(counts), self.k)
        return len(counts) > self.k and min(counts) >= 0 and rest == 0 and max(counts) <= draws <= n

    def rule(self, n: int) -> str:
        return f"one count a class, of {self.k} classes a draw and at most {n} draws"

    def void(self, counts: Sequence[int], n: int) -> int:
        return n - sum(counts) // self.k


@dataclass(frozen=True)
class MostOften(Procedure):
    """The class that was most often among the largest; says nothing of how sure that is."""

    n: int = 300
    k: int = 2
    alpha: float = 0.5

    name: ClassVar[str] = "most-often"

    @property
    def tally(self) -> AmongLargest:
        return AmongLargest(self.k)

    def run(self, noise, label=None):
        total = 0
        for part in prefixes(self.n):
            total = total + self.tally.check((yield Draw("often", part)), part)
        return Prediction(int(np.argmax(total)), 1.0)

    def nothing_known(self, noise):
        return Prediction(ABSTAIN, 1.0)

    @property
    def most_draws(self) -> int:
        return self.n


@dataclass(frozen=True)
class Variant:
    """A tally, a slow truth, and a procedure that asks for it.

    Attributes:
        tally: what is tried.
        truth: the slots a row of scores is counted in, by sorting; rows that are void aside.
        procedure: of a few hundred draws.
        impossible: counts that 10 draws of five classes cannot give.
    """

    tally: Tally
    truth: Callable[[list[float]], set[int]]
    procedure: Procedure
    impossible: list[list[int]]


def largest(k: int) -> Callable[[list[float]], set[int]]:
    return lambda scores: set(sorted(range(len(scores)), key=lambda c: -scores[c])[:k])


VARIANTS = {
    "votes": Variant(
        ClassVotes(), largest(1), Predict(n=300), [[11, 0, 0, 0, 0], [6, 5, 0, 0, 0], [-1, 5, 0, 0, 0], [10]]
    ),
    "among the two largest": Variant(
        AmongLargest(),
        largest(2),
        MostOften(),
        [[10, 11, 1, 0, 0], [10, 10, 1, 1, 0], [3, 0, 0, 0, 0], [6, 2, 0, 0, 0], [-1, 5, 0, 0, 0], [4, 4]],
    ),
}
OTHER = VARIANTS["among the two largest"]
each_tally = pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other tally and its procedure, as another package would add them, for one test."""
    for registry, made in ((TALLIES, AmongLargest), (PROCEDURES, MostOften)):
        monkeypatch.setattr(registry, "_known", dict(registry))
        registry.register(made)


def test_every_tally_of_the_registry_is_tried():
    assert {variant.tally.name for variant in VARIANTS.values()} == set(TALLIES)


SCORES = st.lists(st.integers(-40, 40).map(lambda x: x / 8), min_size=CLASSES, max_size=CLASSES, unique=True)


@each_tally
@settings(max_examples=100, deadline=None)
@given(rows=st.lists(SCORES, min_size=1, max_size=8), wrong=st.sampled_from([0.0, np.nan, np.inf, -np.inf]))
def test_a_row_is_counted_by_its_own_scores_alone(variant: Variant, rows: list[list[float]], wrong: float):
    rows = [[wrong if wrong else row[0], *row[1:]] if i == 2 else row for i, row in enumerate(rows)]
    places = variant.tally.counted(torch.tensor(rows)).tolist()
    for row, found in zip(rows, places, strict=True):
        finite = np.isfinite(row).all()
        assert set(found) == (variant.truth(row) if finite else {-1})
        assert len(set(found)) == len(found) or not finite
        assert all(place < variant.tally.slots(CLASSES) for place in found)


@each_tally
@settings(max_examples=100, deadline=None)
@given(row=SCORES, moves=st.lists(st.integers(-7, 7), min_size=CLASSES, max_size=CLASSES))
def test_scores_that_move_by_less_than_half_the_margin_are_counted_in_the_same_slots(
    variant: Variant, row: list[float], moves: list[int]
):
    scores = torch.tensor([row], dtype=torch.float64)
    margin = variant.tally.margin(scores)
    assert margin.shape == (1,)
    assert margin > 0
    moved = scores + torch.tensor([moves], dtype=torch.float64) / 16 * margin.double()
    assert set(variant.tally.places(moved)[0].tolist()) == variant.truth(row)


@each_tally
@settings(max_examples=100, deadline=None)
@given(row=SCORES, share=st.integers(0, 40))
@example(row=[2.0, 1.5, 1.0, 0.5, 0.0], share=4)  # just as far apart
def test_a_row_is_void_where_its_margin_is_within_the_tolerance(variant: Variant, row: list[float], share: int):
    scores = torch.tensor([row])
    near = float(variant.tally.margin(scores)[0]) <= share / 16 * max(abs(score) for score in row)
    assert ((variant.tally.counted(scores, share / 16) == -1).all() == (near and share > 0)).item()


@each_tally
@settings(max_examples=100, deadline=None)
@given(draws=st.lists(SCORES | st.none(), min_size=1, max_size=12))
def test_counts_of_draws_hold_and_tell_how_many_were_void(variant: Variant, draws: list[list[float] | None]):
    counts = [0] * variant.tally.slots(CLASSES)
    for row in draws:
        for place in variant.truth(row) if row is not None else ():
            counts[place] += 1
    n = len(draws)
    assert variant.tally.holds(counts, n)
    assert variant.tally.void(counts, n) == draws.count(None)
    assert draws.count(None) > 0 or not variant.tally.holds(counts, n - 1)  # fewer draws cannot give them
    assert variant.tally.check(np.array(counts), n).tolist() == counts


@each_tally
def test_counts_that_no_draws_can_give_are_refused(variant: Variant):
    for counts in variant.impossible:
        with pytest.raises(ValueError, match=re.escape(f"votes must be {variant.tally.rule(10)}, got {counts}")):
            variant.tally.check(np.array(counts), 10)
    with pytest.raises(ValueError, match="votes must be"):
        variant.tally.check(np.array([[1, 1, 0, 0, 0]]), 10)


def test_the_default_leaves_no_trace_and_another_is_read_back():
    assert (in_meaning(CLASS_VOTES), in_meaning(Certify().tally), tally_of({})) == ({}, {}, CLASS_VOTES)
    assert in_meaning(AmongLargest(3)) == {"tally": {"name": "among-largest", "k": 3}}
    assert tally_of(in_meaning(AmongLargest(3))) == AmongLargest(3)
    with pytest.raises(ValueError, match="unknown tally 'among-larges'; did you mean 'among-largest'"):
        tally_of({"tally": {"name": "among-larges"}})


def base(x: torch.Tensor) -> torch.Tensor:
    """Scores of exact integers, and an eighth or more apart; some rows are no numbers."""
    flat = (x * 255).round().flatten(1)
    scores = torch.stack([flat[:, i] - 2 * flat[:, 5 - i] + i / 8 for i in range(CLASSES)], dim=1)
    scores[flat[:, 5] < -50] = torch.nan
    return scores


@pytest.fixture
def backend():
    made = TorchBackend(base, num_classes=CLASSES, noise=NOISE, shape=SHAPE, batch_size=32, workers=2)
    yield made
    made.close()


INPUTS = [np.random.default_rng(i).integers(0, 256, SHAPE, dtype=np.uint8) for i in range(4)]


def manifest(procedure: Procedure, tally: Tally) -> Manifest:
    table = {"noise": NOISE.config(), "procedure": procedure.config(), "seed": 7, "model": {"num_classes": CLASSES}}
    return Manifest("certify", table | in_meaning(tally), "0.1.0")


def draw(out: Path, backend: TorchBackend, procedure: Procedure) -> None:
    """A run: the engine draws, the folder keeps."""
    with RunFolder(out, manifest(procedure, procedure.tally)) as folder:
        folder.begin(backend.environment(), {})
        tasks = [Task(input_key(x), x) for x in INPUTS]
        for event in Engine(backend, NOISE, 7).run(procedure, tasks):
            if isinstance(event, Drawn):
                folder.add_range(event.task.key, event.stage, Range(event.first, event.n, event.votes, 0.0))
            if isinstance(event, Finished):
                index = [task.key for task in tasks].index(event.task.key)
                folder.add_record(event.task.key, index, 0, event.requests, event.outcome)


@each_tally
def test_a_whole_run_is_counted_kept_verified_and_drawn_again(variant: Variant, backend: TorchBackend, tmp_path: Path):
    draw(tmp_path / "run", backend, variant.procedure)
    found = read_run(tmp_path / "run")
    held = verify(tmp_path / "run")
    slow = [slow_counts(variant, x) for x in INPUTS]
    for record, x, (counts, void) in zip(found.records, INPUTS, slow, strict=True):
        assert np.sum([answer.votes for answer in record.answers], axis=0).tolist() == counts
        assert record.void == void
        assert replay(variant.procedure, NOISE, record.answers) == record.outcome
        requests = [(answer.stage, answer.n) for answer in record.answers]
        again = Engine(backend, NOISE, 7).draw([(Task(record.key, x), requests)], found.procedure.tally)
        assert tuple(answer for _, answer in again) == record.answers
    assert (held.records, held.draws, held.void) == (4, 1200, sum(void for _, void in slow))
    assert held.void > 0


def slow_counts(variant: Variant, x: np.ndarray) -> tuple[list[int], int]:
    """The counts of 300 draws of an input and how many were void, draw by draw."""
    from noiseproof.noises.words import Words

    counts, void = [0] * variant.tally.slots(CLASSES), 0
    for i in range(300):
        stage = next(variant.procedure.run(NOISE)).stage
        noisy = NOISE.perturb(x, Words(7, input_key(x), stage), i, 1)
        scores = base(torch.from_numpy(noisy.astype(np.float32) / np.float32(255)))[0].tolist()
        if not np.isfinite(scores).all():
            void += 1
            continue
        for place in variant.truth(scores):
            counts[place] += 1
    return counts, void


def test_the_store_refuses_what_the_tally_cannot_have_counted(tmp_path: Path):
    with RunFolder(tmp_path / "run", manifest(OTHER.procedure, OTHER.tally)) as folder:
        folder.begin({}, {})
        folder.add_range("k-0", "often", Range(0, 10, (9, 9, 1, 1, 0), 0.0))  # more than ten votes of ten draws
        with pytest.raises(RunError, match=re.escape("10 draws of input k-0 cannot give the votes [11, 9, 0, 0, 0]")):
            folder.add_range("k-0", "often", Range(10, 10, (11, 9, 0, 0, 0), 0.0))
    with RunFolder(tmp_path / "plain", manifest(Predict(n=300), CLASS_VOTES)) as folder:
        folder.begin({}, {})
        with pytest.raises(RunError, match="cannot give the votes"):
            folder.add_range("k-0", "predict", Range(0, 10, (9, 9, 1, 1, 0), 0.0))


def test_verify_refuses_a_run_whose_manifest_names_another_tally_than_its_procedure(tmp_path: Path):
    for name, tally in (("none", CLASS_VOTES), ("other", replace(OTHER.tally, k=1))):
        with RunFolder(tmp_path / name, manifest(OTHER.procedure, tally)) as folder:
            folder.begin({}, {})
        text = f"its draws count {tally}, but its procedure asks for {OTHER.tally}"
        with pytest.raises(VerificationError, match=re.escape(text)):
            verify(tmp_path / name)


def test_a_run_that_counts_what_nobody_knows_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with RunFolder(tmp_path / "run", manifest(OTHER.procedure, OTHER.tally)) as folder:
        folder.begin({}, {})
    monkeypatch.setattr(TALLIES, "_known", {"votes": ClassVotes})
    for read in (read_run, verify):
        read_it: Callable[[Path], Any] = read
        with pytest.raises(RunError, match="its meaning is none this version knows"):
            read_it(tmp_path / "run")

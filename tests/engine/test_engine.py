"""The engine with a backend that only counts: full batches, every draw once, the same counts however packed."""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noiseproof.engine import Drawn, Engine, Finished, Segment, Task
from noiseproof.engine.engine import allot
from noiseproof.noises import Gaussian
from noiseproof.procedures import Certify, Decide, Predict, Procedure, Sequential
from noiseproof.tallies import CLASS_VOTES, ClassVotes, Tally
from noiseproof.types import Answer, Draw, Prediction

CLASSES = 3
LONGEST = 2000
NOISE = Gaussian(sigma=0.5)


class Other(ClassVotes):
    """A tally of its own, which the backend below does not count by."""


TALLY = Other()


@cache
def classes_of(key: str, stage: str) -> np.ndarray:
    """What draw i of a stage of an input votes: mostly one class; 3 stands for void."""
    seed = int.from_bytes(hashlib.sha256(f"{key} {stage[0]}".encode()).digest()[:8], "big")
    generator = np.random.default_rng(seed)
    p = [0.02, 0.02, 0.93, 0.03] if key.startswith("easy") else [0.2, 0.1, 0.65, 0.05]
    return generator.choice(CLASSES + 1, LONGEST, p=p)


def votes_of(key: str, stage: str, first: int, n: int) -> tuple[int, ...]:
    votes = np.bincount(classes_of(key, stage)[first : first + n], minlength=CLASSES + 1)
    return tuple(int(count) for count in votes[:CLASSES])


@dataclass
class FakeBackend:
    """Votes by arithmetic; notes every batch, and how many were under way when one was waited for."""

    batch_size: int = 16
    depth: int = 2
    most_segments: int = 1000
    fail_at: int = -1
    batches: list[list[tuple[str, str, int, int]]] = field(default_factory=list)
    waited_with: list[int] = field(default_factory=list)
    order: list[str] = field(default_factory=list)
    tallies: list[Tally] = field(default_factory=list)
    under_way: deque[int] = field(default_factory=deque)

    def submit(self, segments: list[Segment], tally: Tally = CLASS_VOTES) -> _Pending:
        self.batches.append([(s.words.key, s.words.stage, s.first, s.n) for s in segments])
        self.order.append("submit")
        self.tallies.append(tally)
        self.under_way.append(len(self.batches) - 1)
        return _Pending(self, len(self.batches) - 1)

    def close(self) -> None:
        pass

    def environment(self) -> dict[str, Any]:
        return {}

    def rows(self, batch: int) -> int:
        return sum(n for *_, n in self.batches[batch])


@dataclass
class _Pending:
    backend: FakeBackend
    batch: int

    def result(self) -> np.ndarray:
        self.backend.waited_with.append(len(self.backend.under_way))
        self.backend.order.append("wait")
        assert self.backend.under_way.popleft() == self.batch, "batches are waited for in order"
        if self.batch == self.backend.fail_at:
            raise RuntimeError("the device is gone")
        return np.array([votes_of(*segment) for segment in self.backend.batches[self.batch]], dtype=np.int64)


@dataclass(frozen=True)
class BackAndForth(Procedure):
    """Asks two stages in turn, how often depends on the votes: the engine must not assume CERTIFY's shape."""

    alpha: float = 0.001
    name: ClassVar[str] = "back and forth"

    def run(self, noise, label=None):
        wins = 0
        for turn in range(6):
            votes = yield Draw("ab"[turn % 2], 5 + 7 * turn)
            wins += int(votes[2] > votes[0])
            if wins == 3:
                break
        return Prediction(wins, float(votes.sum()))

    @property
    def most_draws(self) -> int:
        return 135


PROCEDURES = [Certify(n0=10, n=250), Certify(n0=150, n=1100, two_sided=True), Predict(n=130), BackAndForth()]


def tasks(count: int) -> list[Task]:
    return [Task(f"k-{i}", np.zeros((1, 2, 2), np.uint8)) for i in range(count)]


def run(backend: FakeBackend, procedure: Procedure, served, seed: int = 0) -> list[Drawn | Finished]:
    return list(Engine(backend, NOISE, seed).run(procedure, served))


def truth(procedure: Procedure, key: str) -> tuple[list[tuple[str, int]], object]:
    """The procedure served alone, one request at a time."""
    asking = procedure.run(NOISE)
    request, requests, begins = next(asking), [], {}
    while True:
        requests.append((request.stage, request.n))
        first = begins.get(request.stage, 0)
        begins[request.stage] = first + request.n
        try:
            request = asking.send(np.array(votes_of(key, request.stage, first, request.n)))
        except StopIteration as done:
            return requests, done.value


def check_ranges(events: list[Drawn | Finished], known: dict[str, dict[str, int]] | None = None) -> None:
    """Ranges of an input tile, in order, within its requests, hold the right votes, and come before its end."""
    at: dict[tuple[str, str], int] = {}
    done: set[str] = set()
    for key, stages in (known or {}).items():
        at |= {(key, stage): n for stage, n in stages.items()}
    ranges: dict[str, list[Drawn]] = {}
    for event in events:
        key = event.task.key
        assert key not in done, "its end is the last of an input"
        if isinstance(event, Drawn):
            first = at.get((key, event.stage), 0)
            assert event.first == first
            assert event.n > 0
            assert event.votes == votes_of(key, event.stage, first, event.n)
            assert all(type(count) is int for count in event.votes)
            at[key, event.stage] = first + event.n
            ranges.setdefault(key, []).append(event)
        else:
            done.add(key)
            edges: dict[str, list[int]] = {}
            for stage, n in event.requests:
                edges.setdefault(stage, [0]).append(edges.get(stage, [0])[-1] + n)
            for stage, stage_edges in edges.items():
                assert at[key, stage] == stage_edges[-1], "all its ranges came before"
                for drawn in ranges.get(key, []):
                    if drawn.stage == stage:
                        inside = [
                            a for a, b in pairwise(stage_edges) if a <= drawn.first and drawn.first + drawn.n <= b
                        ]
                        assert len(inside) == 1, "a range straddles no request"


def outcomes(events: list[Drawn | Finished]) -> dict[str, tuple[list[tuple[str, int]], object]]:
    return {event.task.key: (event.requests, event.outcome) for event in events if isinstance(event, Finished)}


@pytest.fixture(params=["at the end of a request", "after every batch"])
def handed_out(request, monkeypatch):
    monkeypatch.setattr("noiseproof.engine.lane.KEEP_EVERY", 60.0 if "end" in request.param else -1.0)


@pytest.mark.parametrize("procedure", PROCEDURES, ids=repr)
@pytest.mark.parametrize(("batch_size", "depth"), [(1, 1), (7, 3), (64, 2), (5000, 4)])
@pytest.mark.usefixtures("handed_out")
def test_every_draw_is_asked_for_once_and_the_outcome_is_that_of_each_input_alone(procedure, batch_size, depth):
    backend = FakeBackend(batch_size, depth)
    events = run(backend, procedure, tasks(5))
    check_ranges(events)
    assert outcomes(events) == {f"k-{i}": truth(procedure, f"k-{i}") for i in range(5)}
    asked = sorted(segment for batch in backend.batches for segment in batch)
    for (key, stage, first, n), after in pairwise([*asked, ("", "", 0, 0)]):
        assert after[2] == (first + n if after[:2] == (key, stage) else 0)
        assert n > 0
    assert sum(n for *_, n in asked) == sum(n for requests, _ in outcomes(events).values() for _, n in requests)


@settings(max_examples=60, deadline=None)
@given(
    procedure=st.sampled_from(PROCEDURES),
    batch_size=st.integers(1, 300),
    depth=st.integers(1, 5),
    order=st.permutations(range(6)),
    count=st.integers(1, 6),
    eager=st.booleans(),
)
def test_counts_do_not_depend_on_batch_size_depth_order_or_company(procedure, batch_size, depth, order, count, eager):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("noiseproof.engine.lane.KEEP_EVERY", -1.0 if eager else 60.0)
        served = [tasks(6)[i] for i in order][:count]
        backend = FakeBackend(batch_size, depth)
        events = run(backend, procedure, served)
    check_ranges(events)
    assert outcomes(events) == {task.key: truth(procedure, task.key) for task in served}
    assert max(map(backend.rows, range(len(backend.batches)))) <= batch_size
    assert max(backend.waited_with) <= depth


@settings(max_examples=60, deadline=None)
@given(
    procedure=st.sampled_from(PROCEDURES),
    batch_size=st.integers(1, 120),
    depth=st.integers(1, 3),
    cuts=st.lists(st.integers(0, 60), min_size=4, max_size=4),
    again=st.integers(1, 120),
)
def test_what_is_known_is_not_drawn_again_and_leads_to_the_same(procedure, batch_size, depth, cuts, again):
    """Stop every input after some of its ranges, and go on from there with another batch size."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("noiseproof.engine.lane.KEEP_EVERY", -1.0)
        served = tasks(4)
        whole = run(FakeBackend(batch_size, depth), procedure, served)
        resumed = []
        for task, cut in zip(served, cuts, strict=True):
            drawn: dict[str, list[tuple[int, int, tuple[int, ...]]]] = {}
            mine = [event for event in whole if isinstance(event, Drawn) and event.task.key == task.key]
            for event in mine[:cut]:
                drawn.setdefault(event.stage, []).append((event.first, event.n, event.votes))
            resumed.append(Task(task.key, task.x, drawn))
        backend = FakeBackend(again, depth)
        events = run(backend, procedure, resumed)
    known = {
        task.key: {stage: sum(n for _, n, _ in ranges) for stage, ranges in task.drawn.items()} for task in resumed
    }
    check_ranges(events, known)
    assert outcomes(events) == outcomes(whole)
    drawn_now = sum(backend.rows(batch) for batch in range(len(backend.batches)))
    needed = sum(n for requests, _ in outcomes(whole).values() for _, n in requests)
    assert drawn_now == needed - sum(n for stages in known.values() for n in stages.values())


def test_an_input_of_which_everything_is_known_is_finished_without_a_batch():
    procedure = Certify(n0=10, n=100)
    drawn = {stage: [(0, n, votes_of("k-0", stage, 0, n))] for stage, n in (("select", 10), ("estimate", 100))}
    backend = FakeBackend()
    events = run(backend, procedure, [Task("k-0", tasks(1)[0].x, drawn)])
    assert outcomes(events) == {"k-0": truth(procedure, "k-0")}
    assert len(events) == 1
    assert backend.batches == []


def test_nothing_to_serve():
    assert run(FakeBackend(), PROCEDURES[0], []) == []


@pytest.mark.parametrize(("batch_size", "depth"), [(7, 1), (16, 2), (64, 3), (1000, 2)])
def test_batches_are_full_while_there_is_work(batch_size, depth):
    """A batch goes out part-filled only when nothing waits and nothing under way could fill it."""
    served = iter(tasks(12))
    backend = FakeBackend(batch_size, depth)
    left_at: list[tuple[int, int]] = []  # per submit: batches under way just before, tasks not begun
    submit = backend.submit

    def noting(segments, tally):
        assert sum(s.n for s in segments) == batch_size or (not backend.under_way and exhausted), "a batch has holes"
        left_at.append((len(backend.under_way), int(exhausted)))
        return submit(segments, tally)

    exhausted = False

    def feed():
        nonlocal exhausted
        yield from served
        exhausted = True

    backend.submit = noting  # type: ignore[method-assign]
    run(backend, Certify(n0=10, n=250), feed())
    assert [backend.rows(i) for i in range(len(left_at))].count(batch_size) >= len(left_at) - 4 * depth - 8


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_as_many_batches_as_the_backend_wants_are_under_way(depth):
    backend = FakeBackend(16, depth)
    begun: list[int] = []

    def feed():
        for task in tasks(10):
            begun.append(len(backend.waited_with))
            yield task

    run(backend, Certify(n0=10, n=250), feed())
    while_there_are_inputs = backend.waited_with[: begun[-1]]
    assert len(while_there_are_inputs) > 50
    assert set(while_there_are_inputs) == {depth}
    assert max(backend.waited_with) == depth


def test_an_input_is_begun_only_when_those_before_it_leave_rows_free():
    """One input of 1100 draws fills 16 rows for long: the data set must not be read ahead."""
    backend = FakeBackend(16, 2)
    begun: list[int] = []

    def feed():
        for task in tasks(3):
            begun.append(sum(backend.rows(batch) for batch in range(len(backend.batches))))
            yield task

    run(backend, Certify(n0=16, n=1104), feed())
    assert begun[0] == 0
    assert begun[2] > 900


def test_votes_of_a_long_request_are_handed_out_on_the_way(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    backend = FakeBackend(10, 1)
    served = Engine(backend, NOISE, 0).run(Certify(n0=10, n=100), tasks(1))
    events = []
    for event in served:
        events.append(event)
        if isinstance(event, Drawn) and event.stage == "select":
            break
    wait = _Pending.result

    def slow(pending):
        clock[0] += 0.45
        return wait(pending)

    monkeypatch.setattr(_Pending, "result", slow)
    events += list(served)
    check_ranges(events)
    estimate = [event for event in events if isinstance(event, Drawn) and event.stage == "estimate"]
    assert [drawn.n for drawn in estimate] == [30, 30, 30, 10]  # every 3 batches of .45 s are more than a second
    assert sum(drawn.seconds for drawn in estimate) == pytest.approx(10 * 0.45)


def test_the_seconds_of_a_shared_batch_are_split_by_draws(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    wait = _Pending.result

    def slow(pending):
        clock[0] += 1.0
        return wait(pending)

    monkeypatch.setattr(_Pending, "result", slow)
    backend = FakeBackend(40, 1)
    events = run(backend, Predict(n=30), tasks(4))
    seconds = {event.task.key: 0.0 for event in events}
    for event in events:
        if isinstance(event, Drawn):
            seconds[event.task.key] += event.seconds
    assert seconds == pytest.approx({f"k-{i}": 30 / 40 for i in range(4)})


@pytest.mark.parametrize("fail_at", [0, 3, 11])
def test_a_failing_batch_reaches_the_caller_and_what_came_before_is_not_lost(fail_at):
    backend = FakeBackend(16, 3, fail_at=fail_at)
    events = []
    with pytest.raises(RuntimeError, match="the device is gone"):  # noqa: PT012
        for event in Engine(backend, NOISE, 0).run(Certify(n0=10, n=100), tasks(5)):
            events.append(event)
    check_ranges([event for event in events if isinstance(event, Drawn)])
    assert len(backend.waited_with) == fail_at + 1
    if fail_at == 11:
        assert outcomes(events) == {"k-0": truth(Certify(n0=10, n=100), "k-0")}


def test_a_failing_input_reaches_the_caller():
    def feed():
        yield tasks(1)[0]
        raise OSError("the picture cannot be read")

    with pytest.raises(OSError, match="the picture cannot be read"):
        run(FakeBackend(1000), Predict(n=30), feed())


def test_words_are_keyed_by_seed_key_and_stage():
    seen = []
    backend = FakeBackend(1000)
    submit = backend.submit
    backend.submit = lambda segments, _: seen.extend(s.words for s in segments) or submit(segments)  # type: ignore
    run(backend, Certify(n0=10, n=100), tasks(2), seed=77)
    assert {(w.seed, w.key, w.stage) for w in seen} == {
        (77, f"k-{i}", stage) for i in range(2) for stage in ("select", "estimate")
    }


# a budget


def within(budget: int, tasks: list[Task], procedure: Procedure | None = None, **options: Any):
    """Outcomes and draws by key, and the events, of a run under a budget."""
    backend = FakeBackend(**options)
    asked = procedure or Decide(radius=0.05, first_look=20, n_max=1500)
    events = list(Engine(backend, NOISE).run(asked, tasks, budget))
    ends = {event.task.key: event for event in events if isinstance(event, Finished)}
    draws = {key: sum(n for _, n in end.requests) for key, end in ends.items()}
    return {key: end.outcome for key, end in ends.items()}, draws, events


def inputs(count: int) -> list[Task]:
    """Every other one is easy."""
    return [Task(f"{('easy', 'hard')[i % 2]} {i}", np.zeros(1, np.uint8)) for i in range(count)]


def test_a_budget_is_kept_and_spent():
    whole = within(10**9, inputs(20))[1]
    for budget in (400, 1000, 2500):
        outcomes, draws, _ = within(budget, inputs(20))
        assert len(outcomes) == 20
        assert budget - 1500 / 3 <= sum(draws.values()) <= budget
        assert all(draws[key] <= whole[key] for key in draws)
    assert within(10**9, inputs(20))[0] == {
        event.task.key: event.outcome
        for event in Engine(FakeBackend(), NOISE).run(Decide(radius=0.05, first_look=20, n_max=1500), inputs(20))
        if isinstance(event, Finished)
    }


def test_a_budget_decides_more_than_equal_shares():
    decided = sum(outcome.answer == "certified" for outcome in within(3000, inputs(20))[0].values())
    equal = [
        event.outcome.answer
        for event in Engine(FakeBackend(), NOISE).run(Decide(radius=0.05, first_look=20, n_max=150), inputs(20))
        if isinstance(event, Finished)
    ]
    assert decided > equal.count("certified") > 0


@pytest.mark.parametrize("options", [{"batch_size": 7}, {"batch_size": 200}, {"depth": 5}])
def test_who_draws_under_a_budget_does_not_depend_on_packing(options):
    assert within(1000, inputs(20), **options)[:2] == within(1000, inputs(20))[:2]


def test_a_budget_is_resumed_from_the_draws_that_are_known():
    """Known draws are spent again in the same rounds; only the others are made."""
    outcomes, draws, events = within(1000, inputs(12))
    known = [event for event in events if isinstance(event, Drawn)][:17]
    tasks = [
        Task(task.key, task.x, {"decide": [(e.first, e.n, e.votes) for e in known if e.task.key == task.key]})
        for task in inputs(12)
    ]
    again = within(1000, tasks)
    assert again[:2] == (outcomes, draws)
    made = [event for event in again[2] if isinstance(event, Drawn)]
    assert sum(event.n for event in made) == sum(draws.values()) - sum(event.n for event in known)


def test_a_budget_that_cannot_be_kept_is_refused():
    with pytest.raises(ValueError, match=r"^budget must be >= 400, one look at each of 20 inputs, got 399$"):
        within(399, inputs(20))
    with pytest.raises(ValueError, match="budget needs a procedure that may end at any look"):
        within(500, inputs(3), Certify(n0=10, n=1000))


def test_a_budget_for_full_radii():
    outcomes, draws, _ = within(3000, inputs(6), Sequential(n0=10, n_max=1500, first_look=50))
    assert sum(draws.values()) <= 3000
    assert [outcome.radius > 0 for key, outcome in outcomes.items() if key.startswith("easy")] == [True] * 3


def test_the_nearest_to_a_decision_draw_first():
    assert allot([(500, 100), (100, 100), (900, 300)], 650) == [1, 0]
    assert allot([(100, 100), (100, 100)], 100) == [0]  # ties in the order of the inputs
    assert allot([(900, 300), (800, 200)], 250) == [1]  # none will be decided: one look at the nearest
    assert allot([(900, 300)], 299) == []


def test_draws_without_a_procedure_are_those_of_one_request_after_another():
    backend = FakeBackend(batch_size=16)
    requests = {"k-0": [("a", 20), ("b", 7), ("a", 5)], "k-1": [("a", 40)], "k-2": []}
    wanted = [(task, requests[task.key]) for task in tasks(3)]
    found: dict[str, list[Answer]] = {}
    for task, answer in Engine(backend, NOISE).draw(wanted):
        found.setdefault(task.key, []).append(answer)
    assert found == {
        "k-0": [
            Answer("a", 20, votes_of("k-0", "a", 0, 20)),
            Answer("b", 7, votes_of("k-0", "b", 0, 7)),
            Answer("a", 5, votes_of("k-0", "a", 20, 5)),
        ],
        "k-1": [Answer("a", 40, votes_of("k-1", "a", 0, 40))],
    }


def test_draws_of_many_inputs_fill_batches_and_are_counted_by_the_tally_asked_for():
    backend = FakeBackend(batch_size=16, depth=3)
    drawn = list(Engine(backend, NOISE).draw([(task, [("pilot", 8)]) for task in tasks(10)], TALLY))
    assert [task.key for task, _ in drawn] == [f"k-{i}" for i in range(10)]
    assert [backend.rows(i) for i in range(len(backend.batches))] == [16] * 5
    assert set(backend.tallies) == {TALLY}
    list(Engine(backend, NOISE).run(Predict(n=11), tasks(1)))
    assert backend.tallies[-1] == CLASS_VOTES


def test_a_warm_up_is_a_full_batch_a_worker():
    backend = FakeBackend(batch_size=16, depth=5)
    Engine(backend, NOISE).warm_up(np.zeros((1, 2, 2), np.uint8))
    assert [backend.rows(i) for i in range(len(backend.batches))] == [16, 16]

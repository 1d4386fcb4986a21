"""Who draws what: a crew of actors that die, fail, dawdle, differ and come late, on a clock of its own."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import sha256
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from noiseproof.engine import Drawn, Engine, Finished, OutOfMemoryError, Task
from noiseproof.errors import ModelError
from noiseproof.noises import Gaussian
from noiseproof.procedures import Certify, Decide
from noiseproof.runners.executors import crew as crew_module
from noiseproof.runners.executors.crew import TRIES, Crew
from noiseproof.runners.executors.fleet import ActorLostError, CallFailedError, Hello

CLASSES = 3
ENVIRONMENT = {
    "device": "cpu",
    "backend": "torch 2",
    "precision": "fp32",
    "batch_size": 50,
    "workers": 2,
    "version": "1",
}
HELLO = Hello(ENVIRONMENT, "d" * 64, 0.0, "", 500.0, "node")  # so a piece has a thousand rows
NOISE = Gaussian(sigma=0.5).on((1, 2, 2))


@cache
def winner(key: str, stage: str, ten: int) -> int:
    """Of ten draws of a stage."""
    word = sha256(f"{key} {stage} {ten}".encode()).digest()[0]
    return 0 if word < 200 else 1 if word < 240 else 2


def votes(segment: Any) -> list[int]:
    """Votes as a model casts them: a function of key, stage and draw alone."""
    counts = [0] * CLASSES
    draw, end = segment.first, segment.first + segment.n
    while draw < end:
        n = min(end, 10 * (draw // 10 + 1)) - draw
        counts[winner(segment.words.key, segment.words.stage, draw // 10)] += n
        draw += n
    return counts


@dataclass
class Simulated:
    """A fleet whose actors are told what to do, on a clock that jumps from answer to answer."""

    size: int = 2
    says: Callable[[int], Hello | Exception] = lambda number: HELLO
    draws: Callable[[int, Any], Any] = lambda number, segments: None  # an error, or seconds
    starts: float = 1.0
    now: float = 0.0
    needs = "a core"
    hired: int = 0
    dismissed: set[int] = field(default_factory=set)
    calls: list[tuple[int, int, list[Any]]] = field(default_factory=list)
    _answers: dict[int, Any] = field(default_factory=dict)
    _due: list[tuple[float, int]] = field(default_factory=list)
    _busy: dict[int, float] = field(default_factory=dict)
    _of: dict[int, int] = field(default_factory=dict)
    _numbers: Any = field(default_factory=itertools.count)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def capacity(self) -> int:
        return self.size

    def hire(self) -> tuple[int, int]:
        actor = self.hired
        self.hired += 1
        return actor, self._call(actor, self.says(actor), self.starts)

    def draw(self, actor: int, segments: Any, tally: Any, tolerance: float, clean: Any) -> int:
        said = self.draws(actor, segments)
        rows = sum(segment.n for segment in segments)
        seconds = said if isinstance(said, float) else rows / 500
        classes = [int(segments[place].words.key[3:]) % CLASSES for place in clean]
        counts = np.array([votes(each) for each in segments])
        answer = said if isinstance(said, Exception) else (counts, seconds, classes)
        call = self._call(actor, answer, seconds)
        self.calls.append((call, actor, list(segments)))
        return call

    def _call(self, actor: int, answer: Any, seconds: float) -> int:
        call = next(self._numbers)
        begins = max(self.now, self._busy.get(actor, 0.0))
        self._busy[actor] = begins + seconds
        self._answers[call], self._of[call] = answer, actor
        heapq.heappush(self._due, (begins + seconds, call))
        if isinstance(answer, ActorLostError):  # with it all that it has, now and later
            for due, other in list(self._due):
                if self._of[other] == actor and due > begins:
                    self._due[self._due.index((due, other))] = (begins + seconds, other)
            heapq.heapify(self._due)
        return call

    def wait(self, calls: Any, seconds: float) -> list[int]:
        until = self.now + seconds
        ready = []
        wanted = set(calls)
        while self._due and (self._due[0][0] <= until if not ready else self._due[0][0] <= self.now):
            due, call = heapq.heappop(self._due)
            if call in wanted:
                self.now = max(self.now, due)
                ready.append(call)
        self.now = self.now if ready else until
        return ready

    def answer(self, call: int) -> Any:
        answer = self._answers[call]
        lost = [self._answers[c] for c in self._of if self._of[c] == self._of[call] and c < call]
        if any(isinstance(each, ActorLostError) for each in lost):
            raise ActorLostError("with another")
        if isinstance(answer, Exception):
            raise answer
        return answer

    def dismiss(self, actor: int) -> None:
        self.dismissed.add(actor)


@pytest.fixture
def made(monkeypatch) -> Callable[..., tuple[Simulated, Crew]]:
    def make(*, at_most: int | None = None, leave_out: bool = True, **settings: Any) -> tuple[Simulated, Crew]:
        fleet = Simulated(**settings)
        monkeypatch.setattr(crew_module, "time", fleet)
        return fleet, Crew(fleet, CLASSES, at_most=at_most, leave_out=leave_out)

    return make


def tasks(count: int = 8) -> list[Task]:
    return [Task(f"key{i}", np.zeros((1, 2, 2), dtype=np.int16), index=i) for i in range(count)]


def served(crew: Crew, procedure: Any = None, count: int = 8, budget: int | None = None) -> dict[str, Any]:
    """What came of each input, after checking that its ranges tile."""
    crew.gather()
    ends: dict[str, Any] = {}
    drawn: dict[tuple[str, str], int] = {}
    asked = procedure or Certify(n0=100, n=5000)
    for event in Engine(crew, NOISE).run(asked, tasks(count), budget):
        key = event.task.key
        if isinstance(event, Drawn):
            assert drawn.get((key, event.stage), 0) == event.first
            assert list(event.votes) == votes(replace_segment(key, event))
            drawn[key, event.stage] = event.first + event.n
        else:
            assert isinstance(event, Finished)
            assert key not in ends
            assert crew.with_clean(event).task.clean == event.task.index % CLASSES
            ends[key] = event.outcome
    return ends


def replace_segment(key: str, event: Drawn) -> Any:
    from noiseproof.engine import Segment
    from noiseproof.noises import Words

    return Segment(np.zeros(1), Words(0, key, event.stage), event.first, event.n)


@pytest.fixture
def undisturbed(made) -> dict[str, Any]:
    return served(made(size=1)[1])


def test_pieces_are_of_two_seconds_in_whole_batches_and_two_wait_at_an_actor(made, undisturbed):
    fleet, crew = made(size=3)
    assert served(crew) == undisturbed
    assert crew.batch_size == 1000
    rows = [sum(segment.n for segment in segments) for _, _, segments in fleet.calls]
    assert max(rows) == 1000
    assert sorted(rows)[len(rows) // 2] == 1000
    assert {actor for _, actor, _ in fleet.calls} == {0, 1, 2}
    total = sum(rows) / 500
    assert total / 3 < fleet.now < total / 3 + 6  # all three were busy all the time
    # one input was drawn by several
    assert len({actor for _, actor, segments in fleet.calls for each in segments if each.words.key == "key3"}) > 1


def test_an_actor_that_ends_is_replaced_and_its_draws_are_made_again(made, undisturbed, caplog):
    died = []

    def draws(actor: int, segments: Any) -> Any:
        if actor in (0, 3) and actor not in died and len(fleet.calls) > 5:
            died.append(actor)
            return ActorLostError("killed")
        return None

    fleet, crew = made(size=2, draws=draws)
    assert served(crew) == undisturbed
    assert died
    assert fleet.hired == 2 + len(died)
    assert crew.left_out == {}


def test_a_try_is_charged_to_what_ran_not_to_what_waited_behind(made, undisturbed):
    """Poison kills every actor that draws it: nothing that only waited there is left out, however often."""

    def draws(actor: int, segments: Any) -> Any:
        return ActorLostError("segfault") if any(each.words.key == "key2" for each in segments) else None

    fleet, crew = made(size=2, draws=draws)
    ends = served(crew)
    assert ends == {key: outcome for key, outcome in undisturbed.items() if key != "key2"}
    assert set(crew.left_out) == {"key2"}
    assert "3 tries of its draws 0 to 99 failed: segfault" in crew.left_out["key2"]
    alone = [segments for _, _, segments in fleet.calls if any(each.words.key == "key2" for each in segments)]
    assert len(alone) == TRIES


def test_draws_that_fail_are_tried_by_others_first(made, undisturbed):
    def draws(actor: int, segments: Any) -> Any:
        return CallFailedError("ECC error") if actor == 0 and len(fleet.calls) % 3 == 0 else None

    fleet, crew = made(size=3, draws=draws)
    assert served(crew) == undisturbed
    assert crew.left_out == {}


def test_a_base_classifier_that_fails_on_everything_ends_the_run(made):
    _, crew = made(draws=lambda actor, segments: CallFailedError("no such operator"))
    with pytest.raises(ModelError, match=r"the run cannot go on: input key key\d: 3 tries of its draws 0 to 99 failed"):
        served(crew)


def test_with_a_budget_nothing_is_left_out(made):
    def draws(actor: int, segments: Any) -> Any:
        return CallFailedError("poison") if any(each.words.key == "key2" for each in segments) else None

    _, crew = made(draws=draws, leave_out=False)
    with pytest.raises(ModelError, match="the run cannot go on: input key key2"):
        served(crew, Decide(radius=0.25), budget=20_000)


def test_a_budget_gives_the_same_for_any_number_of_actors(made):
    ends = [served(made(size=size)[1], Decide(radius=0.25), budget=9_000) for size in (1, 2, 5)]
    assert ends[0] == ends[1] == ends[2]
    assert len(ends[0]) == 8


def once(actor: int, after: int, what: Any) -> Callable[[int, Any], Any]:
    """What an actor does with one piece, the first that it is handed after so many of its own."""
    seen = itertools.count()
    return lambda number, segments: what if number == actor and next(seen) == after else None


def test_what_a_slow_actor_takes_too_long_for_is_drawn_twice_and_compared(made, undisturbed):
    fleet, crew = made(size=3, draws=once(0, 3, 1000.0))
    assert served(crew) == undisturbed
    assert fleet.now < 60
    by = [tuple((each.words.key, each.words.stage, each.first) for each in segments) for _, _, segments in fleet.calls]
    assert len(by) > len(set(by))
    _, crew = made(size=3, draws=once(0, 3, 25.0))
    served(crew, count=30)
    assert crew.twice > 0


def test_counts_that_come_twice_and_differ_end_the_run(made):
    fleet, crew = made(size=3, draws=once(0, 3, 25.0))
    answer = fleet.answer

    def wrong(call: int) -> Any:
        """It counts one vote for another class, after a long while."""
        said = answer(call)
        if call > 2 and said[1] == 25.0:
            said[0][0, [0, 1]] = said[0][0, [1, 0]]
        return said

    fleet.answer = wrong
    with pytest.raises(
        ModelError, match=r"the same draws \(input key key\d, '\w+', from \d+ on\) voted differently on"
    ):
        served(crew, count=30)


def test_an_actor_that_fails_again_and_again_is_replaced_and_nothing_is_left_out(made, undisturbed, caplog):
    fleet, crew = made(size=3, draws=lambda actor, segments: CallFailedError("ECC error") if actor == 0 else None)
    assert served(crew) == undisturbed
    assert crew.left_out == {}
    assert "an actor on node is replaced: 3 calls in a row failed: ECC error" in caplog.text
    assert fleet.dismissed == {0}
    assert fleet.hired == 4


def test_a_crew_that_grows(made, undisturbed):
    fleet, crew = made(size=1)
    before = fleet.capacity
    fleet.capacity = lambda: 1 if fleet.now < 8 else 4
    assert before() == 1
    assert served(crew) == undisturbed
    assert fleet.hired == 4
    assert {actor for _, actor, _ in fleet.calls} == {0, 1, 2, 3}


def test_a_crew_that_shrinks_to_none_and_comes_back(made, undisturbed, caplog):
    dead = set()

    def draws(actor: int, segments: Any) -> Any:
        if actor < 2 and len(fleet.calls) > 6:
            dead.add(actor)
            return ActorLostError("spot machine taken back")
        return None

    fleet, crew = made(size=2, draws=draws)
    fleet.capacity = lambda: 2 if fleet.now < 20 else 0 if fleet.now < 200 else 2
    fleet.starts = 30.0
    assert served(crew) == undisturbed
    assert len(dead) == 2
    assert fleet.now > 200
    assert "0 actors draw, 1 before: waiting for room" in caplog.text


def test_no_more_than_asked_for_and_the_wish_stands_where_there_is_no_room(made):
    fleet, crew = made(size=8, at_most=3)
    served(crew)
    assert fleet.hired == 3
    fleet, crew = made(size=0, at_most=3)  # an autoscaler brings machines for actors that wait
    served(crew)
    assert fleet.hired == 3


def other(**changes: Any) -> Hello:
    return replace(HELLO, **{"environment": ENVIRONMENT | changes.pop("environment", {})} | changes)


@pytest.mark.parametrize(
    ("odd", "told"),
    [
        ({"environment": {"device": "V100"}}, "device is 'V100', not 'cpu'"),
        ({"environment": {"backend": "torch 1"}}, "backend is 'torch 1', not 'torch 2'"),
        ({"digest": "e" * 64}, "scores of the same inputs are others, as on another processor"),
        ({"tolerance": 0.5}, "tolerance is 5.0e-01, not 0.0e+00"),
    ],
)
def test_an_actor_of_another_kind_draws_nothing(made, undisturbed, caplog, odd, told):
    late = "tolerance" in odd

    def says(actor: int) -> Hello:
        return other(node="odd", **odd) if actor == 2 else HELLO

    fleet, crew = made(size=3, says=says)
    if late:  # of those that are there at the start the largest is taken
        fleet.capacity = lambda: 2 if fleet.now < 5 else 3
    assert served(crew) == undisturbed
    assert {actor for _, actor, _ in fleet.calls} == {0, 1}
    assert f"an actor takes no part: on odd {told}; one input is drawn by one kind" in caplog.text
    assert fleet.hired == 3  # it keeps its place: no other is started there again and again


def test_of_two_kinds_the_more_frequent_draws_and_of_equals_that_of_the_last_session(made):
    def says(actor: int) -> Hello:
        return other(environment={"device": "A100"}) if actor else other(environment={"device": "H100"})

    assert made(size=3, says=says)[1].gather()["device"] == "A100"
    for device in ("A100", "H100"):
        session = ENVIRONMENT | {"device": device, "tolerance": 0.125}
        found = made(size=2, says=says)[1].gather([session])
        assert (found["device"], found["tolerance"]) == (device, 0.125)


def test_the_largest_tolerance_of_all_that_begin_is_that_of_the_run(made):
    _, crew = made(size=2, says=lambda actor: replace(HELLO, tolerance=0.25 * actor))
    assert crew.gather()["tolerance"] == 0.25
    assert "tolerance" not in made(size=2)[1].gather()
    with pytest.raises(ModelError, match=r"vary here by up to 2\.5e-01"):
        made(size=2, says=lambda actor: replace(HELLO, tolerance=0.25, row_by_row="a consensus"))[1].gather()


def test_actors_that_cannot_start(made, undisturbed, caplog):
    text = "on n2: no file m.pt"
    fleet, crew = made(size=3, says=lambda actor: CallFailedError(text) if actor == 1 else HELLO)
    assert served(crew) == undisturbed
    assert f"an actor takes no part: {text}" in caplog.text
    assert fleet.hired == 3
    with pytest.raises(ModelError, match=r"no actor can take part: on n2: no file m\.pt"):
        served(made(says=lambda actor: CallFailedError(text))[1])
    with pytest.raises(ModelError, match="no actor can take part: segfault"):
        served(made(says=lambda actor: ActorLostError("segfault"))[1])
    with pytest.raises(OutOfMemoryError):
        served(made(says=lambda actor: OutOfMemoryError("a batch"))[1])


def test_replacements_that_end_as_they_start_are_tried_less_and_less(made, undisturbed):
    def says(actor: int) -> Any:
        return ActorLostError("bad machine") if actor >= 2 else HELLO

    def draws(actor: int, segments: Any) -> Any:
        return ActorLostError("killed") if actor == 1 and len(fleet.calls) > 4 else None

    fleet, crew = made(size=2, says=says, draws=draws)
    assert served(crew) == undisturbed
    assert 3 <= fleet.hired <= 8


def test_in_the_end_all_are_dismissed(made):
    fleet, crew = made(size=3)
    served(crew)
    crew.close()
    assert fleet.dismissed == {0, 1, 2}


def test_few_inputs_are_open_at_once_however_many_actors_there_are(made, monkeypatch):
    monkeypatch.setattr(crew_module, "OPEN", 40)
    _, crew = made(size=50)
    crew.gather()
    begun, ended, most = [], 0, 0

    def each() -> Any:
        for task in tasks(300):
            begun.append(task)
            yield task

    for event in Engine(crew, NOISE).run(Certify(n0=10, n=2000), each()):
        ended += isinstance(event, Finished)
        most = max(most, len(begun) - ended)
    assert ended == 300
    assert most <= 40 + 2 * 1000 / 10  # and those that fill a batch of a thousand rows


def test_a_lost_actor_charges_what_ran_alone(made):
    """The second of its two calls only waited: that is no try of it."""
    fleet, crew = made(size=1)
    crew.gather()
    batches = [crew.submit([replace_segment(f"key{i}", Drawn(tasks()[i], "s", 0, 1000, (), 0.0))]) for i in range(3)]
    ran, waited = (crew._of_call[call][1] for call in (fleet.calls[0][0], fleet.calls[1][0]))
    fleet._answers = {call: ActorLostError("killed") for call in fleet._answers}
    while fleet.now < 10:
        crew._listen()
    assert len(ran.tries) == 1
    assert waited.tries == []
    assert list(crew._queue)[:2] in ([ran, waited], [waited, ran])
    assert [batch.left for batch in batches] == [1, 1, 1]


def test_classes_without_noise_belong_to_the_call_that_asked(made):
    """A second call for the draws of a slow actor no longer asks for what is known by then; the first did."""

    def draws(actor: int, segments: Any) -> Any:
        return None if segments[0].first else 30.0 if actor == 0 else 40.0

    fleet, crew = made(size=2, draws=draws)
    crew.gather()
    slow, _ = (
        crew.submit([replace_segment("key0", Drawn(tasks()[0], "s", first, 1000, (), 0.0))]) for first in (0, 1000)
    )
    assert slow.result().sum() == 1000
    assert len(fleet.calls) == 3


def test_an_input_whose_draws_are_all_known_is_asked_without_noise(made):
    """As after a kill between its last draws and its closing line."""
    fleet, crew = made(size=2)
    crew.gather()
    known = {"select": [(0, 10, (10, 0, 0))], "estimate": [(0, 100, (100, 0, 0))]}
    (task,) = (replace(each, drawn=known) for each in tasks(3)[2:])
    (event,) = Engine(crew, NOISE).run(Certify(n0=10, n=100), [task])
    assert fleet.calls == []
    assert crew.with_clean(event).task.clean == 2
    ((_, _, (segment,)),) = fleet.calls
    assert segment.n == 0

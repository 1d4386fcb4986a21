"""A crew of actors behind one backend: who draws what, again where one fails, twice where one is slow."""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Hashable, Sequence
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np

from noiseproof.engine.backend import Segment
from noiseproof.errors import ModelError
from noiseproof.noises import Words
from noiseproof.runners.executors.base import check_tolerance, tolerance_before
from noiseproof.runners.executors.fleet import ActorLostError, CallFailedError, Fleet, Hello
from noiseproof.runners.executors.pieces import Actor, CrewBatch, Handful
from noiseproof.store.run import DRAWN_BY
from noiseproof.tallies import CLASS_VOTES

if TYPE_CHECKING:
    from noiseproof.engine import Finished
    from noiseproof.tallies import Tally
    from noiseproof.types import Counts

log = logging.getLogger(__name__)

PIECE_SECONDS = 2.0
"""What an actor is handed at once should take it so long: enough that handing over costs nothing beside it."""

WINDOW = 2
"""Pieces an actor has at once: one that it draws, and the next, so that it never waits for the driver."""

TRIES = 3
"""A piece that failed so often is left out; so many left out with nothing drawn between them end the run."""

SEGMENTS, OPEN = 128, 2048
"""Segments of a handful, and about how many are under way: each is of an input whose picture is held meanwhile."""

GRACE = 10.0
"""Seconds after the first actor in which others still say what kind of machine most of them are."""

RENEW = 5.0
"""Seconds between two looks at whether there is room for more actors."""

_TICK, _SILENCE = 0.5, 30.0


class Crew:
    """The actors of a fleet as one backend, whose batch is what one of them is handed at once.

    What fails is handed to another, and charged to what ran; where one is slow and others have nothing to do, another
    draws the same. Counts that come twice are compared. Actors may come and go.
    """

    most_segments = SEGMENTS

    def __init__(self, fleet: Fleet, classes: int, *, at_most: int | None = None, leave_out: bool = True) -> None:
        """A crew that has nobody yet.

        Args:
            fleet: where actors come from.
            classes: of the base classifier.
            at_most: actors; by default all that fit.
            leave_out: go on without what failed ``TRIES`` times; else that is the end.
        """
        self.left_out: dict[str, str] = {}
        """Why, of each input key that is left out."""
        self.twice = 0
        """Pieces that were drawn by two and compared."""
        self.drawing = 0
        """Actors that draw."""
        self._fleet, self._classes, self._at_most, self._may_leave_out = fleet, classes, at_most, leave_out
        self._actors: list[Actor] = []
        self._of_call: dict[Hashable, tuple[Actor, Handful | None]] = {}
        self._clean: dict[str, int] = {}
        self._queue: deque[Handful] = deque()
        self._room: deque[Actor] = deque()
        self._kind: dict[str, Any] | None = None
        self._environment: dict[str, Any] = {}
        self._tolerance, self._rate, self._unit = 0.0, 0.0, 1
        self._failed_starts: list[str] = []
        self._in_a_row = self._open = 0
        self._renewed = self._told_at = -inf
        self._told = 0

    @property
    def batch_size(self) -> int:
        """Rows an actor draws in about ``PIECE_SECONDS``, in whole batches of its own."""
        return max(1, round(self._rate * PIECE_SECONDS / self._unit)) * self._unit

    @property
    def depth(self) -> int:
        """Pieces under way: results are taken in order, so a slow one must not let the others run dry."""
        return 1 if self._open >= OPEN else (WINDOW + 1) * max(1, self.drawing) + 1

    def submit(self, segments: list[Segment], tally: Tally = CLASS_VOTES) -> CrewBatch:
        """Hand a batch to whoever is next."""
        batch = CrewBatch(self._result_of, segments, tally)
        self._open += len(segments)
        self._queue.append(Handful(batch, list(range(len(segments)))))
        self._hand_over()
        return batch

    def _result_of(self, batch: CrewBatch) -> None:
        while batch.left:
            self.step()
        self._open -= len(batch.segments)

    def close(self) -> None:
        """Dismiss them all."""
        for actor in self._actors:
            self._fleet.dismiss(actor.handle)
        self._actors, self._of_call, self._room, self.drawing = [], {}, deque(), 0

    def with_clean(self, event: Finished) -> Finished:
        """The end of an input, with its class without noise: it came along with its draws, where there were any."""
        task = event.task
        if task.key not in self._clean:  # all draws were known
            self.submit([Segment(task.x, Words(0, task.key, "clean"), 0, 0)]).result()
        return replace(event, task=replace(event.task, clean=self._clean.pop(event.task.key, None)))

    def environment(self) -> dict[str, Any]:
        """Of each of those that draw."""
        return self._environment

    def gather(self, before: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
        """Wait for actors; what most of them are is what draws, and is returned: the environment of the session.

        Args:
            before: environments of earlier sessions; of two kinds as frequent, that of the last goes on, and a
                tolerance that it drew with stands.

        Raises:
            ModelError: none can take part; says why.
        """
        self._renew()
        first, told = None, time.monotonic()
        while first is None or (self._starting and time.monotonic() - first < GRACE):
            self._listen()
            if first is None and any(each.hello for each in self._actors):
                first = time.monotonic()
            if first is None:
                self._check_possible()
            if time.monotonic() - self._renewed > RENEW:
                self._renew()
            if first is None and time.monotonic() - told > _SILENCE:
                log.warning("no actor is ready yet; each takes %s", self._fleet.needs)
                told = time.monotonic()
        there = [(each, each.hello) for each in self._actors if each.hello is not None]
        kinds = Counter(repr(hello.kind) for _, hello in there)
        last = {name: before[-1].get(name) for name in DRAWN_BY if name != "tolerance"} if before else {}

        def preferred(hello: Hello) -> tuple[int, bool]:
            return kinds[repr(hello.kind)], all(hello.kind.get(name) == value for name, value in last.items())

        best = max((hello for _, hello in there), key=preferred)
        self._kind = best.kind
        same = [hello for _, hello in there if hello.kind == best.kind]
        drawn_with = tolerance_before(before, best.environment)
        self._tolerance = max([drawn_with, *(hello.tolerance for hello in same)])
        check_tolerance(self._tolerance, best.row_by_row)
        self._unit = best.environment["batch_size"] * best.environment["workers"]
        self._rate = float(np.median([hello.rate for hello in same]))
        for actor, _ in there:
            self._admit(actor)
        self._room = deque([*dict.fromkeys(self._room)] * WINDOW)  # one for each before a second for any
        self._environment = best.environment | ({"tolerance": self._tolerance} if self._tolerance else {})
        return self._environment

    def _admit(self, actor: Actor) -> None:
        """Let it draw, or set it aside."""
        assert actor.hello is not None
        assert self._kind is not None
        kind = actor.hello.kind
        why = next((f"{n} is {kind[n]!r}, not {v!r}" for n, v in self._kind.items() if kind.get(n) != v), "")
        if why.startswith("scores is"):
            why = "scores of the same inputs are others, as on another processor"
        if not why and actor.hello.tolerance > self._tolerance:
            why = f"tolerance is {actor.hello.tolerance:.1e}, not {self._tolerance:.1e}"
        if why:
            self._set_aside(
                actor, f"on {actor.node} {why}; one input is drawn by one kind: give it a --shard of its own"
            )
        else:
            actor.draws = True
            self.drawing += 1
            self._room += [actor] * WINDOW
            self._failed_starts.clear()

    def _set_aside(self, actor: Actor, why: str) -> None:
        actor.aside = True
        log.warning("an actor takes no part: %s", why)

    @property
    def _starting(self) -> list[Actor]:
        return [each for each in self._actors if each.hello is None and not each.aside]

    def step(self) -> None:
        """Hand over what waits, wait for answers a moment, take them in, and look for more actors now and then.

        Raises:
            ModelError: no actor can take part, they contradict each other, or too much is left out.
        """
        if time.monotonic() - self._renewed > RENEW * 2 ** min(len(self._failed_starts), 6):
            self._renew()
        self._check_possible()
        self._tell()
        self._hand_over()
        self._second()
        self._listen()

    def _check_possible(self) -> None:
        """Refuse to wait for actors where all that are there are set aside, or starts fail again and again."""
        failed = self._failed_starts
        if failed and not (self.drawing or self._starting) and (self._actors or len(failed) >= TRIES):
            raise ModelError(f"no actor can take part: {failed[-1]}")

    def _renew(self) -> None:
        """Start actors where there is room; where starts fail, one at a time."""
        self._renewed = time.monotonic()
        there = self.drawing + len(self._starting)
        wanted = self._fleet.capacity() - len(self._actors) if self._at_most is None else self._at_most - there
        for _ in range(min(wanted, 1) if self._failed_starts else wanted):
            actor, call = self._fleet.hire()
            hired = Actor(actor, calls=[call])
            self._actors.append(hired)
            self._of_call[call] = (hired, None)

    def _tell(self) -> None:
        """Say how many draw, when that has changed for some seconds."""
        now = time.monotonic()
        if self.drawing != self._told and now - self._told_at > RENEW:
            before = f", {self._told:,} before" if self._told else ""
            log.warning("%d actors draw%s%s", self.drawing, before, "" if self.drawing else ": waiting for room")
            self._told, self._told_at = self.drawing, now

    def _listen(self) -> None:
        lost: dict[Actor, str] = {}
        if not self._of_call:
            time.sleep(_TICK)
            return
        for call in self._fleet.wait(list(self._of_call), _TICK):
            actor, piece = self._of_call[call]
            try:
                answer = self._fleet.answer(call)
            except ActorLostError as error:
                lost[actor] = str(error)  # answers that it gave before are taken first
                continue
            except CallFailedError as error:
                self._forget(call)
                if piece is not None:
                    self._failed(piece, actor, str(error))
                    self._weigh(actor, lost, str(error))
                else:
                    self._failed_starts.append(str(error))
                    self._set_aside(actor, str(error))
                continue
            self._forget(call)
            if piece is not None:
                self._answered(piece, actor, piece.clean_of.pop(call), *answer)
                continue
            actor.hello = answer
            if self._kind is not None:
                self._admit(actor)
        for actor, why in lost.items():
            self._lost(actor, why)

    def _forget(self, call: Hashable) -> None:
        actor, piece = self._of_call.pop(call)
        actor.calls.remove(call)
        if piece is not None:
            piece.calls.discard(call)
            self._room.append(actor)

    def _lost(self, actor: Actor, why: str) -> None:
        """It is gone: what it drew has failed once more, what waited behind that has not."""
        actor.gone = True
        self._fleet.dismiss(actor.handle)  # it may only be out of reach, and would keep its place
        self._actors.remove(actor)
        if actor.draws:
            self.drawing -= 1
            self._renewed = -inf
        for number, call in enumerate(list(actor.calls)):
            _, piece = self._of_call[call]
            self._forget(call)
            if piece is None:
                self._failed_starts.append(why)
            elif number == 0:
                self._failed(piece, actor, why)
            elif not (piece.done or piece.calls):
                self._queue.appendleft(piece)

    def _answered(
        self, piece: Handful, actor: Actor, keys: list[str], counts: Counts, seconds: float, classes: list[int]
    ) -> None:
        if piece.done:
            self.twice += piece.compared(counts, actor.node)
            return
        piece.done, piece.counts, piece.drawn_on = True, counts, actor.node
        self._in_a_row = actor.failed = 0
        piece.batch.take(piece.places, counts)
        self._clean |= zip(keys, classes, strict=True)
        if seconds > 0 and piece.rows >= self._unit:
            self._rate += 0.1 * (piece.rows / seconds - self._rate)

    def _failed(self, piece: Handful, actor: Actor, why: str) -> None:
        if piece.done:
            return
        piece.tries.append((actor, why))
        log.info("draws failed (try %d of %d): %s", len(piece.tries), TRIES, why)
        if len(piece.places) > 1:  # which of them it was, each by itself will show
            piece.done = True
            self._queue.extendleft(Handful(piece.batch, [place], list(piece.tries)) for place in piece.places)
        elif len(piece.tries) >= TRIES:
            self._leave_out(piece, why)
        elif not piece.calls:
            self._queue.appendleft(piece)

    def _weigh(self, actor: Actor, lost: dict[Actor, str], why: str) -> None:
        """An actor that fails with one piece after the other is the fault, not they: it goes, another comes."""
        actor.failed += 1
        if actor.failed >= TRIES and self.drawing > 1:
            log.warning("an actor on %s is replaced: %d calls in a row failed: %s", actor.node, actor.failed, why)
            lost[actor] = why

    def _leave_out(self, piece: Handful, why: str) -> None:
        (segment,) = piece.segments
        said = f"{TRIES} tries of its draws {segment.first} to {segment.first + segment.n - 1} failed: {why}"
        self._in_a_row += 1
        if not self._may_leave_out or self._in_a_row >= TRIES:
            raise ModelError(f"the run cannot go on: input key {segment.words.key}: {said}")
        if segment.words.key not in self.left_out:
            log.warning("input key %s is left out: %s", segment.words.key, said)
        self.left_out[segment.words.key] = said
        piece.done = True
        piece.batch.take(piece.places, np.full((1, piece.batch.tally.slots(self._classes)), -1, dtype=np.int64))

    def _hand_over(self) -> None:
        shy: list[Handful] = []
        while self._queue and self._room:
            piece = self._queue.popleft()
            if piece.done:
                continue
            if (actor := self._free_for(piece)) is not None:
                self._call(actor, piece)
            else:
                shy.append(piece)
        self._queue.extendleft(reversed(shy))

    def _free_for(self, piece: Handful) -> Actor | None:
        """Whoever has room, but those that failed with it, as long as there are others."""
        while self._room and self._room[0].gone:
            self._room.popleft()
        failed_with = piece.failed_with
        if failed_with and len(failed_with) < self.drawing:
            found = next((each for each in self._room if not (each.gone or each in failed_with)), None)
            if found is not None:
                self._room.remove(found)
            return found
        return self._room.popleft() if self._room else None

    def _call(self, actor: Actor, piece: Handful) -> None:
        segments = piece.segments
        places = {each.words.key: place for place, each in enumerate(segments) if each.words.key not in self._clean}
        clean = list(places.values())
        call = self._fleet.draw(actor.handle, segments, piece.batch.tally, self._tolerance, clean)
        piece.clean_of[call] = list(places)
        piece.since = time.monotonic()
        piece.calls.add(call)
        actor.calls.append(call)
        self._of_call[call] = (actor, piece)

    def _second(self) -> None:
        """Where nothing waits and actors have nothing to do, let them draw what another takes too long for."""
        if self._queue or not self._room:
            return
        idle = [each for each in dict.fromkeys(self._room) if not (each.gone or each.calls)]
        now = time.monotonic()
        for actor, piece in list(self._of_call.values()) if idle else ():
            if piece is None or piece.done or len(piece.calls) > 1:
                continue
            if now - piece.since > 1.0 + 3 * WINDOW * piece.rows / self._rate:
                other = idle.pop()
                self._room.remove(other)
                log.info("draws that %s is slow with are made on %s too", actor.node, other.node)
                self._call(other, piece)
                if not idle:
                    return

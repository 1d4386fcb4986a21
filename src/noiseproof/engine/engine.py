"""The engine: serves many running procedures at once, packing their requests into full batches."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from noiseproof.engine.backend import Backend, Pending, Segment
from noiseproof.noises.words import Words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noiseproof.noises import Noise
    from noiseproof.procedures import Procedure
    from noiseproof.types import Counts, Outcome

KEEP_EVERY = 1.0
"""Seconds after which votes that came in are handed out, even in the middle of a request."""


@dataclass(frozen=True)
class Task:
    """One input to be served.

    Attributes:
        key: the input key.
        x: the input as ``Noise.encode`` returns it.
        drawn: votes that are known already: stage -> ranges (first, n, votes) that tile [0, m).
        label: the true class, for a label-aware procedure.
    """

    key: str
    x: NDArray[Any]
    drawn: dict[str, list[tuple[int, int, tuple[int, ...]]]] = field(default_factory=dict)
    label: int | None = None


@dataclass(frozen=True)
class Drawn:
    """A range of draws came in."""

    task: Task
    stage: str
    first: int
    n: int
    votes: tuple[int, ...]
    seconds: float


@dataclass(frozen=True)
class Finished:
    """A procedure came to its end."""

    task: Task
    requests: list[tuple[str, int]]
    outcome: Outcome


@dataclass(frozen=True)
class Engine:
    """Runs a procedure on many inputs.

    Counts do not depend on how draws are packed: a draw is a pure function of (seed, key, stage, index).

    Attributes:
        backend: turns segments of noisy inputs into votes.
        noise: what the certificate is about.
        procedure: what is asked of every input.
        seed: of the noise.
        rng: generator of the random words, one of ``noises.words.GENERATORS``.
    """

    backend: Backend
    noise: Noise
    procedure: Procedure
    seed: int = 0
    rng: str = "philox"

    def run(self, tasks: Iterable[Task], budget: int | None = None) -> Iterator[Drawn | Finished]:
        """Serve the tasks; ranges of an input come in order, and its end after its last range.

        With a budget all tasks are served together, in rounds. In each round the inputs nearest to a decision, as
        far as what is left is predicted to suffice for them, draw up to their next look. When nothing is left, the
        others end with what can be said so far. Who is served follows from counts alone.

        Args:
            tasks: the inputs.
            budget: draws for all of them, known ones included.

        Raises:
            ValueError: the budget is too small for one look at every input, or the procedure cannot be ended early.
        """
        if budget is None:
            yield from self._serve(self._lane(task) for task in tasks)
            return
        lanes = [self._lane(task, in_rounds=True) for task in tasks]
        check_budget(self.procedure, self.noise, len(lanes), budget)
        while lanes:
            granted = allot([lane.wanted for lane in lanes], budget)
            budget -= sum(lanes[i].wanted[1] for i in granted)
            for i in granted:
                lanes[i].grant()
            yield from self._serve(lanes[i] for i in granted)
            if not granted:
                for lane in lanes:
                    lane.end()
                    yield from lane.events()
            lanes = [lane for lane in lanes if lane.outcome is None]

    def _lane(self, task: Task, *, in_rounds: bool = False) -> _Lane:
        return _Lane(task, self.procedure, self.noise, Words(self.seed, task.key, "", self.rng), in_rounds=in_rounds)

    def _serve(self, waiting: Iterator[_Lane]) -> Iterator[Drawn | Finished]:
        """Draw what the lanes ask for.

        Batches are filled from the oldest lane on; a new one is begun when those under way leave rows free.
        """
        lanes: list[_Lane] = []
        under_way: deque[tuple[list[tuple[_Lane, int]], Pending]] = deque()
        clock = time.monotonic()
        while True:
            free = self.backend.batch_size - sum(lane.unissued for lane in lanes)
            while free > 0 and (lane := next(waiting, None)) is not None:
                if not lane.unissued:  # everything had been drawn before
                    yield from lane.events()
                else:
                    lanes.append(lane)
                    free -= lane.unissued
            full = free <= 0
            # what is under way may free more rows: a batch that is not full waits for it
            if (full or not under_way) and any(lane.unissued for lane in lanes):
                parts = self._pack(lanes)
                pending = self.backend.submit([segment for _, segment in parts])
                under_way.append(([(lane, segment.n) for lane, segment in parts], pending))
                if len(under_way) < self.backend.depth:
                    continue
            if not under_way:
                break
            parts_back, pending = under_way.popleft()
            counts = pending.result()
            now = time.monotonic()
            passed = max(0.0, now - clock)  # a clock may jump back
            each = passed / sum(n for _, n in parts_back)
            clock = now
            for (lane, n), votes in zip(parts_back, counts, strict=True):
                lane.receive(n, votes, each * n)
                yield from lane.events()
            lanes = [lane for lane in lanes if lane.under_way]

    def _pack(self, lanes: list[_Lane]) -> list[tuple[_Lane, Segment]]:
        parts: list[tuple[_Lane, Segment]] = []
        rows = self.backend.batch_size
        for lane in lanes:
            n = min(rows, lane.unissued)
            if n and len(parts) < self.backend.most_segments:
                parts.append((lane, lane.issue(n)))
                rows -= n
        return parts


class _Lane:
    """A procedure under way on one input: what it asked for, what was issued, what came back."""

    def __init__(
        self, task: Task, procedure: Procedure, noise: Noise, words: Words, *, in_rounds: bool = False
    ) -> None:
        self._in_rounds, self._granted = in_rounds, not in_rounds
        self.outcome: Outcome | None = None
        self._task, self._words = task, words
        self._asking = procedure.run(noise, task.label)
        self._request = next(self._asking)
        self._requests = [(self._request.stage, self._request.n)]
        self._known = {stage: deque(ranges) for stage, ranges in task.drawn.items()}
        self._start: dict[str, int] = {}  # where the next request of a stage begins
        self._issued = self._received = 0  # of the current request
        self._votes: Counts | int = 0
        self._kept = 0  # draws of the current request already handed out
        self._unkept: Counts | int = 0
        self._seconds = 0.0
        self._kept_at = time.monotonic()
        self._events: list[Drawn | Finished] = []
        self._take_known()

    @property
    def under_way(self) -> bool:
        """Whether draws of it are still to come, those of the current round where there are rounds."""
        return self.outcome is None and self._granted

    @property
    def unissued(self) -> int:
        """Draws that are asked for and not under way."""
        return self._request.n - self._issued if self.under_way else 0

    @property
    def wanted(self) -> tuple[int, int]:
        """Draws to a decision, as predicted, and those of the next look."""
        return max(self._request.to_go, self._request.n), self._request.n

    def grant(self) -> None:
        """Let the current request be drawn."""
        self._granted = True
        self._take_known()

    def end(self) -> None:
        """End with what can be said so far."""
        assert self._request.so_far is not None, "see check_budget"
        self.outcome = self._request.so_far
        self._events.append(Finished(self._task, self._requests[:-1], self.outcome))

    def issue(self, n: int) -> Segment:
        """The next n of them."""
        stage = self._request.stage
        segment = Segment(
            self._task.x,
            replace(self._words, stage=stage),
            self._start.get(stage, 0) + self._issued,
            n,
        )
        self._issued += n
        return segment

    def receive(self, n: int, votes: Counts, seconds: float) -> None:
        """Votes come back in the order in which they were issued."""
        self._received += n
        self._votes = self._votes + votes
        self._unkept = self._unkept + votes
        self._seconds += seconds
        complete = self._received == self._request.n
        if complete or time.monotonic() - self._kept_at > KEEP_EVERY:
            self._keep()
        if complete:
            self._advance()
            self._take_known()

    def events(self) -> list[Drawn | Finished]:
        """What happened since the last call."""
        events, self._events = self._events, []
        return events

    def _keep(self) -> None:
        stage = self._request.stage
        first = self._start.get(stage, 0) + self._kept
        votes = tuple(int(count) for count in np.asarray(self._unkept))
        self._events.append(
            Drawn(self._task, stage, first, self._received - self._kept, votes, round(self._seconds, 6))
        )
        self._kept, self._unkept, self._seconds = self._received, 0, 0.0
        self._kept_at = time.monotonic()

    def _advance(self) -> None:
        stage, n = self._request.stage, self._request.n
        self._start[stage] = self._start.get(stage, 0) + n
        votes = np.asarray(self._votes, dtype=np.int64)
        self._issued = self._received = self._kept = 0
        self._votes = self._unkept = 0
        self._granted = not self._in_rounds
        try:
            self._request = self._asking.send(votes)
            self._requests.append((self._request.stage, self._request.n))
        except StopIteration as done:
            self.outcome = done.value
            self._events.append(Finished(self._task, self._requests, done.value))

    def _take_known(self) -> None:
        """Answer from the ranges that are known already, as far as they go."""
        while self.under_way:
            known = self._known.get(self._request.stage)
            while known and self._received < self._request.n:
                first, n, votes = known.popleft()
                at = self._start.get(self._request.stage, 0) + self._received
                assert first == at, "known ranges tile"
                assert self._received + n <= self._request.n, "known ranges never straddle a request"
                self._received += n
                self._votes = self._votes + np.array(votes, dtype=np.int64)
            self._issued = self._kept = self._received
            if self._received < self._request.n:
                return
            self._advance()


def check_budget(procedure: Procedure, noise: Noise, inputs: int, budget: int) -> None:
    """Refuse a budget that cannot be kept.

    Raises:
        ValueError: the procedure cannot be ended early, or the budget is too small for one look at every input.
    """
    first = next(procedure.run(noise, 0))
    if first.so_far is None:
        raise ValueError("budget needs a procedure that may end at any look: decide, or a sequential one")
    if budget < inputs * first.n:
        raise ValueError(
            f"budget must be >= {inputs * first.n:,}, one look at each of {inputs:,} inputs, got {budget:,}"
        )


def allot(wanted: list[tuple[int, int]], budget: int) -> list[int]:
    """Who draws next: the nearest to a decision, as many as the budget is predicted to bring there.

    Args:
        wanted: of each input, the draws it is predicted to need and those of its next look.
        budget: draws that are left.

    Returns:
        Indices into ``wanted``, the nearest first; where not even one is predicted to be decided, the nearest whose
        next look can be paid; none where no look can.

    >>> allot([(500, 100), (100, 100), (900, 300)], budget=650), allot([(900, 300), (800, 200)], budget=250)
    ([1, 0], [1])
    """
    nearest = sorted(range(len(wanted)), key=lambda i: wanted[i][0])  # stable: ties in the order of the inputs
    needed = list(accumulate(wanted[i][0] for i in nearest))
    affordable = [i for i, total in zip(nearest, needed, strict=True) if total <= budget]
    return affordable or [i for i in nearest if wanted[i][1] <= budget][:1]

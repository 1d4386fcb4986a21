"""The engine: serves many running procedures at once, packing their requests into full batches."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from noiseproof.engine.backend import Backend, Pending, Segment
from noiseproof.noises.words import Words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noiseproof.noises import Noise
    from noiseproof.procedures import Procedure
    from noiseproof.types import Certificate, Counts, Prediction

KEEP_EVERY = 1.0
"""Seconds after which votes that came in are handed out, even in the middle of a request."""


@dataclass(frozen=True)
class Task:
    """One input to be served.

    Attributes:
        key: the input key.
        x: the input as ``Noise.encode`` returns it.
        drawn: votes that are known already: stage -> ranges (first, n, votes) that tile [0, m).
    """

    key: str
    x: NDArray[Any]
    drawn: dict[str, list[tuple[int, int, tuple[int, ...]]]] = field(default_factory=dict)


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
    outcome: Certificate | Prediction


@dataclass(frozen=True)
class Engine:
    """Runs a procedure on many inputs.

    Counts do not depend on how draws are packed: a draw is a pure function of (seed, key, stage, index).

    Attributes:
        backend: turns segments of noisy inputs into votes.
        noise: what the certificate is about.
        procedure: what is asked of every input.
        seed: of the noise.
    """

    backend: Backend
    noise: Noise
    procedure: Procedure
    seed: int = 0

    def run(self, tasks: Iterable[Task]) -> Iterator[Drawn | Finished]:
        """Serve the tasks; ranges of an input come in order, and its end after its last range.

        Batches are filled from the oldest task on; a new task is begun when those under way leave rows free.
        """
        waiting = iter(tasks)
        lanes: list[_Lane] = []
        under_way: deque[tuple[list[tuple[_Lane, int]], Pending]] = deque()
        clock = time.monotonic()
        while True:
            free = self.backend.batch_size - sum(lane.unissued for lane in lanes)
            while free > 0 and (task := next(waiting, None)) is not None:
                lane = _Lane(task, self.procedure, self.noise, self.seed)
                if lane.outcome is not None:  # everything had been drawn before
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
            each, clock = (now - clock) / sum(n for _, n in parts_back), now
            for (lane, n), votes in zip(parts_back, counts, strict=True):
                lane.receive(n, votes, each * n)
                yield from lane.events()
            lanes = [lane for lane in lanes if lane.outcome is None]

    def _pack(self, lanes: list[_Lane]) -> list[tuple[_Lane, Segment]]:
        parts = []
        rows = self.backend.batch_size
        for lane in lanes:
            n = min(rows, lane.unissued)
            if n:
                parts.append((lane, lane.issue(n)))
                rows -= n
        return parts


class _Lane:
    """A procedure under way on one input: what it asked for, what was issued, what came back."""

    def __init__(self, task: Task, procedure: Procedure, noise: Noise, seed: int) -> None:
        self.outcome: Certificate | Prediction | None = None
        self._task, self._seed = task, seed
        self._asking = procedure.run(noise)
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
    def unissued(self) -> int:
        """Draws that are asked for and not under way."""
        return 0 if self.outcome is not None else self._request.n - self._issued

    def issue(self, n: int) -> Segment:
        """The next n of them."""
        stage = self._request.stage
        segment = Segment(
            self._task.x,
            Words(self._seed, self._task.key, stage),
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
        try:
            self._request = self._asking.send(votes)
            self._requests.append((self._request.stage, self._request.n))
        except StopIteration as done:
            self.outcome = done.value
            self._events.append(Finished(self._task, self._requests, done.value))

    def _take_known(self) -> None:
        """Answer from the ranges that are known already, as far as they go."""
        while self.outcome is None:
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

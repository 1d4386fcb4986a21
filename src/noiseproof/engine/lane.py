"""What is asked about one input, under way: what was asked for, what was issued, what came back."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from noiseproof.engine.backend import Segment
from noiseproof.tallies import Votes
from noiseproof.types import Draw

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from noiseproof.noises.words import Words
    from noiseproof.types import Counts, Outcome

    Asking = Generator[Draw, Counts, Outcome | None]

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
        index: its place in the data set, for whoever reads the events.
        clean: the class of the input without noise, likewise; None where nobody asked.
    """

    key: str
    x: NDArray[Any]
    drawn: dict[str, list[tuple[int, int, Sequence[int]]]] = field(default_factory=dict)
    label: int | None = None
    index: int | None = None
    clean: int | None = None


@dataclass(frozen=True)
class Drawn:
    """A range of draws came in."""

    task: Task
    stage: str
    first: int
    n: int
    votes: Votes
    seconds: float


@dataclass(frozen=True)
class Finished:
    """A procedure came to its end."""

    task: Task
    requests: list[tuple[str, int]]
    outcome: Outcome


class Lane:
    """What is asked about one input, under way: what was asked for, what was issued, what came back."""

    def __init__(
        self, task: Task, asking: Asking, words: Words, *, in_rounds: bool = False, keep_every: float | None = None
    ) -> None:
        self._in_rounds, self._granted, self._keep_every = in_rounds, not in_rounds, keep_every
        self.done = False
        self._task, self._words, self._asking = task, words, asking
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
        return not self.done and self._granted

    @property
    def unissued(self) -> int:
        """Draws that are asked for and not under way."""
        return self._request.n - self._issued if self._granted and not self.done else 0  # asked thrice a batch

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
        self.done = True
        self._events.append(Finished(self._task, self._requests[:-1], self._request.so_far))

    def issue(self, n: int) -> Segment:
        """The next n of them."""
        stage = self._request.stage
        if self._words.stage != stage:
            self._words = replace(self._words, stage=stage)
        segment = Segment(self._task.x, self._words, self._start.get(stage, 0) + self._issued, n)
        self._issued += n
        return segment

    def receive(self, n: int, votes: Counts, seconds: float) -> None:
        """Votes come back in the order in which they were issued; where they never will, the input is left open."""
        if votes[0] < 0:
            self.done = True
        if self.done:
            return
        self._received += n
        self._votes = self._votes + votes
        self._unkept = self._unkept + votes
        self._seconds += seconds
        complete = self._received == self._request.n
        if complete or time.monotonic() - self._kept_at > (self._keep_every or KEEP_EVERY):
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
        votes = Votes.of(np.asarray(self._unkept))
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
        except StopIteration as said:
            self.done = True
            if said.value is not None:
                self._events.append(Finished(self._task, self._requests, said.value))

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

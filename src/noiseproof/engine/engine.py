"""The engine: serves many running procedures at once, packing their requests into full batches."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from noiseproof.engine.backend import Backend, Pending, Segment
from noiseproof.noises.words import Words
from noiseproof.tallies import CLASS_VOTES, Votes
from noiseproof.types import Answer, Draw

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from noiseproof.noises import Noise
    from noiseproof.procedures import Procedure
    from noiseproof.tallies import Tally
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


@dataclass(frozen=True)
class Engine:
    """Draws for many inputs at once: for a procedure that says something of each, or just so many.

    Counts do not depend on how draws are packed: a draw is a pure function of (binding, seed, key,
    stage, index).

    Attributes:
        backend: turns segments of noisy inputs into votes.
        noise: what the certificate is about.
        seed: of the noise.
        rng: generator of the random words, one of ``noises.words.GENERATORS``.
        binding: what the words are bound to (``noises.keys.binding``); empty for common noise.
    """

    backend: Backend
    noise: Noise
    seed: int = 0
    rng: str = "philox"
    binding: str = ""

    def run(self, procedure: Procedure, tasks: Iterable[Task], budget: int | None = None) -> Iterator[Drawn | Finished]:
        """Ask a procedure about each task; ranges of an input come in order, and its end after its last range.

        With a budget all tasks are served together, in rounds. In each round the inputs nearest to a decision, as
        far as what is left is predicted to suffice for them, draw up to their next look. When nothing is left, the
        others end with what can be said so far. Who is served follows from counts alone.

        Args:
            procedure: what is asked of every input.
            tasks: the inputs.
            budget: draws for all of them, known ones included.

        Raises:
            ValueError: the budget is too small for one look at every input, or the procedure cannot be ended early.
        """
        asked = ((task, procedure.run(self.noise, task.label)) for task in tasks)
        if budget is None:
            yield from self._serve((self._lane(*each) for each in asked), procedure.tally)
            return
        lanes = [self._lane(*each, in_rounds=True) for each in asked]
        check_budget(procedure, self.noise, len(lanes), budget)
        while lanes:
            granted = allot([lane.wanted for lane in lanes], budget)
            budget -= sum(lanes[i].wanted[1] for i in granted)
            for i in granted:
                lanes[i].grant()
            yield from self._serve((lanes[i] for i in granted), procedure.tally)
            if not granted:
                for lane in lanes:
                    lane.end()
                    yield from lane.events()
            lanes = [lane for lane in lanes if not lane.done]

    def draw(
        self, wanted: Iterable[tuple[Task, Sequence[tuple[str, int]]]], tally: Tally = CLASS_VOTES
    ) -> Iterator[tuple[Task, Answer]]:
        """Counts, and nothing said about them: for calibration, replay and pilots.

        Args:
            wanted: inputs, each with its requests (stage, draws). A stage begins with its draw 0 and goes on where the
                last request of it ended.
            tally: what a draw adds.

        Yields:
            An input and one of its answers, as soon as it is there; those of an input come in its order.
        """
        answers: list[tuple[Task, Answer]] = []

        def asking(task: Task, requests: Sequence[tuple[str, int]]) -> Asking:
            for stage, n in requests:
                votes = yield Draw(stage, n)
                answers.append((task, Answer(stage, n, tuple(votes.tolist()))))
            return None

        lanes = (self._lane(task, asking(task, requests)) for task, requests in wanted if requests)
        for _ in self._serve(lanes, tally):
            yield from answers
            answers.clear()

    def warm_up(self, x: NDArray[Any]) -> None:
        """Draw a batch a worker, half of what is under way at once: the first also start threads and reserve memory."""
        batches = max(1, self.backend.depth // 2)
        for _ in self.draw([(Task("calibration", x), [("warm-up", batches * self.backend.batch_size)])]):
            pass

    def _lane(self, task: Task, asking: Asking, *, in_rounds: bool = False) -> _Lane:
        return _Lane(task, asking, Words(self.seed, task.key, "", self.rng, self.binding), in_rounds=in_rounds)

    def _serve(self, waiting: Iterator[_Lane], tally: Tally) -> Iterator[Drawn | Finished]:
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
            room = len(under_way) < self.backend.depth  # which may have become less
            if room and (full or not under_way) and any(lane.unissued for lane in lanes):
                parts = self._pack(lanes)
                pending = self.backend.submit([segment for _, segment in parts], tally)
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
    """What is asked about one input, under way: what was asked for, what was issued, what came back."""

    def __init__(self, task: Task, asking: Asking, words: Words, *, in_rounds: bool = False) -> None:
        self._in_rounds, self._granted = in_rounds, not in_rounds
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

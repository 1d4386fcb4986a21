"""The engine: serves many running procedures at once, packing their requests into full batches."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from noiseproof.engine.backend import Backend, Pending, Segment
from noiseproof.engine.lane import Drawn, Finished, Lane, Task
from noiseproof.noises.words import Words
from noiseproof.tallies import CLASS_VOTES
from noiseproof.types import Answer, Draw

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noiseproof.engine.lane import Asking
    from noiseproof.noises import Noise
    from noiseproof.procedures import Procedure
    from noiseproof.tallies import Tally


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

    def lane(self, procedure: Procedure, task: Task, *, keep_every: float) -> Lane:
        """What a procedure asks about a task, for who serves several engines; votes are told every so many seconds."""
        return self._lane(task, procedure.run(self.noise, task.label), keep_every=keep_every)

    def _lane(self, task: Task, asking: Asking, *, in_rounds: bool = False, keep_every: float | None = None) -> Lane:
        words = Words(self.seed, task.key, "", self.rng, self.binding)
        return Lane(task, asking, words, in_rounds=in_rounds, keep_every=keep_every)

    def _serve(self, waiting: Iterator[Lane], tally: Tally) -> Iterator[Drawn | Finished]:
        """Draw what the lanes ask for.

        Batches are filled from the oldest lane on; a new one is begun when those under way leave rows free.
        """
        lanes: list[Lane] = []
        under_way: deque[tuple[list[tuple[Lane, int]], Pending]] = deque()
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

    def _pack(self, lanes: list[Lane]) -> list[tuple[Lane, Segment]]:
        parts: list[tuple[Lane, Segment]] = []
        rows = self.backend.batch_size
        for lane in lanes:
            n = min(rows, lane.unissued)
            if n and len(parts) < self.backend.most_segments:
                parts.append((lane, lane.issue(n)))
                rows -= n
        return parts


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

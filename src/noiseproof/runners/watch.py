"""How far a job is: its speed, what was found so far, and what is left."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from noiseproof.progress import Progress

if TYPE_CHECKING:
    from noiseproof.runners.job import Job
    from noiseproof.store.state import State
    from noiseproof.types import Outcome


class Watch:
    """How far a job is, in this session."""

    def __init__(self, job: Job, state: State) -> None:
        self._total, left, procedure = len(job.indices), len(job.left(state)), job.asked.procedure
        self.draws, self.done = 0, self._total - left
        self._before, self._started = self.done, time.monotonic()
        wanted, self._means = set(job.indices), "right" if procedure.verb == "predict" else "certified and right"
        self._right = sum(
            each.outcome.prediction == each.label for each in state.records.values() if each.index in wanted
        )
        known = sum(drawn.n for stages in state.open.values() for each in stages.values() for drawn in each)
        self._draws_total = left * procedure.most_draws - known
        if job.asked.budget is not None:
            spent = sum(record.draws for record in state.records.values())
            self._draws_total = min(self._draws_total, job.asked.budget - known - spent)

    def finish(self, label: int, outcome: Outcome) -> None:
        """An input is done."""
        self.done += 1
        self._right += outcome.prediction == label  # an abstention is no class

    @property
    def seconds(self) -> float:
        """Since the session began."""
        return max(time.monotonic() - self._started, 1e-9)

    def progress(self, note: str = "") -> Progress:
        """What is to be told now."""
        elapsed = self.seconds
        rate = self.draws / elapsed
        left = max(0.0, (self._draws_total - self.draws) / rate) if self.draws else float("inf")
        if self.done > self._before:  # where inputs stop early, the most they can draw says little
            left = min(left, elapsed / (self.done - self._before) * (self._total - self.done))
        so_far = f"{self._right / self.done:.1%} {self._means}" if self.done else ""
        note = ", ".join(filter(None, (f"{rate:,.0f} draws/s", so_far, note)))
        return Progress(self.done, self._total, "inputs", note, left)

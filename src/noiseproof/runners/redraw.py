"""Records drawn again from their keys: are the stored counts those of this model on these inputs?"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from noiseproof.engine import Drawn, Engine, Task
from noiseproof.errors import RunError
from noiseproof.procedures import Procedure
from noiseproof.progress import Progress
from noiseproof.runners.certified import certified_input, certified_job
from noiseproof.store import read_run
from noiseproof.store.verify import VerificationError
from noiseproof.types import ABSTAIN, Draw, Prediction

if TYPE_CHECKING:
    from noiseproof.data import DataSet
    from noiseproof.engine.pooled import PooledBackend
    from noiseproof.noises import Noise
    from noiseproof.procedures.base import Requests
    from noiseproof.runners.local import Model
    from noiseproof.store import Run
    from noiseproof.types import Record

ELSEWHERE = 0.005
"""Share of a request's votes that may differ where something else draws than what drew the run: other kernels round
differently, and a vote can hang on it."""


@dataclass(frozen=True)
class Redrawn:
    """What was drawn again: all of it agrees.

    Attributes:
        inputs: indices of the inputs.
        draws: made again.
        exact: whether every count had to be the same; else all but ``ELSEWHERE`` of a request's votes.
        differing: votes that differed, 0 where exact.
    """

    inputs: tuple[int, ...]
    draws: int
    exact: bool
    differing: int


def redraw(
    run: str | Path,
    count: int,
    *,
    model: Model | None = None,
    data: str | DataSet | None = None,
    root: str | Path | None = None,
    device: str = "auto",
    workers: int | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Redrawn:
    """Draw some finished inputs of a run again, from their keys, and compare the counts.

    Which inputs, the operating system's random numbers say, so that nobody can know beforehand. Exactly the same
    counts are asked for where device, backend, precision and batch size are those of the run.

    Args:
        run: a run folder of certify, predict or decide.
        count: how many inputs; all, where there are fewer.
        model: where the run's settings do not lead to its model.
        data: likewise.
        root: where data sets lie; by default as in the run.
        device: where to compute.
        workers: batches computed at once.
        progress: called before each input.

    Raises:
        VerificationError: counts that differ; names the input and the request.
        ModelError: the model is not that of the run.
        RunError: the run has no finished input, or the data are not those of the run.
    """
    found = read_run(Path(run))
    if not found.records or not found.manifest.has_counts or "seed" not in found.manifest.meaning:
        raise RunError(f"{run} has no input that could be drawn again")
    drawn = [record for record in found.records if record.skipped is None]
    chosen = random.SystemRandom().sample(drawn, min(count, len(drawn)))
    chosen.sort(key=lambda record: record.index)
    sizes = {session.get("batch_size") for session in found.state.sessions}
    asked = certified_job(found, found.procedure, model, data, root, device, sizes.pop(), workers)
    with asked.draws_with() as backend:
        exact = _drawn_by_the_same(found, backend)
        backend.tolerance = max((session.get("tolerance", 0.0) for session in found.state.sessions), default=0.0)
        differing = 0
        for done, record in enumerate(chosen):
            if progress is not None:
                progress(Progress(done, len(chosen), "inputs"))
            certified_input(asked, record)  # refuses another picture
            x = asked.noise.encode(asked.data.pixels(record.index))
            meaning = found.manifest.meaning
            engine = Engine(backend, asked.noise, _Again(record), int(meaning["seed"]), meaning.get("rng", "philox"))
            differing += _differing(record, engine, x, exact=exact)
    return Redrawn(tuple(record.index for record in chosen), sum(record.draws for record in chosen), exact, differing)


@dataclass(frozen=True)
class _Again(Procedure):
    """Asks for what a record was asked for."""

    record: Record
    alpha: float = 0.5  # it says nothing

    name: ClassVar[str] = "again"

    def run(self, noise: Noise, label: int | None = None) -> Requests:
        del noise, label
        for answer in self.record.answers:
            yield Draw(answer.stage, answer.n)
        return Prediction(ABSTAIN, 1.0)

    @property
    def most_draws(self) -> int:
        return self.record.draws


def _differing(
    record: Record, engine: Engine, x: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], *, exact: bool
) -> int:
    """Votes that differ, refused where too many do."""
    drawn = [event for event in engine.run([Task(record.key, x)]) if isinstance(event, Drawn)]
    ranges, total = iter(drawn), 0
    for number, answer in enumerate(record.answers):
        n, votes = 0, np.zeros(len(answer.votes), np.int64)
        while n < answer.n:
            event = next(ranges)
            if len(event.votes) != len(votes):
                raise VerificationError(
                    f"input {record.index} has votes for {len(votes)} classes, not {len(event.votes)}"
                )
            n, votes = n + event.n, votes + np.array(event.votes)
        stored = np.array(answer.votes)
        # a vote that moves is one more here and one less there; void ones have no entry
        apart = int(max(np.maximum(stored - votes, 0).sum(), np.maximum(votes - stored, 0).sum()))
        if apart > (0 if exact else ELSEWHERE * answer.n):
            raise VerificationError(
                f"input {record.index} (key {record.key}): the {answer.n} draws of its request {number} "
                f"({answer.stage!r}) voted {stored.tolist()}, drawn again {votes.tolist()}: its counts, seed, noise or "
                "weights are not those of the run"
            )
        total += apart
    return total


def _drawn_by_the_same(run: Run, backend: PooledBackend) -> bool:
    names = ("device", "backend", "precision", "batch_size")
    here = backend.environment()
    # scores that vary between two calls give other votes each time
    repeatable = not any(session.get("tolerance") for session in run.state.sessions)
    return repeatable and all(session.get(name) == here.get(name) for session in run.state.sessions for name in names)

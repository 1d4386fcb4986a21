"""Records drawn again from their keys: are the stored counts those of this model on these inputs?"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from noiseproof.asked import Compute, Elsewhere
from noiseproof.engine import Engine, Task
from noiseproof.errors import RunError
from noiseproof.progress import Progress
from noiseproof.runners.certified import certified_input, certified_job
from noiseproof.store import read_run
from noiseproof.store.verify import VerificationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noiseproof.engine.pooled import PooledBackend
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
    elsewhere: Elsewhere | None = None,
    compute: Compute | None = None,
    *,
    progress: Callable[[Progress], None] | None = None,
) -> Redrawn:
    """Draw some finished inputs of a run again, from their keys, and compare the counts.

    Which inputs, the operating system's random numbers say, so that nobody can know beforehand. Exactly the same
    counts are asked for where device, backend, precision and batch size are those of the run.

    Args:
        run: a run folder of certify, predict or decide.
        count: how many inputs; all, where there are fewer.
        elsewhere: where model and data lie now, where the run's settings do not lead to them.
        compute: device and workers; precision, backend and batch size are those of the run.
        progress: called now and then.

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
    compute = replace(compute or Compute(), batch_size=sizes.pop())
    job = certified_job(found, found.procedure, elsewhere or Elsewhere(), compute)
    tolerance = max((session.get("tolerance", 0.0) for session in found.state.sessions), default=0.0)
    meaning = found.manifest.meaning

    def compared(backend: PooledBackend) -> tuple[bool, int]:
        exact, differing, backend.tolerance = _drawn_by_the_same(found, backend), 0, tolerance
        engine = Engine(backend, job.noise, int(meaning["seed"]), meaning.get("rng", "philox"))
        for done, record in enumerate(chosen):
            if progress is not None:
                progress(Progress(done, len(chosen), "inputs"))
            certified_input(job, record)  # refuses another picture
            differing += _differing(record, engine, job.input(record.index), exact=exact)
        return exact, differing

    exact, differing = job.drawing(compared)
    return Redrawn(tuple(record.index for record in chosen), sum(record.draws for record in chosen), exact, differing)


def _differing(record: Record, engine: Engine, x: NDArray[Any], *, exact: bool) -> int:
    """Votes that differ, refused where too many do."""
    total = 0
    wanted = [(Task(record.key, x), [(answer.stage, answer.n) for answer in record.answers])]
    drawn = engine.draw(wanted, record.tally)
    for number, (answer, (_, again)) in enumerate(zip(record.answers, drawn, strict=True)):
        if len(answer.votes) != len(again.votes):
            raise VerificationError(
                f"input {record.index} has {len(answer.votes)} counts, drawn again {len(again.votes)}"
            )
        stored, votes = np.array(answer.votes), np.array(again.votes)
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

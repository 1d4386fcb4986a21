"""``plan``: a calibration and a small pilot on this device, and what they say a run will cost."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil
from typing import TYPE_CHECKING, Any

from noiseproof.analysis.pilot import PilotInput, forecast
from noiseproof.analysis.plan import Plan, Planned, Target, draws_for, pilot_draws_for
from noiseproof.arguments import integer, real
from noiseproof.asked import Asked, Compute, Subject
from noiseproof.asked.kinds import check_kinds
from noiseproof.asked.options import line
from noiseproof.checks import brief_check
from noiseproof.engine import Engine, Task
from noiseproof.errors import ModelError
from noiseproof.models.ensemble import passes
from noiseproof.noises.keys import input_key
from noiseproof.progress import Progress
from noiseproof.runners.automatic import with_backend
from noiseproof.runners.resolve import resolve
from noiseproof.stats.bounds import check_probability
from noiseproof.version import __version__

if TYPE_CHECKING:
    from noiseproof.engine.pooled import PooledBackend
    from noiseproof.noises import Noise
    from noiseproof.noises.words import Generator
    from noiseproof.runners.job import Job

MEANING = ("model", "data", "noise", "precision", "backend")
"""Of a run's manifest: what the numbers of a plan are about."""


def plan(
    noise: Noise,
    subject: Subject,
    compute: Compute | None = None,
    *,
    target: Target | None = None,
    n: int | None = None,
    alpha: float = 0.001,
    pilot: int = 20,
    pilot_draws: int | None = None,
    seconds: float = 3.0,
    seed: int = 0,
    rng: Generator = "philox",
    progress: Callable[[Progress], None] | None = None,
) -> Plan:
    """What a run would cost and find, by every procedure that answers the target, before it is made.

    Draws are made for the plan alone: the pilot's come from a stage of their own, so no certificate uses them, and
    whatever is run afterwards has the guarantee it would have had without a plan.

    Args:
        noise: as for ``run``.
        subject: likewise.
        compute: likewise.
        target: one radius, the largest of a grid, or the full radius of every input, as it is where none is given.
        n: draws of an input at most; by default 100,000, or more where the radius needs more.
        alpha: failure probability per input.
        pilot: inputs of the pilot, spread over those wanted.
        pilot_draws: of each of them; by default 200, up to 1,000 where the target has radii that so few cannot see.
        seconds: the calibration takes at least so long.
        seed: of the noise and of the simulations.
        rng: generator of the noise.
        progress: called now and then.

    Raises:
        ValueError: an argument is out of range, or no reasonable n buys the radius.
        NoiseproofError: model or data cannot be used.
    """
    check_kinds({"noise": noise, "subject": subject})
    if target is not None and not isinstance(target, Target):
        raise ValueError(f"target must be a Target such as Target.of(0.5), got {target!r}")
    if not real("seconds", seconds) > 0:
        raise ValueError(f"seconds must be > 0, got {seconds}")
    check_probability("alpha", real("alpha", alpha))
    pilot, target = integer("pilot", pilot, least=1), target or Target.of()
    n = draws_for(target, noise, alpha, None if n is None else integer("n", n, least=1))
    draws = pilot_draws_for(target, noise) if pilot_draws is None else pilot_draws
    draws = integer("pilot_draws", draws, least=10)
    fixed, *others = target.procedures(n=n, alpha=alpha)
    asked = Asked(procedure=fixed, noise=noise, subject=subject, compute=compute or Compute(), seed=seed, rng=rng)
    first = with_backend(resolve(asked), None, None)
    measured = _measure(first, pilot, draws, real("seconds", seconds), progress)
    planned, left_out = [], []
    for procedure in (fixed, *others):
        try:
            job = replace(first, asked=replace(first.asked, procedure=procedure))  # nothing is loaded again
            expected = forecast(
                procedure, first.noise, measured.pilot, inputs=len(first.indices), radii=target.radii, seed=seed
            )
        except ValueError as error:
            left_out.append(f"{procedure.name}: {error}")
            continue
        planned.append(Planned(procedure.config(), line(procedure.verb, job.settings), expected))
    meaning = first.manifest.meaning
    return Plan(
        target=target,
        meaning={name: meaning[name] for name in MEANING},
        n=n,
        alpha=alpha,
        inputs=len(first.indices),
        takes=passes(first.model),
        pilot=measured.pilot,
        draws_per_second=measured.draws / measured.seconds,
        measured_seconds=measured.seconds,
        device=measured.device,
        planned=tuple(planned),
        left_out=tuple(left_out),
        version=__version__,
    )


@dataclass(frozen=True)
class _Measured:
    pilot: tuple[PilotInput, ...]
    draws: int
    seconds: float
    device: dict[str, Any]


def _measure(job: Job, inputs: int, n: int, seconds: float, progress: Callable[[Progress], None] | None) -> _Measured:
    """The votes of the pilot, and how fast they came; where that took less than ``seconds``, more draws are timed."""
    count = min(inputs, len(job.indices))
    chosen = [job.indices[i * len(job.indices) // count] for i in range(count)]
    tasks: dict[str, tuple[int, Task]] = {}
    for index in chosen:
        x = job.input(index)
        key = input_key(x, set(tasks))
        tasks[key] = (index, Task(key, x))
    seed = job.seed if job.asked.rng == "philox" else secrets.randbits(256)
    votes: dict[str, tuple[int, ...]] = {}

    def measured(backend: PooledBackend) -> tuple[int, float, dict[str, Any]]:
        checked = brief_check(backend, [task.x for _, task in list(tasks.values())[:16]])
        backend.tolerance = checked.tolerance
        engine = Engine(backend, job.noise, seed, job.asked.rng)
        engine.warm_up(next(iter(tasks.values()))[1].x)
        drawn, stage, each, started = 0, 0, n, time.monotonic()
        while not stage or (elapsed := time.monotonic() - started) < seconds:
            if stage:  # few draws at a time would measure how batches are filled, many would take too long
                each = min(4 * each, ceil(drawn / elapsed * (seconds - elapsed) / count))
            requests = [(f"calibration {stage}" if stage else "pilot", each)]
            for task, answer in engine.draw((task, requests) for _, task in tasks.values()):
                drawn += answer.n
                votes.setdefault(task.key, tuple(answer.votes))  # the first are the pilot's
                if progress is not None:
                    progress(Progress(min(drawn, count * n), count * n, "pilot draws"))
            stage += 1
        return drawn, max(time.monotonic() - started, 1e-9), backend.environment()

    drawn, took, device = job.drawing(measured)
    labels = {key: int(job.data.labels[index]) for key, (index, _) in tasks.items()}
    pilot = tuple(PilotInput(index, labels[key], n, votes[key]) for key, (index, _) in tasks.items())
    if not any(sum(each.votes) for each in pilot):
        raise ModelError("every draw of the pilot was void (NaN or infinite scores); repair the base classifier")
    return _Measured(pilot, drawn, took, device)

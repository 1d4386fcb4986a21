"""``plan``: a calibration and a small pilot on this device, and what they say a run will cost."""

from __future__ import annotations

import inspect
import secrets
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from noiseproof.analysis.pilot import PilotInput, forecast
from noiseproof.analysis.plan import Plan, Planned, Target, draws_for, pilot_draws_for
from noiseproof.arguments import integer, real
from noiseproof.checks import brief_check
from noiseproof.engine import Drawn, Engine, Segment, Task
from noiseproof.errors import ModelError
from noiseproof.models.ensemble import passes
from noiseproof.noises import Gaussian, Words
from noiseproof.noises.keys import input_key
from noiseproof.procedures import Procedure
from noiseproof.progress import Progress
from noiseproof.runners.local import job
from noiseproof.stats.bounds import check_probability
from noiseproof.types import ABSTAIN, Draw, Prediction
from noiseproof.version import __version__

if TYPE_CHECKING:
    from noiseproof.data import DataSet
    from noiseproof.engine.pooled import PooledBackend
    from noiseproof.noises import Noise
    from noiseproof.procedures.base import Requests
    from noiseproof.runners.job import Job
    from noiseproof.runners.local import Model

MEANING = ("model", "data", "noise", "precision", "backend")
"""Of a run's manifest: what the numbers of a plan are about."""


def plan(
    *,
    model: Model,
    data: str | DataSet,
    sigma: float,
    radius: float | None = None,
    radii: Sequence[float] | None = None,
    acr: bool = False,
    n: int | None = None,
    alpha: float = 0.001,
    pilot: int = 20,
    pilot_draws: int | None = None,
    seconds: float = 3.0,
    grid: int | None = 255,
    seed: int = 0,
    rng: str = "philox",
    every: int = 1,
    start: int = 0,
    limit: int | None = None,
    num_classes: int | None = None,
    consensus: int | None = None,
    model_id: str | None = None,
    root: str | Path | None = None,
    device: str = "auto",
    precision: str = "fp32",
    backend: str = "torch",
    batch_size: int | None = None,
    workers: int | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Plan:
    """What a run would cost and find, by every procedure that answers the target, before it is made.

    Draws are made for the plan alone: the pilot's come from a stage of their own, so no certificate uses them, and
    whatever is run afterwards has the guarantee it would have had without a plan.

    Args:
        model: the base classifier, as for ``certify``.
        data: ``name[:split]``, ``folder:PATH``, or a data set.
        sigma: standard deviation of the noise in input units ([0, 1] pixels).
        radius: one radius is the target, in input units (L2).
        radii: the largest of a grid is the target.
        acr: the full radius of every input is the target, as it is where none is given.
        n: draws of an input at most; by default 100,000, or more where the radius needs more.
        alpha: failure probability per input.
        pilot: inputs of the pilot, spread over those wanted.
        pilot_draws: of each of them; by default 200, up to 1,000 where the target has radii that so few cannot see.
        seconds: the calibration takes at least so long.
        grid: as for ``certify``, like all that follow.
        seed: of the noise and of the simulations.
        rng: generator of the noise.
        every: take every K-th input.
        start: index of the first.
        limit: how many inputs at most.
        num_classes: of a model that does not say.
        consensus: of several models.
        model_id: a name that stands for the model.
        root: where data sets lie.
        device: "auto", "cpu", "cuda", ...
        precision: of the forward pass.
        backend: what computes the scores.
        batch_size: rows a forward pass.
        workers: batches computed at once.
        progress: called now and then.

    Raises:
        ValueError: an argument is out of range, or no reasonable n buys the radius.
        NoiseproofError: model or data cannot be used.
    """
    check_probability("alpha", real("alpha", alpha))
    pilot, target = integer("pilot", pilot, least=1), Target.of(radius, radii, acr=acr)
    n = draws_for(target, Gaussian(sigma=sigma, grid=grid), alpha, None if n is None else integer("n", n, least=1))
    draws = pilot_draws_for(target, Gaussian(sigma=sigma, grid=grid)) if pilot_draws is None else pilot_draws
    draws = integer("pilot_draws", draws, least=10)
    fixed, *others = target.procedures(n=n, alpha=alpha)
    options: dict[str, Any] = {
        "sigma": sigma,
        "grid": grid,
        "seed": seed,
        "rng": rng,
        "every": every,
        "start": start,
        "limit": limit,
        "num_classes": num_classes,
        "model_id": model_id,
        "root": root,
        "device": device,
        "precision": precision,
        "backend": backend,
        "batch_size": batch_size,
        "workers": workers,
    }
    first = job(fixed, model=model, data=data, consensus=consensus, **options)
    measured = _measure(first, pilot, draws, real("seconds", seconds), progress)
    planned, left_out = [], []
    for procedure in (fixed, *others):
        try:
            asked = job(procedure, model=first.model, data=first.data, **options)  # nothing is loaded again
            expected = forecast(
                procedure, first.noise, measured.pilot, inputs=len(first.indices), radii=target.radii, seed=seed
            )
        except ValueError as error:
            left_out.append(f"{procedure.name}: {error}")
            continue
        planned.append(Planned(procedure.config(), _line(asked), expected))
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
class _Pilot(Procedure):
    """So many draws of one stage, and nothing said about them."""

    n: int
    stage: str = "pilot"

    name: ClassVar[str] = "pilot"

    def run(self, noise: Noise, label: int | None = None) -> Requests:
        del noise, label
        yield Draw(self.stage, self.n)
        return Prediction(ABSTAIN, 1.0)

    @property
    def most_draws(self) -> int:
        return self.n


@dataclass(frozen=True)
class _Measured:
    pilot: tuple[PilotInput, ...]
    draws: int
    seconds: float
    device: dict[str, Any]


def _measure(asked: Job, inputs: int, n: int, seconds: float, progress: Callable[[Progress], None] | None) -> _Measured:
    """The votes of the pilot, and how fast they came; where that took less than ``seconds``, more draws are timed."""
    count = min(inputs, len(asked.indices))
    chosen = [asked.indices[i * len(asked.indices) // count] for i in range(count)]
    tasks: dict[str, tuple[int, Task]] = {}
    for index in chosen:
        x = asked.noise.encode(asked.data.pixels(index))
        key = input_key(x, set(tasks))
        tasks[key] = (index, Task(key, x))
    seed = asked.seed if asked.rng == "philox" else secrets.randbits(256)
    votes = {key: np.zeros(asked.model.num_classes, dtype=np.int64) for key in tasks}
    with asked.draws_with() as backend:
        checked = brief_check(backend, [task.x for _, task in list(tasks.values())[:16]])
        backend.tolerance = checked.tolerance
        _warm_up(backend, asked, seed)
        drawn, stage, each, started = 0, 0, n, time.monotonic()
        while not stage or (elapsed := time.monotonic() - started) < seconds:
            if stage:  # few draws at a time would measure how batches are filled, many would take too long
                each = min(4 * each, ceil(drawn / elapsed * (seconds - elapsed) / count))
            procedure = _Pilot(each, f"calibration {stage}" if stage else "pilot")
            for event in Engine(backend, asked.noise, procedure, seed, asked.rng).run(
                task for _, task in tasks.values()
            ):
                if not isinstance(event, Drawn):
                    continue
                drawn += event.n
                if not stage:
                    votes[event.task.key] += np.asarray(event.votes, dtype=np.int64)
                if progress is not None:
                    progress(Progress(min(drawn, count * n), count * n, "pilot draws"))
            stage += 1
        took = max(time.monotonic() - started, 1e-9)
        device = backend.environment()
    labels = {key: int(asked.data.labels[index]) for key, (index, _) in tasks.items()}
    pilot = tuple(
        PilotInput(index, labels[key], n, tuple(int(vote) for vote in votes[key])) for key, (index, _) in tasks.items()
    )
    if not any(sum(each.votes) for each in pilot):
        raise ModelError("every draw of the pilot was void (NaN or infinite scores); repair the base classifier")
    return _Measured(pilot, drawn, took, device)


def _warm_up(backend: PooledBackend, asked: Job, seed: int) -> None:
    """The first batches also start threads and reserve memory."""
    x = asked.noise.encode(asked.data.pixels(asked.indices[0]))
    batch = [Segment(x, Words(seed, "calibration", "warm-up", asked.rng), 0, backend.batch_size)]
    for pending in [backend.submit(batch) for _ in range(backend.workers)]:
        pending.result()


def _line(asked: Job) -> str:
    """The line that runs a job: its settings, without those that are the default of every verb."""
    defaults = {name: each.default for name, each in inspect.signature(job).parameters.items()} | {"grid": 255}
    words = ["noiseproof", asked.procedure.verb]
    for name, value in asked.settings.items():
        if value is None or value is False or (name in defaults and value == defaults[name]):
            continue
        values = value if isinstance(value, list) else [value]
        words += [f"--{name.replace('_', '-')}", *([] if value is True else [_text(each) for each in values])]
    return shlex.join(words)


def _text(value: object) -> str:
    return f"{value:.17g}" if isinstance(value, float) and float(f"{value:g}") != value else f"{value}"

"""Attacks on the certified inputs of a run, each judged on fresh noise and kept: what attack and falsify share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from noiseproof.asked.options import asked_of
from noiseproof.attacks import Attack, Example, Judge, Judged, TargetModel, has_gradient
from noiseproof.engine.backend import cpu_batch, gpu_batch
from noiseproof.engine.choose import backend_for
from noiseproof.models.copies import copied
from noiseproof.procedures import Predict
from noiseproof.progress import Progress
from noiseproof.runners.certified import certified_input
from noiseproof.store import Manifest
from noiseproof.store.attacks import Attacked, AttackFolder, Judgement
from noiseproof.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from noiseproof.asked import Compute
    from noiseproof.noises import Noise
    from noiseproof.runners.job import Job
    from noiseproof.store import Run
    from noiseproof.types import Record

    Candidate = tuple[NDArray[np.float64], float]

CONFIRM = 10
"""Draws of the second judgement, of a break within the certified radius, in units of the first's."""


@dataclass(frozen=True)
class Attempt:
    """One attack on one input at one distance.

    Attributes:
        record: of the input in the run.
        y: the class to lead it away from.
        radius: certified, in input units; 0 where nothing is certified.
        attack: which.
        multiple: what it is called by in the folder.
        allowed: L2 distance, in input units.
    """

    record: Record
    y: int
    radius: float
    attack: Attack
    multiple: float
    allowed: float

    @property
    def name(self) -> tuple[str, str, float]:
        """What there is one of in a folder."""
        return self.record.key, self.attack.label, self.multiple


class Adversary:
    """The model, the data and the judge of a run, ready to attack with; ``with`` opens and closes it."""

    def __init__(self, job: Job) -> None:
        """An adversary of the smoothed classifier that a job is about; its procedure, PREDICT, judges."""
        self._on_cpu = job.device.type == "cpu"
        self.rows = job.asked.compute.batch_size or (cpu_batch if self._on_cpu else gpu_batch)(tuple(job.data.shape))
        # the caller's module stays where it is
        module = copied(job.model.module).to(job.device)
        self.job = replace(job, model=replace(job.model, module=module))
        assert isinstance(job.asked.procedure, Predict)
        self.judged_by = job.asked.procedure
        self.confirmed_by = Predict(n=CONFIRM * job.asked.procedure.n, alpha=job.asked.procedure.alpha)
        self.judge = Judge(job.noise, self._backend)
        self.target = TargetModel(module, job.noise, job.device, self.rows, self.judge.votes)

    def __enter__(self) -> Adversary:
        """It is open from the start."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the workers."""
        self.judge.close()

    def has_gradient(self, record: Record) -> bool:
        """Whether attacks that need gradients can be used."""
        x = torch.from_numpy(certified_input(self.job, record)).to(self.job.device, torch.float32)
        generator = torch.Generator(self.job.device).manual_seed(0)
        return has_gradient(self.target.base, x + self.target.noise.sample(x, min(8, self.rows), generator))

    def attack(
        self,
        attempts: Sequence[Attempt],
        seed: int,
        folder: AttackFolder,
        settings: dict[str, Any],
        progress: Callable[[Progress], None] | None,
        *,
        once_broken: bool = True,
    ) -> None:
        """Attack and judge what is not judged yet.

        Args:
            attempts: in order.
            seed: of the attacks' own noise.
            folder: keeps the points.
            settings: what was asked for.
            progress: called now and then.
            once_broken: attack also at distances at which an input is known to be broken already.
        """
        begun_with = self._backend_of_most().environment()
        folder.begin({"version": __version__, **begun_with}, settings)
        done = before = sum(attempt.name in folder.points for attempt in attempts)
        started = time.monotonic()
        left = [attempt for attempt in attempts if attempt.name not in folder.points]
        while left:
            group, left, passed = self._next(left, folder, once_broken)
            done += passed
            if group:
                begun = time.monotonic()
                with _one_thread(self._on_cpu):
                    found = self._candidates(group, seed)
                judged = self._judged(group, found)
                seconds = (time.monotonic() - begun) / len(group)
                for point, x in judged:
                    folder.add(replace(point, seconds=round(seconds, 6)), x)
                done += len(group)
            if progress is not None:
                rate = (done - before) / (time.monotonic() - started)
                broken = sum(point.broken for point in folder.points.values())
                progress(Progress(done, len(attempts), "points", f"{broken} broken", (len(attempts) - done) / rate))

    def _next(
        self, left: list[Attempt], folder: AttackFolder, once_broken: bool
    ) -> tuple[list[Attempt], list[Attempt], int]:
        """The next attempts of one attack that fit into a batch, those after them, and how many were passed over."""
        broken: dict[str, float] = {}
        for point in () if once_broken else folder.points.values():
            if point.broken:
                broken[point.key] = min(point.distance, broken.get(point.key, np.inf))
        attack = left[0].attack
        size = max(1, self.rows // attack.per_example())
        group: list[Attempt] = []
        for i, attempt in enumerate(left):
            if attempt.attack is not attack or len(group) == size:
                return group, left[i:], i - len(group)
            if not broken.get(attempt.record.key, np.inf) <= attempt.allowed:
                group.append(attempt)
        return group, [], len(left) - len(group)

    def _candidates(self, group: list[Attempt], seed: int) -> list[list[Candidate]]:
        """The points to judge, none further away than allowed, and their distances."""
        attack = group[0].attack
        clean = [certified_input(self.job, attempt.record) for attempt in group]
        words = f"noiseproof attack {attack.label} {seed}"
        examples = [
            Example(x, attempt.y, attempt.allowed, f"{words} {attempt.record.key} {attempt.multiple!r}")
            for x, attempt in zip(clean, group, strict=True)
        ]
        found = attack.search(self.target, examples)
        # an input that nothing is certified of may be of another class as it is
        return [
            [(x, 0.0)] * (attempt.radius <= 0) + [_within(x, to, attempt.allowed, clip=attack.clip) for to in points]
            for x, attempt, points in zip(clean, group, found, strict=True)
        ]

    def _judged(self, group: list[Attempt], found: list[list[Candidate]]) -> list[tuple[Attacked, NDArray[np.float64]]]:
        """One point an attempt: the first candidate that broke, else the first."""
        flat = [(attempt, x, distance) for attempt, each in zip(group, found, strict=True) for x, distance in each]
        verdicts = self.judge(self.judged_by, [x for _, x, _ in flat])
        points: dict[tuple[str, str, float], tuple[Attacked, NDArray[np.float64]]] = {}
        tried = {attempt.name: len(each) for attempt, each in zip(group, found, strict=True)}
        for (attempt, x, distance), verdict in zip(flat, verdicts, strict=True):
            if attempt.name not in points or not points[attempt.name][0].broken:
                point = _attacked(attempt, distance, verdict, self.judged_by.n, tried[attempt.name])
                if point.broken or attempt.name not in points:
                    points[attempt.name] = point, x
        inside = [name for name, (point, _) in points.items() if point.contradicts]
        if inside:  # said only after a second judgement: on noise of another seed, with more draws
            again = self.judge(self.confirmed_by, [points[name][1] for name in inside])
            for name, verdict in zip(inside, again, strict=True):
                point, x = points[name]
                points[name] = replace(point, again=_judgement(verdict, self.confirmed_by.n)), x
        return list(points.values())

    def _backend(self, noise: Noise) -> Any:  # noqa: ANN401  # a backend
        job = self.job
        return backend_for(
            job.asked.compute.backend,
            job.model.module,
            num_classes=job.model.num_classes,
            noise=noise,
            shape=tuple(job.data.shape),
            device=job.device,
            batch_size=self.rows,
            precision=job.asked.compute.precision,
            workers=job.asked.compute.workers,
        )

    def _backend_of_most(self) -> Any:  # noqa: ANN401  # a backend
        """The one that judges points off the grid, where most are."""
        return self.judge.backend(self.judge.noise_at(np.full(self.job.data.shape, 0.1234567)))


def manifest_of(kind: str, run: Run, searched: Mapping[str, Any], judge: Predict) -> Manifest:
    """What a folder of this kind means: which run, and which model, was searched how and judged by what."""
    of = {"run": run.manifest.meaning_hash, "model": run.manifest.meaning["model"]}
    return Manifest(kind, {**of, **searched, "judge": judge.config()}, __version__)


def chosen(run: Path, multiples: Sequence[float], limit: int | None, seed: int) -> dict[str, Any]:
    """The settings of what is attacked, and at which distances."""
    at = {"run": str(run), "at": ",".join(map(repr, multiples))}
    return at | ({} if limit is None else {"limit": limit}) | {"seed": seed}


def found_settings(job: Job, compute: Compute) -> dict[str, Any]:
    """The settings of the judge, of where it computes, and of where the model and the data were found."""
    found = {name: job.settings[name] for name in ("model", "denoiser", "root") if name in job.settings}
    return asked_of(job.asked.procedure) | asked_of(compute) | found


def _within(clean: NDArray[np.float64], to: NDArray[np.float64], distance: float, *, clip: bool) -> Candidate:
    """The point, pulled into the ball in float64: what float32 steps leave outside it would judge nothing."""
    x, delta = to, to - clean
    if (length := float(np.linalg.norm(delta))) > distance:
        x = clean + delta * (distance / length * (1 - 2.0**-40))
    if clip:
        x = x.clip(0, 1)
    reached = float(np.linalg.norm(x - clean))
    assert reached <= distance, "an attack stays in its ball"
    return x, reached


def _attacked(attempt: Attempt, distance: float, verdict: Judged, n: int, tried: int) -> Attacked:
    return Attacked(
        key=attempt.record.key,
        index=attempt.record.index,
        label=attempt.record.label,
        certified=attempt.y,
        radius=attempt.radius,
        multiple=attempt.multiple,
        distance=distance,
        seed=verdict.seed,
        n=n,
        votes=verdict.votes,
        prediction=verdict.prediction.prediction,
        p_value=verdict.prediction.p_value,
        seconds=0.0,
        attack=attempt.attack.label,
        arithmetic=verdict.arithmetic,
        tried=tried,
    )


def _judgement(verdict: Judged, n: int) -> Judgement:
    return Judgement(verdict.seed, n, verdict.votes, verdict.prediction.prediction, verdict.prediction.p_value)


@contextmanager
def _one_thread(wanted: bool) -> Iterator[None]:
    """Inside, torch uses one intra-op thread: several wait for each other as soon as another process is busy."""
    before = torch.get_num_threads()
    if wanted:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)

"""A job: a procedure on part of a data set, kept in a run folder."""

from __future__ import annotations

import hashlib
import logging
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from noiseproof.checks import brief_check
from noiseproof.engine import Drawn, Engine, Finished, OutOfMemoryError, Task, check_budget
from noiseproof.engine.choose import backend_for
from noiseproof.engine.contract import check_backend, check_eval_mode, check_graph, check_options, check_precision
from noiseproof.engine.disagreement import disagreement
from noiseproof.engine.require import check_available
from noiseproof.errors import ModelError, RunError, unknown
from noiseproof.models.ensemble import has_consensus, passes
from noiseproof.noises import Words
from noiseproof.noises.keys import input_key
from noiseproof.noises.words import BLOCK, GENERATORS
from noiseproof.store import Manifest, Range, Run, RunFolder, check_meaning, read_manifest, read_run
from noiseproof.store.run import DRAWN_BY
from noiseproof.store.state import skipped_key
from noiseproof.tallies import in_meaning
from noiseproof.version import __version__

if TYPE_CHECKING:
    from noiseproof.data import DataSet
    from noiseproof.engine.pooled import PooledBackend
    from noiseproof.models import BaseModel
    from noiseproof.noises import Noise
    from noiseproof.procedures import Procedure
    from noiseproof.store.state import State
    from noiseproof.types import Record

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Progress:
    """How far a job is.

    Attributes:
        inputs: finished inputs, those of earlier sessions included.
        inputs_total: inputs wanted.
        draws: draws made in this session.
        draws_total: draws this session has to make at most.
        draws_per_second: mean rate of this session.
        seconds_left: at that rate.
    """

    inputs: int
    inputs_total: int
    draws: int
    draws_total: int
    draws_per_second: float
    seconds_left: float


@dataclass(frozen=True)
class Cost:
    """What a job will cost.

    Attributes:
        inputs: inputs that are not finished yet.
        inputs_total: inputs wanted.
        draws: draws they need at most.
        draws_per_second: measured on this machine just now.
        seconds: draws / draws_per_second.
    """

    inputs: int
    inputs_total: int
    draws: int
    draws_per_second: float
    seconds: float


@dataclass(frozen=True)
class Job:
    """A procedure on selected inputs of a data set, with everything its counts depend on.

    Attributes:
        procedure: what is asked of every input.
        model: the base classifier.
        data: the data set.
        indices: the inputs wanted, in order.
        noise: what the certificate is about, knowing its dimension.
        seed: of the noise.
        device: where to compute.
        precision: of the forward pass.
        batch_size: rows a forward pass, or None for the default.
        workers: batches computed at once, or None for the default.
        budget: draws for all inputs together, or None for as many as the procedure wants.
        settings: what the user asked for, kept with the run.
        backend: what computes the scores.
        rng: generator of the random words; "chacha20" takes its key from the operating system.
        skipped: wanted inputs whose picture cannot be read, and why; they are not in ``indices``.
    """

    procedure: Procedure
    model: BaseModel
    data: DataSet
    indices: list[int]
    noise: Noise
    seed: int
    device: torch.device
    precision: str
    batch_size: int | None
    workers: int | None
    budget: int | None
    settings: dict[str, Any]
    backend: str = "torch"
    rng: str = "philox"
    skipped: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_options(precision=self.precision, batch_size=self.batch_size, workers=self.workers)
        check_backend(self.backend, precision=self.precision, device=self.device)
        check_available(self.backend, self.precision)
        check_eval_mode(self.model.module)
        check_precision(self.model.module, self.precision)
        check_graph(self.backend, self.model.module)
        self._check_rng()
        if self.model.shape is not None and tuple(self.model.shape) != tuple(self.data.shape):
            raise ModelError(
                f"{self.model.source} takes inputs of shape {tuple(self.model.shape)}, "
                f"but {self.data.name} has {tuple(self.data.shape)}; give the data set it was trained on"
            )
        if self.model.num_classes != len(self.data.classes):
            raise ModelError(
                f"{self.model.source} has {self.model.num_classes} classes, "
                f"but {self.data.name} has {len(self.data.classes)}; give the data set it was trained on"
            )
        self.procedure.design(self.noise)  # refuses what it cannot succeed in
        if self.budget is not None:
            check_budget(self.procedure, self.noise, len(self.indices), self.budget)
        self.noise.encode(self.data.pixels(self.indices[0]))  # refuses a grid on which the pictures do not lie

    @property
    def manifest(self) -> Manifest:
        """Everything the counts depend on. Not which inputs (but for a budget, which they share), nor workers."""
        labels = hashlib.sha256(self.data.labels.astype("<i8").tobytes()).hexdigest()
        meaning = {
            "model": {
                "fingerprint": self.model.fingerprint,
                "architecture": self.model.architecture,
                "num_classes": self.model.num_classes,
            },
            "data": {"name": self.data.name, "shape": list(self.data.shape), "labels": labels[:32]},
            "noise": self.noise.config(),
            "procedure": self.procedure.config(),
            "seed": self.seed,
            "arithmetic": self.noise.arithmetic,
            "precision": self.precision,
            "backend": self.backend,
        }
        meaning |= in_meaning(self.procedure.tally)
        if self.rng != "philox":
            meaning["rng"] = self.rng
        if design := self.procedure.design(self.noise):
            meaning["design"] = design
        if self.budget is not None:
            inputs = hashlib.sha256(np.array(self.indices, dtype="<i8").tobytes()).hexdigest()
            meaning["budget"] = {"draws": self.budget, "inputs": inputs[:32]}
        return Manifest(self.procedure.verb, meaning, __version__)

    def run(self, out: Path, progress: Callable[[Progress], None] | None = None) -> Run:
        """Do what is left of the job; what is finished in the folder is not done again.

        Raises:
            RunError: the folder cannot be used.
            ModelError: the base classifier breaks its contract.
        """
        return self._keyed(out)._run(out, progress)

    def _run(self, out: Path, progress: Callable[[Progress], None] | None) -> Run:
        batch_size = self.batch_size
        with RunFolder(out, self.manifest) as folder:
            while True:
                backend = self._backend(batch_size)
                try:
                    self._check(backend, folder.state)
                    self._compare(backend)
                    self._serve(folder, backend, progress)
                    break
                except OutOfMemoryError:
                    if backend.batch_size == 1:
                        raise
                    batch_size = backend.batch_size // 2
                    log.warning("out of memory: the same draws again in batches of %d", batch_size)
                finally:
                    backend.close()
        return read_run(out)

    def cost(self, out: Path | None = None, seconds: float = 1.0) -> Cost:
        """What is left to do and how long it will take, from a calibration of some ``seconds``.

        Raises:
            RunError: the folder belongs to another run.
            ModelError: the base classifier breaks its contract.
        """
        finished: set[int] = set()
        if out is not None and (out / "manifest.json").exists():
            run = read_run(out)
            check_meaning(out, run.manifest, self._keyed(out).manifest)
            finished = {record.index for record in run.records}
        left = [index for index in self.indices if index not in finished]
        draws = min(len(left) * self.procedure.most_draws, self.budget or sys.maxsize)
        backend = self._backend(self.batch_size)
        try:
            rate = self._rate(backend, seconds)
        finally:
            backend.close()
        return Cost(len(left), len(self.indices), draws, rate, draws / rate)

    def _check_rng(self) -> None:
        if self.rng not in GENERATORS:
            raise ValueError(unknown("rng", self.rng, GENERATORS))
        Words(0, "", "", self.rng).take(0, 1, BLOCK)  # refuses where its package is missing

    def _keyed(self, out: Path) -> Job:
        """With a key of the operating system for the cryptographic source: that of the folder where it has one."""
        if self.rng == "philox":
            return self
        stored = read_manifest(out).meaning if (out / "manifest.json").exists() else {}
        same = stored.get("rng") == self.rng
        return replace(self, seed=stored["seed"] if same else secrets.randbits(256))

    @contextmanager
    def draws_with(self) -> Iterator[PooledBackend]:
        """What the job draws with, for whoever draws something else about its model; given back at the end."""
        backend = self._backend(self.batch_size)
        try:
            yield backend
        finally:
            backend.close()

    def _backend(self, batch_size: int | None) -> PooledBackend:
        return self._named(self.backend, self.precision, batch_size)

    def _named(self, name: str, precision: str, batch_size: int | None) -> PooledBackend:
        return backend_for(
            name,
            self.model.module,
            num_classes=self.model.num_classes,
            noise=self.noise,
            shape=tuple(self.data.shape),
            device=self.device,
            batch_size=batch_size,
            precision=precision,
            workers=self.workers,
        )

    def _check(self, backend: PooledBackend, state: State) -> None:
        """Refuse a model that is no function of each row, before the first draw; note by how much its scores vary.

        A tolerance that an earlier session drew with in this environment stands, unless more is measured now.
        """
        finished = {record.index for record in state.records.values()}
        left = [index for index in self.indices if index not in finished]
        before = _tolerance_before(state, {"version": __version__, **backend.environment()})
        tolerance = before
        if left:
            checked = brief_check(backend, [self.noise.encode(self.data.pixels(index)) for index in left[:16]])
            backend.measured["checked"] = asdict(checked)
            tolerance = max(before, checked.tolerance)
        backend.tolerance = tolerance
        if tolerance and has_consensus(self.model.module):
            raise ModelError(
                f"scores of equal inputs vary here by up to {tolerance:.1e} of the largest, and a consensus that hangs "
                "on it cannot be told by its scores; leave --consensus out, or compute on another --device"
            )
        if tolerance:
            backend.measured["tolerance"] = tolerance

    def _compare(self, backend: PooledBackend) -> None:
        """Measure, for the record, how often another backend or precision than torch in fp32 votes differently."""
        if (self.backend, self.precision) == ("torch", "fp32"):
            return
        reference = self._named("torch", "fp32", backend.batch_size)
        try:
            inputs = [self.noise.encode(self.data.pixels(index)) for index in self.indices[:16]]
            differing, tried = disagreement(backend, reference, inputs)
        finally:
            reference.close()
        backend.measured["disagreement"] = {"rows": tried, "differing": differing}
        log.warning(
            "%s in %s votes as torch in fp32 on all but %d of %d noisy inputs",
            backend.label,
            self.precision,
            differing,
            tried,
        )

    def _serve(self, folder: RunFolder, backend: PooledBackend, progress: Callable[[Progress], None] | None) -> None:
        # how it was trained is a label: the fingerprint is what counts
        label: dict[str, Any] = {"trained": self.model.trained} if self.model.trained else {}
        if self.model.members:
            label |= {
                "members": [member.fingerprint for member in self.model.members],
                "draw_takes": passes(self.model),
            }
        folder.begin({"version": __version__, **backend.environment(), **label}, self.settings)
        where: dict[str, int] = {}
        finished = {record.index for record in folder.state.records.values()}
        done = sum(index in finished for index in self.indices)
        known = sum(drawn.n for stages in folder.state.open.values() for each in stages.values() for drawn in each)
        total = (len(self.indices) - done) * self.procedure.most_draws - known
        if self.budget is not None:
            spent = sum(record.draws for record in folder.state.records.values())
            total = min(total, self.budget - known - spent)
        started, draws, before = time.monotonic(), 0, done
        for index, why in self.skipped.items():
            if index not in finished:
                log.warning("input %d is skipped, and counted as an abstention: %s", index, why)
                folder.add_skipped(index, int(self.data.labels[index]), why, self.procedure.nothing_known(self.noise))
        engine = Engine(backend, self.noise, self.seed, self.rng)
        for event in engine.run(self.procedure, self._tasks(folder.state, where), self.budget):
            key = event.task.key
            if isinstance(event, Drawn):
                folder.add_range(key, event.stage, Range(event.first, event.n, event.votes, event.seconds))
                draws += event.n
            if isinstance(event, Finished) and key in where:
                index = where[key]
                folder.add_record(key, index, int(self.data.labels[index]), event.requests, event.outcome)
                done += 1
            if progress is not None:
                elapsed = max(time.monotonic() - started, 1e-9)
                rate = draws / elapsed
                left = max(0.0, (total - draws) / rate) if draws else float("inf")
                if done > before:  # where inputs stop early, the most they can draw says little
                    left = min(left, elapsed / (done - before) * (len(self.indices) - done))
                progress(Progress(done, len(self.indices), draws, total, rate, left))

    def _tasks(self, state: State, where: dict[str, int]) -> Iterator[Task]:
        """The inputs that are not finished, each with the draws it has already; notes where each key belongs."""
        finished = {record.index: key for key, record in state.records.items()}
        taken = set(state.records)
        for index in self.indices:
            if finished.get(index) == skipped_key(index):  # it stays what it was when the run was made
                continue
            x = self.noise.encode(self.data.pixels(index))
            label = int(self.data.labels[index])
            if index in finished:
                self._check_same_picture(index, input_key(x), finished[index])
                if self.budget is not None:  # who draws next depends on all
                    yield Task(finished[index], x, _ranges(state.records[finished[index]]), label)
                continue
            key = input_key(x, taken)
            taken.add(key)
            where[key] = index
            drawn = {
                stage: [(each.first, each.n, each.votes) for each in ranges]
                for stage, ranges in state.open.get(key, {}).items()
            }
            yield Task(key, x, drawn, label)

    def _check_same_picture(self, index: int, key: str, finished: str) -> None:
        """The meaning holds the labels only; the key of a finished input holds its pixels."""
        if key.rpartition("-")[0] != finished.rpartition("-")[0]:
            raise RunError(
                f"input {index} of {self.data.name} is another picture than the one that is finished: "
                "the data set was changed; choose another --out"
            )

    def _rate(self, backend: PooledBackend, seconds: float) -> float:
        x = self.noise.encode(self.data.pixels(self.indices[0]))
        engine = Engine(backend, self.noise, self.seed, self.rng)
        engine.warm_up(x)
        draws, started = 0, time.monotonic()
        while (elapsed := time.monotonic() - started) < seconds or not draws:
            for _, answer in engine.draw([(Task("calibration", x), [("cost", backend.depth * backend.batch_size)])]):
                draws += answer.n
        return draws / elapsed


def _tolerance_before(state: State, environment: dict[str, Any]) -> float:
    """What the last session drew with that had the same device, backend, precision, batch size and version."""
    names = [name for name in DRAWN_BY if name != "tolerance"]
    same = [session for session in state.sessions if all(session.get(name) == environment.get(name) for name in names)]
    return float(same[-1].get("tolerance", 0.0)) if same else 0.0


def _ranges(record: Record) -> dict[str, list[tuple[int, int, tuple[int, ...]]]]:
    """The draws of a finished input, as a task takes them."""
    drawn: dict[str, list[tuple[int, int, tuple[int, ...]]]] = {}
    for answer in record.answers:
        ranges = drawn.setdefault(answer.stage, [])
        ranges.append((sum(n for _, n, _ in ranges), answer.n, answer.votes))
    return drawn

"""A job: a procedure on part of a data set, kept in a run folder."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from noiseproof.engine import Drawn, Engine, Finished, OutOfMemoryError, Segment, Task, TorchBackend
from noiseproof.engine.contract import check_eval_mode, check_options
from noiseproof.errors import ModelError, RunError
from noiseproof.noises import Words
from noiseproof.noises.keys import input_key
from noiseproof.store import Manifest, Range, Run, RunFolder, check_meaning, read_run
from noiseproof.version import __version__

if TYPE_CHECKING:
    from noiseproof.data import DataSet
    from noiseproof.models import BaseModel
    from noiseproof.noises import Noise
    from noiseproof.procedures import Procedure
    from noiseproof.store.state import State

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
        settings: what the user asked for, kept with the run.
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
    settings: dict[str, Any]

    def __post_init__(self) -> None:
        check_options(precision=self.precision, batch_size=self.batch_size, workers=self.workers)
        check_eval_mode(self.model.module)
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
        self.noise.encode(self.data.pixels(self.indices[0]))  # refuses a grid on which the pictures do not lie

    @property
    def manifest(self) -> Manifest:
        """Everything the counts depend on. Not which inputs, nor workers, packing, limits."""
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
            "backend": "torch",
        }
        return Manifest(self.procedure.name, meaning, __version__)

    def run(self, out: Path, progress: Callable[[Progress], None] | None = None) -> Run:
        """Do what is left of the job; what is finished in the folder is not done again.

        Raises:
            RunError: the folder cannot be used.
            ModelError: the base classifier breaks its contract.
        """
        batch_size = self.batch_size
        with RunFolder(out, self.manifest) as folder:
            while True:
                backend = self._backend(batch_size)
                try:
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
            check_meaning(out, run.manifest, self.manifest)
            finished = {record.index for record in run.records}
        left = [index for index in self.indices if index not in finished]
        draws = len(left) * self.procedure.most_draws
        backend = self._backend(self.batch_size)
        try:
            rate = self._rate(backend, seconds)
        finally:
            backend.close()
        return Cost(len(left), len(self.indices), draws, rate, draws / rate)

    def _backend(self, batch_size: int | None) -> TorchBackend:
        channels_last = len(self.data.shape) == 3
        module = self.model.module.to(self.device)
        if channels_last:
            module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in its stubs
        return TorchBackend(
            module,
            num_classes=self.model.num_classes,
            noise=self.noise,
            shape=tuple(self.data.shape),
            device=self.device,
            batch_size=batch_size,
            precision=self.precision,
            workers=self.workers,
            channels_last=channels_last,
        )

    def _serve(self, folder: RunFolder, backend: TorchBackend, progress: Callable[[Progress], None] | None) -> None:
        folder.begin({"version": __version__, **backend.environment()}, self.settings)
        where: dict[str, int] = {}
        finished = {record.index for record in folder.state.records.values()}
        done = sum(index in finished for index in self.indices)
        known = sum(drawn.n for stages in folder.state.open.values() for each in stages.values() for drawn in each)
        total = (len(self.indices) - done) * self.procedure.most_draws - known
        started, draws = time.monotonic(), 0
        engine = Engine(backend, self.noise, self.procedure, self.seed)
        for event in engine.run(self._tasks(folder.state, where)):
            key = event.task.key
            if isinstance(event, Drawn):
                folder.add_range(key, event.stage, Range(event.first, event.n, event.votes, event.seconds))
                draws += event.n
            if isinstance(event, Finished):
                index = where[key]
                folder.add_record(key, index, int(self.data.labels[index]), event.requests, event.outcome)
                done += 1
            if progress is not None:
                rate = draws / max(time.monotonic() - started, 1e-9)
                left = max(0.0, (total - draws) / rate) if draws else float("inf")
                progress(Progress(done, len(self.indices), draws, total, rate, left))

    def _tasks(self, state: State, where: dict[str, int]) -> Iterator[Task]:
        """The inputs that are not finished, each with the draws it has already; notes where each key belongs."""
        finished = {record.index: key for key, record in state.records.items()}
        taken = set(state.records)
        for index in self.indices:
            x = self.noise.encode(self.data.pixels(index))
            if index in finished:
                self._check_same_picture(index, input_key(x), finished[index])
                continue
            key = input_key(x, taken)
            taken.add(key)
            where[key] = index
            drawn = {
                stage: [(each.first, each.n, each.votes) for each in ranges]
                for stage, ranges in state.open.get(key, {}).items()
            }
            yield Task(key, x, drawn)

    def _check_same_picture(self, index: int, key: str, finished: str) -> None:
        """The meaning holds the labels only; the key of a finished input holds its pixels."""
        if key.rpartition("-")[0] != finished.rpartition("-")[0]:
            raise RunError(
                f"input {index} of {self.data.name} is another picture than the one that is finished: "
                "the data set was changed; choose another --out"
            )

    def _rate(self, backend: TorchBackend, seconds: float) -> float:
        x = self.noise.encode(self.data.pixels(self.indices[0]))
        batch = [Segment(x, Words(self.seed, "calibration", "cost"), 0, backend.batch_size)]
        for pending in [backend.submit(batch) for _ in range(backend.workers)]:
            pending.result()  # the first batches also start threads and reserve memory
        batches, started = 0, time.monotonic()
        while (elapsed := time.monotonic() - started) < seconds or not batches:
            for pending in [backend.submit(batch) for _ in range(backend.depth)]:
                pending.result()
                batches += 1
        return batches * backend.batch_size / elapsed

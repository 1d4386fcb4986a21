"""A job: what is asked, resolved and checked; and the driver that keeps its draws in a run folder."""

from __future__ import annotations

import hashlib
import logging
import secrets
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch

from noiseproof.engine import Drawn, Engine, Task, check_budget
from noiseproof.engine.backend import cpu_batch
from noiseproof.engine.choose import backend_for
from noiseproof.engine.contract import check_backend, check_eval_mode, check_graph, check_precision
from noiseproof.engine.halving import in_batches_that_fit
from noiseproof.engine.require import check_available
from noiseproof.errors import ModelError, RunError
from noiseproof.models.ensemble import passes, spec_of
from noiseproof.noises import Words
from noiseproof.noises.keys import input_key
from noiseproof.noises.words import BLOCK
from noiseproof.progress import Progress
from noiseproof.runners.automatic import with_backend
from noiseproof.runners.cost import Cost, draws_per_second
from noiseproof.runners.executors import EXECUTORS, Began, Executor, Launcher
from noiseproof.runners.trackers import Telling
from noiseproof.runners.watch import Watch
from noiseproof.store import Manifest, Range, Run, RunFolder, check_meaning, read_manifest, read_run
from noiseproof.store.commitment import Commitment, commit
from noiseproof.store.manifest import BOUND, with_design
from noiseproof.store.state import skipped_key
from noiseproof.store.whole import Selection
from noiseproof.tallies import in_meaning
from noiseproof.version import __version__

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noiseproof.asked import Asked
    from noiseproof.data import DataSet
    from noiseproof.engine import Backend
    from noiseproof.engine.pooled import PooledBackend
    from noiseproof.models import BaseModel
    from noiseproof.noises import Noise
    from noiseproof.store.signing import Signer
    from noiseproof.store.state import State
    from noiseproof.types import Record

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class Job:
    """What is asked, with its model and data found; everything checked, nothing drawn. See ``resolve``.

    Attributes:
        asked: the record of the run.
        model: the base classifier.
        data: the data set.
        indices: the inputs wanted, in order.
        noise: what the certificate is about, knowing its dimension.
        device: where to compute.
        seed: of the noise; for a cryptographic generator its key, once the run folder is known.
        skipped: wanted inputs whose picture cannot be read, and why; they are not in ``indices``.
        others: further devices, of the same kind, that draw too.
        binding: what its words are bound to, once the run folder is known.
        auto: whether the backend was found, not asked for.
        ready: that backend, where it had to be made to know; the first who asks has it.
    """

    asked: Asked
    model: BaseModel
    data: DataSet
    indices: list[int]
    noise: Noise
    device: torch.device
    seed: int
    skipped: dict[int, str] = field(default_factory=dict)
    others: tuple[torch.device, ...] = ()
    binding: str = ""
    auto: bool = False
    ready: list[PooledBackend] = field(default_factory=list, repr=False, compare=False)

    def __post_init__(self) -> None:
        asked, module, compute = self.asked, self.model.module, self.asked.compute
        backend = "torch" if compute.backend == "auto" else compute.backend  # it can have all that another can
        if EXECUTORS.find(compute.executor).here:  # refuses one that is unknown
            check_backend(backend, precision=compute.precision, device=self.device)
            check_available(backend, compute.precision)
        check_eval_mode(module)
        check_precision(module, compute.precision)
        check_graph(backend, module)
        Words(0, "", "", asked.rng).take(0, 1, BLOCK)  # refuses where its package is missing
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
        asked.procedure.design(self.noise)  # refuses what it cannot succeed in
        if asked.budget is not None:
            check_budget(asked.procedure, self.noise, len(self.indices), asked.budget)
        self.input(self.indices[0])  # refuses a grid on which the pictures do not lie

    @property
    def manifest(self) -> Manifest:
        """Everything the counts depend on. Not which inputs (but for a budget, which they share), nor workers."""
        asked = self.asked
        assert asked.compute.backend != "auto", "see with_backend"
        labels = hashlib.sha256(self.data.labels.astype("<i8").tobytes()).hexdigest()
        scaling = {} if self.data.scaling is None else {"scaling": self.data.scaling.table()}
        meaning = {
            "model": {name: getattr(self.model, name) for name in ("fingerprint", "architecture", "num_classes")},
            "data": {"name": self.data.name, "shape": list(self.data.shape), "labels": labels[:32]} | scaling,
            "noise": self.noise.config(),
            "procedure": asked.procedure.config(),
            "seed": self.seed,
            "arithmetic": self.noise.arithmetic,
            "precision": asked.compute.precision,
            "backend": asked.compute.backend,
        }
        meaning |= in_meaning(asked.procedure.tally)
        if asked.rng != "philox":
            meaning["rng"] = asked.rng
        if not asked.common_noise:
            meaning["words"] = BOUND
        if asked.budget is not None:
            inputs = hashlib.sha256(np.array(self.indices, dtype="<i8").tobytes()).hexdigest()
            meaning["budget"] = {"draws": asked.budget, "inputs": inputs[:32]}
        return with_design(Manifest(asked.procedure.verb, meaning, __version__), asked.procedure.design(self.noise))

    @property
    def settings(self) -> dict[str, Any]:
        """What was asked, as a settings file; a model or a data set in a caller's hands under its name."""
        asked = self.asked
        if self.auto:
            asked = replace(asked, compute=replace(asked.compute, backend="auto"))
        return asked.table() | {"data": self.data.name} | ({} if asked.subject.denoiser else spec_of(self.model))

    @property
    def about(self) -> dict[str, Any]:
        """What a session line says of the model: labels, the fingerprint is what counts."""
        about: dict[str, Any] = {"trained": self.model.trained} if self.model.trained else {}
        if self.model.members:
            about |= {
                "members": [member.fingerprint for member in self.model.members],
                "draw_takes": passes(self.model),
            }
        return about

    @property
    def selection(self) -> Selection:
        """Which inputs, as a seal says it."""
        subject = self.asked.subject
        return Selection(subject.every, subject.start, subject.limit, len(self.data))

    def commit(self, out: Path, file: Path) -> Commitment:
        """Make the run folder, draw nothing, and write down what the run will be.

        Raises:
            RunError: the folder was begun already or cannot be used, or the file cannot be written.
        """
        with RunFolder(out, self._keyed(out).manifest) as folder:
            return commit(folder, self.selection, file)

    def run(
        self, out: Path, progress: Callable[[Progress], None] | None = None, *, signer: Signer | None = None
    ) -> Run:
        """Do what is left of the job; what is finished in the folder is not done again.

        Args:
            out: the run folder.
            progress: called now and then.
            signer: signs that the run came to its end.

        Raises:
            RunError: the folder cannot be used.
            ModelError: the base classifier breaks its contract.
        """
        job, telling = self._keyed(out), Telling(self.asked.compute.track)
        if issubclass(made := EXECUTORS.find(self.asked.compute.executor), Launcher):
            made().launch(job, out, progress)
            return read_run(out)
        with RunFolder(out, job.manifest) as folder:
            try:
                job._drive(folder, made(), progress, telling, signer)
            finally:
                telling.ended(folder.state.sealed)
        return read_run(out)

    def cost(self, out: Path | None = None, seconds: float = 1.0) -> Cost:
        """What is left to do and how long it will take, from a calibration of some ``seconds``.

        Raises:
            RunError: the folder belongs to another run.
            ModelError: the base classifier breaks its contract.
        """
        left, job = self.indices, with_backend(self, None, None) if out is None else self._keyed(out)
        if out is not None and (out / "manifest.json").exists():
            run = read_run(out)
            check_meaning(out, run.manifest, job.manifest)
            left = self.left(run.state)
        draws = min(len(left) * self.asked.procedure.most_draws, self.asked.budget or sys.maxsize)
        rate = job.drawing(lambda backend: draws_per_second(job, backend, seconds))
        return Cost(len(left), len(self.indices), draws, rate, draws / rate)

    def input(self, index: int) -> NDArray[Any]:
        """An input of the data set as its noise takes it."""
        return self.data.encoded(index, self.noise)

    def left(self, state: State) -> list[int]:
        """The inputs wanted that are not finished."""
        finished = {record.index for record in state.records.values()}
        return [index for index in self.indices if index not in finished]

    @property
    def batch_size(self) -> int | None:
        """Rows a forward pass, as asked; None: what the device takes."""
        asked = self.asked.compute.batch_size
        if asked is not None or self.device.type != "cpu":
            return asked
        return cpu_batch(tuple(self.data.shape), inputs=len(self.indices))

    def drawing(self, act: Callable[[PooledBackend], T]) -> T:
        """What is drawn about the model outside its procedure, in batches that fit into memory."""
        return in_batches_that_fit(self.backend, act, self.batch_size)

    def backend(
        self, batch_size: int | None, *, name: str | None = None, precision: str | None = None
    ) -> PooledBackend:
        """A backend for the model: the one asked for, but for what is named here."""
        compute = self.asked.compute
        if self.ready and (batch_size, name, precision) == (self.batch_size, None, None):
            return self.ready.pop()
        return backend_for(
            name or compute.backend,
            self.model.module,
            num_classes=self.model.num_classes,
            noise=self.noise,
            shape=tuple(self.data.shape),
            device=(self.device, *self.others),
            batch_size=batch_size,
            precision=precision or compute.precision,
            workers=compute.workers,
        )

    def engine(self, backend: Backend) -> Engine:
        """What draws the words of this job."""
        return Engine(backend, self.noise, self.seed, self.asked.rng, self.binding)

    def tasks(self, state: State) -> Iterator[Task]:
        """The inputs that are not finished, each with the draws it has already."""
        finished = {record.index: key for key, record in state.records.items()}
        taken = set(state.records)
        for index in self.indices:
            if finished.get(index) == skipped_key(index):  # it stays what it was when the run was made
                continue
            x, label = self.input(index), int(self.data.labels[index])
            if index in finished:
                self._check_same_picture(index, input_key(x), finished[index])
                if self.asked.budget is not None:  # who draws next depends on all
                    yield Task(finished[index], x, _ranges(state.records[finished[index]]), label, index)
                continue
            key = input_key(x, taken)
            taken.add(key)
            drawn = {
                stage: [(each.first, each.n, each.votes) for each in ranges]
                for stage, ranges in state.open.get(key, {}).items()
            }
            yield Task(key, x, drawn, label, index)

    def _drive(
        self,
        folder: RunFolder,
        executor: Executor,
        progress: Callable[[Progress], None] | None,
        telling: Telling,
        signer: Signer | None = None,
    ) -> None:
        """Write down what the executor draws."""
        state = folder.state
        watch = Watch(self, state)
        for event in executor.draw(self, state):
            if isinstance(event, Began):
                folder.begin(event.environment | self.about, self.settings, self.selection)
                self._skip(folder)
                telling.started(folder.path.name, self.manifest.meaning, state.records.values())
                continue
            key = event.task.key
            if isinstance(event, Drawn):
                folder.add_range(key, event.stage, Range(event.first, event.n, event.votes, event.seconds))
                telling.drawn(event)
                watch.draws += event.n
            elif key not in state.records:
                index = event.task.index
                assert index is not None, "see tasks"
                label = int(self.data.labels[index])
                record = folder.add_record(key, index, label, event.requests, event.outcome, clean=event.task.clean)
                telling.finished(record)
                watch.finish(label, event.outcome)
            if progress is not None:
                progress(watch.progress(executor.note))
            if watch.seconds > (self.asked.compute.stop_after or inf):
                return
        folder.seal(self.selection, signer)

    def _skip(self, folder: RunFolder) -> None:
        finished = {record.index for record in folder.state.records.values()}
        for index, why in self.skipped.items():
            if index not in finished:
                log.warning("input %d is skipped, and counted as an abstention: %s", index, why)
                nothing = self.asked.procedure.nothing_known(self.noise)
                folder.add_skipped(index, int(self.data.labels[index]), why, nothing)

    def _keyed(self, out: Path) -> Job:
        """With backend and words of the folder, where it is one: its form of keys, the key of a cryptographic source.

        A new folder of such a source has a key of the operating system.
        """
        stored = read_manifest(out) if (out / "manifest.json").exists() else None
        meaning = {} if stored is None else stored.meaning
        job = with_backend(self, out, None if stored is None else meaning)
        if self.asked.rng != "philox":
            same = meaning.get("rng") == self.asked.rng
            job = replace(job, seed=meaning["seed"] if same else secrets.randbits(256))
        if stored is not None and "words" not in meaning and not self.asked.common_noise:
            log.warning("%s was begun with noise that is common to all models, and goes on with it", out)
            job = replace(job, asked=replace(job.asked, common_noise=True))
        return replace(job, binding=(stored or job.manifest).binding)

    def _check_same_picture(self, index: int, key: str, finished: str) -> None:
        """The meaning holds the labels only; the key of a finished input holds its pixels."""
        if key.rpartition("-")[0] != finished.rpartition("-")[0]:
            raise RunError(
                f"input {index} of {self.data.name} is another picture than the one that is finished: "
                "the data set was changed; choose another --out"
            )


def _ranges(record: Record) -> dict[str, list[tuple[int, int, Sequence[int]]]]:
    """The draws of a finished input, as a task takes them."""
    drawn: dict[str, list[tuple[int, int, Sequence[int]]]] = {}
    for answer in record.answers:
        ranges = drawn.setdefault(answer.stage, [])
        ranges.append((sum(n for _, n, _ in ranges), answer.n, answer.votes))
    return drawn

"""What all backends share: workers on a queue of batches, packed and perturbed rows, counted votes."""

from __future__ import annotations

import queue
import sys
import threading
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Required, TypedDict, Unpack

import numpy as np
import torch

from noiseproof.engine.allocator import keep_large_blocks
from noiseproof.engine.arithmetic import cuda_environment
from noiseproof.engine.backend import OutOfMemoryError, Segment, available_cores, cpu_batch, gpu_batch
from noiseproof.engine.contract import check_options, checked_scores, other_floats, resolved
from noiseproof.errors import ModelError
from noiseproof.noises.words import Words
from noiseproof.tallies import CLASS_VOTES, VOID

if TYPE_CHECKING:
    from noiseproof.engine.backend import Pending
    from noiseproof.noises import Noise
    from noiseproof.tallies import Tally
    from noiseproof.types import Counts


class Setup(TypedDict, total=False):
    """What every backend is told.

    Attributes:
        num_classes: how many scores a row has.
        noise: turns words into noisy inputs.
        shape: of one input.
        device: where the scores are computed; the CPU by default.
        batch_size: rows a forward pass; by default ``cpu_batch`` or ``gpu_batch``.
        precision: of the forward pass: "fp32" by default, on CUDA "tf32", or "bf16".
        workers: batches computed at once; by default a core each on a CPU, 2 elsewhere.
        channels_last: hand pictures over in this layout.
    """

    num_classes: Required[int]
    noise: Required[Noise]
    shape: Required[tuple[int, ...]]
    device: str | torch.device
    batch_size: int | None
    precision: str
    workers: int | None
    channels_last: bool


class PooledBackend(ABC):
    """One-thread workers each take a batch: perturb, forward, count. A subclass says what a forward pass is.

    The shape of a batch is constant (tails are padded), its memory is used again and again (a worker's own on a CPU),
    scores stay on the device, and only the counts come back. On a CUDA device the same code copies to the device and
    back without waiting.
    """

    label: str
    """The backend as the record names it, with its version and what was done to the base classifier."""
    most_segments = sys.maxsize
    """How many segments a batch may have."""

    def __init__(self, **setup: Unpack[Setup]) -> None:
        """The part of a backend that does not depend on what a forward pass is.

        Raises:
            ValueError: an argument is out of range.
        """
        num_classes, noise, shape = setup["num_classes"], setup["noise"], setup["shape"]
        batch_size, workers, precision = setup.get("batch_size"), setup.get("workers"), setup.get("precision", "fp32")
        self.device = resolved(setup.get("device", "cpu"))
        self._on_cpu = self.device.type == "cpu"
        check_options(precision=precision, batch_size=batch_size, workers=workers)
        if num_classes < 2:
            raise ValueError(f"num_classes must be >= 2, got {num_classes}")
        self.batch_size = (
            batch_size if batch_size is not None else cpu_batch(shape) if self._on_cpu else gpu_batch(shape)
        )
        self.workers = workers if workers is not None else available_cores() if self._on_cpu else 2
        # a worker that is held up must not let the others run dry: results are taken in order
        self.depth = 2 * self.workers + 1
        self.num_classes, self.noise, self.shape, self.precision = num_classes, noise, shape, precision
        self.measured: dict[str, Any] = {}
        """What was measured of it at the start; stands in the record too."""
        self.tolerance = 0.0
        """Rows whose two largest scores differ by no more than this share of their largest |score| are void."""
        channels_last = setup.get("channels_last", False) and len(shape) == 3
        self.layout = torch.channels_last if channels_last else torch.contiguous_format
        if self._on_cpu:
            keep_large_blocks()
        # tables are built once, before several workers would each build them
        noise.perturb(noise.encode(np.zeros(shape)), Words(0, "tables", "tables"), 0, 1)
        # a divisor on the device: by a number CUDA would multiply with its reciprocal, which is not the quotient
        self._scale = torch.full((), noise.scale, dtype=torch.float32, device=self.device)
        self._threads_before = torch.get_num_threads()
        self._pool = ThreadPoolExecutor(self.workers, "noiseproof", self._start_worker)
        self._spaces: queue.SimpleQueue[_Space] = queue.SimpleQueue()

    @abstractmethod
    def scores(self, x: torch.Tensor) -> object:
        """The forward pass, in a worker: ``[batch_size, *shape]`` float32 on the device to ``[batch_size, classes]``.

        The result may be overwritten by the next call in the same worker. Errors are told as the base classifier's.
        """

    def submit(self, segments: list[Segment], tally: Tally = CLASS_VOTES) -> Pending:
        """Start a batch; a worker takes it."""
        return _Batch(self._pool.submit(self._run, segments, tally))

    def answers(self, x: torch.Tensor) -> torch.Tensor:
        """The scores of up to a whole batch, as a worker computes them: a copy on the CPU, for checks.

        Args:
            x: ``[rows, *shape]``, float32 in input units; a batch is filled up with them.

        Raises:
            OutOfMemoryError: the batch does not fit.
            ModelError: the base classifier breaks its contract.
        """

        def work() -> torch.Tensor:
            with torch.inference_mode():
                whole = torch.empty((self.batch_size, *self.shape), device=self.device, memory_format=self.layout)
                fill_with(whole, x)
                return self._checked(whole)[: len(x)].cpu().clone()

        try:
            return self._pool.submit(work).result()
        except Exception as error:
            translated = self._translated(error)
            if translated is error:
                raise
            raise translated from error

    def close(self) -> None:
        """Stop the workers."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._spaces = queue.SimpleQueue()
        torch.set_num_threads(self._threads_before)

    def each_worker(self, work: Callable[[], float]) -> list[float]:
        """Call something in every worker at the same time, as forward passes are called; for measurements."""
        barrier = threading.Barrier(self.workers)

        def together() -> float:
            barrier.wait()
            with torch.inference_mode():
                return work()

        under_way = [self._pool.submit(together) for _ in range(self.workers)]
        return [each.result() for each in under_way]

    def forward_pass(self, x: torch.Tensor) -> Callable[[], object]:
        """What makes a forward pass on a batch that lies ready, in a worker; for measurements."""
        return lambda: self.scores(x)

    def environment(self) -> dict[str, Any]:
        """What draws, for the record."""
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else self.device.type
        return {
            "device": name,
            "backend": self.label,
            "precision": self.precision,
            "batch_size": self.batch_size,
            "workers": self.workers,
            **cuda_environment(self.device, self.precision),
            **self.measured,
        }

    def _start_worker(self) -> None:
        if self._on_cpu:
            torch.set_num_threads(1)  # threads inside one operation wait for each other; workers do not
        elif self.device.type == "cuda":
            torch.cuda.set_device(self.device)

    def _run(self, segments: list[Segment], tally: Tally) -> Callable[[], Counts]:
        space = None
        try:
            space = self._take_space()
            self._perturb(segments, space)
            with torch.inference_mode():
                counts = self._vote(space, len(segments), tally)
                host, arrived = self._to_host(counts)
        except BaseException as error:
            if space is not None:
                self._spaces.put(space)
            translated = self._translated(error)
            space = None  # this frame lives as long as the error
            if translated is error:
                raise
            raise translated from error
        if arrived is None:
            self._spaces.put(space)

        def wait() -> Counts:
            if arrived is not None:
                arrived.synchronize()
                self._spaces.put(space)  # a copy to the device may read it until now
            votes: Counts = host.numpy()[: len(segments), 1:]
            return votes

        return wait

    def _translated(self, error: BaseException) -> BaseException:
        """The error itself, but for memory that ran out in any of its words."""
        if not is_out_of_memory(error):
            return error
        forget_frames(error)
        return OutOfMemoryError(
            f"a batch of {self.batch_size} does not fit into the memory of {self.device}; give a smaller --batch-size"
        )

    def _perturb(self, segments: list[Segment], space: _Space) -> None:
        """Fill the rows of a batch, and for each row the segment it belongs to (one behind the last: padding)."""
        rows, slots = space.rows.numpy(), space.slots.numpy()
        row = 0
        for slot, segment in enumerate(segments):
            end = row + segment.n
            rows[row:end] = self.noise.perturb(segment.x, segment.words, segment.first, segment.n)
            slots[row:end] = slot
            row = end
        rows[row:] = 0
        slots[row:] = len(segments)

    def _vote(self, space: _Space, segments: int, tally: Tally) -> torch.Tensor:
        """Counts of a batch."""
        x, slots = space.on_device()
        if self.noise.scale != 1.0:
            x.div_(self._scale)
        return self._counted(self._checked(x), slots, segments, tally)

    def _counted(self, scores: torch.Tensor, slots: torch.Tensor, segments: int, tally: Tally) -> torch.Tensor:
        """Counts ``[segments + 1, 1 + slots]`` of the tally; the first column is void, the last row padding."""
        places = tally.counted(scores, self.tolerance)
        columns = 1 + tally.slots(self.num_classes)
        counts = torch.zeros((segments + 1) * columns, dtype=torch.int64, device=self.device)
        place = (slots.unsqueeze(1) * columns + (places - VOID)).view(-1)
        return counts.scatter_add_(0, place, torch.ones_like(place)).view(-1, columns)

    def _checked(self, x: torch.Tensor) -> torch.Tensor:
        try:
            scores = self.scores(x)
        except (Exception, SystemExit) as error:  # a model that calls sys.exit(0) is not a run that is done
            if is_out_of_memory(error):
                raise
            said = (str(error).splitlines() or ["no reason given"])[0]
            fits = other_floats(getattr(self, "base", None)) or "give a model that takes such inputs, or its own data"
            remedy = "" if isinstance(error, ModelError) else f"; {fits}"
            raise ModelError(
                f"the base classifier failed on inputs of shape {tuple(x.shape)}: {type(error).__name__}: "
                f"{said}{remedy}"
            ) from error
        return checked_scores(scores, len(x), self.num_classes)

    def _to_host(self, counts: torch.Tensor) -> tuple[torch.Tensor, torch.cuda.Event | None]:
        if self.device.type != "cuda":
            return counts.cpu(), None
        host = torch.empty(counts.shape, dtype=counts.dtype, pin_memory=True)
        host.copy_(counts, non_blocking=True)
        arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch's stub
        arrived.record(torch.cuda.current_stream(self.device))  # of this device, which may not be the first
        return host, arrived

    def _take_space(self) -> _Space:
        try:
            return self._spaces.get_nowait()
        except queue.Empty:
            # never more at once than workers on a CPU, than batches under way (depth + 1) elsewhere
            pinned = self.device.type == "cuda"
            dtype = torch.int16 if self.noise.scale != 1.0 else torch.float64
            shape = (self.batch_size, *self.shape)
            return _Space(
                rows=torch.empty(shape, dtype=dtype, pin_memory=pinned),
                slots=torch.empty(self.batch_size, dtype=torch.int64, pin_memory=pinned),
                x=torch.empty(shape, dtype=torch.float32, device=self.device, memory_format=self.layout),
            )


@dataclass(frozen=True)
class _Space:
    """The memory of a batch, used again for the next: noisy rows, the segment of each, and what the model sees."""

    rows: torch.Tensor
    slots: torch.Tensor
    x: torch.Tensor

    def on_device(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The rows as float32, and their segments, both on the device."""
        device = self.x.device
        # to the device first, in 16 bits: a copy that also converts would convert on the CPU
        rows = self.rows.to(device, non_blocking=True)
        return self.x.copy_(rows), self.slots.to(device, non_blocking=True)


@dataclass(frozen=True)
class _Batch:
    future: Future[Callable[[], Counts]]

    def result(self) -> Counts:
        return self.future.result()()


def fill_with(batch: torch.Tensor, x: torch.Tensor) -> None:
    """Fill a batch with these rows, again and again: whatever hangs on the whole batch hangs on each of them."""
    for first in range(0, len(batch), len(x)):
        batch[first : first + len(x)].copy_(x[: len(batch) - first])


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception of torch or of another backend means that a smaller batch would fit."""
    if isinstance(error, RuntimeError):  # torch has a class for its own allocator only
        words = ("can't allocate memory", "out of memory", "ALLOC_FAILED", "Failed to allocate memory", "bad_alloc")
        engine = "unable to find an engine"  # cuDNN, where none works within the memory that is left
        if isinstance(error, torch.OutOfMemoryError) or any(word in str(error) for word in (*words, engine)):
            return True
        # a capture that is broken off may complain of that in turn
        return error.__context__ is not None and is_out_of_memory(error.__context__)
    return isinstance(error, MemoryError)


def forget_frames(error: BaseException) -> None:
    """Drop the locals of the frames an exception came through: activations that would live until it is collected."""
    chained: BaseException | None = error
    while chained is not None:
        traceback.clear_frames(chained.__traceback__)
        chained = chained.__cause__ or chained.__context__

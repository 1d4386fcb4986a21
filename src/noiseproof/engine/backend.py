"""What turns noisy inputs into votes: the one place where a tensor is touched."""

from __future__ import annotations

import os
import queue
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from noiseproof.engine.contract import check_options
from noiseproof.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noiseproof.noises import Noise, Words
    from noiseproof.types import Counts

GPU_BATCH = 1000


class OutOfMemoryError(ModelError):
    """A batch does not fit; the same draws can be made in smaller batches."""


@dataclass(frozen=True)
class Segment:
    """Draws ``first`` to ``first + n - 1`` of one stage of one input: rows of a batch."""

    x: NDArray[Any]
    words: Words
    first: int
    n: int


class Pending(Protocol):
    """A batch under way."""

    def result(self) -> Counts:
        """Wait for it: votes ``[segments, classes]``; void draws are what is missing.

        Raises:
            OutOfMemoryError: the batch did not fit.
            ModelError: the base classifier breaks its contract.
        """


class Backend(Protocol):
    """Votes for segments of noisy inputs."""

    batch_size: int
    depth: int
    """How many batches should be under way at once."""

    def submit(self, segments: list[Segment]) -> Pending:
        """Start a batch of at most ``batch_size`` rows; returns at once."""

    def close(self) -> None:
        """Give everything back."""

    def environment(self) -> dict[str, Any]:
        """What draws: device, backend, precision, batch size; recorded beside the counts."""


class TorchBackend:
    """A torch module on any device. One-thread workers each take a batch: perturb, forward, count.

    The shape of a batch is constant (tails are padded), scores stay on the device, and only the counts come back,
    when they are asked for, a few batches later.
    """

    def __init__(
        self,
        base: Callable[[torch.Tensor], torch.Tensor],
        *,
        num_classes: int,
        noise: Noise,
        shape: tuple[int, ...],
        device: str | torch.device = "cpu",
        batch_size: int | None = None,
        precision: str = "fp32",
        workers: int | None = None,
        channels_last: bool = False,
    ) -> None:
        """A backend for one base classifier.

        Args:
            base: ``[batch, *shape] -> [batch, num_classes]`` scores, on ``device``, in eval mode.
            num_classes: how many scores a row has.
            noise: turns words into noisy inputs.
            shape: of one input.
            device: where the base classifier lives.
            batch_size: rows a forward pass; by default 64 (large pictures: 16) on a CPU, 1000 elsewhere.
            precision: "fp32", or "bf16" for autocast.
            workers: batches computed at once; by default a core each on a CPU, 2 elsewhere.
            channels_last: hand pictures over in this layout.

        Raises:
            ValueError: an argument is out of range.
        """
        self.device = torch.device(device)
        on_cpu = self.device.type == "cpu"
        check_options(precision=precision, batch_size=batch_size, workers=workers)
        if num_classes < 2:
            raise ValueError(f"num_classes must be >= 2, got {num_classes}")
        self.batch_size = batch_size if batch_size is not None else cpu_batch(shape) if on_cpu else GPU_BATCH
        self.workers = workers if workers is not None else available_cores() if on_cpu else 2
        self.depth = self.workers + 1
        self.base, self.num_classes, self.noise, self.shape = base, num_classes, noise, shape
        self.precision, self._channels_last = precision, channels_last and len(shape) == 3
        self._threads_before = torch.get_num_threads()
        self._pool = ThreadPoolExecutor(self.workers, "noiseproof", self._start_worker)
        self._buffers: queue.SimpleQueue[torch.Tensor] = queue.SimpleQueue()

    def submit(self, segments: list[Segment]) -> Pending:
        """Start a batch; a worker takes it."""
        return _Batch(self._pool.submit(self._run, segments))

    def close(self) -> None:
        """Stop the workers."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        torch.set_num_threads(self._threads_before)

    def environment(self) -> dict[str, Any]:
        """What draws, for the record."""
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else self.device.type
        return {
            "device": name,
            "backend": f"torch {torch.__version__}",
            "precision": self.precision,
            "batch_size": self.batch_size,
            "workers": self.workers,
        }

    def _start_worker(self) -> None:
        if self.device.type == "cpu":
            torch.set_num_threads(1)  # threads inside one operation wait for each other; workers do not

    def _run(self, segments: list[Segment]) -> Callable[[], Counts]:
        buffer = None
        try:
            buffer = self._take_buffer()
            slots = self._perturb(segments, buffer)
            with torch.inference_mode():
                counts = self._vote(buffer, slots)
                if self.device.type == "cuda":
                    host = torch.empty(counts.shape, dtype=counts.dtype, pin_memory=True)
                    host.copy_(counts, non_blocking=True)
                    arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch's stub
                    arrived.record(torch.cuda.current_stream(self.device))  # of this device, which may not be the first
                else:
                    host, arrived = counts.cpu(), None
        except BaseException as error:
            if buffer is not None:
                self._buffers.put(buffer)
            if is_out_of_memory(error):
                raise OutOfMemoryError(
                    f"a batch of {self.batch_size} does not fit into the memory of {self.device}; "
                    "give a smaller --batch-size"
                ) from error
            raise

        def wait() -> Counts:
            if arrived is not None:
                arrived.synchronize()
            self._buffers.put(buffer)  # a copy to the device may read it until now
            votes: Counts = host.numpy()[: len(segments), : self.num_classes]
            return votes

        return wait

    def _perturb(self, segments: list[Segment], buffer: torch.Tensor) -> torch.Tensor:
        """Fill the rows of a batch; returns for each row the segment it belongs to (one behind the last: padding)."""
        rows = buffer.numpy()
        slots = np.full(self.batch_size, self.batch_size, np.int64)
        row = 0
        for slot, segment in enumerate(segments):
            end = row + segment.n
            rows[row:end] = self.noise.perturb(segment.x, segment.words, segment.first, segment.n)
            slots[row:end] = slot
            row = end
        rows[row:] = 0
        return torch.from_numpy(slots)

    def _vote(self, buffer: torch.Tensor, slots: torch.Tensor) -> torch.Tensor:
        """Counts ``[batch_size + 1, classes + 1]``; the last column is void, the last row padding."""
        x = buffer.to(self.device, non_blocking=True).to(torch.float32)
        if self.noise.scale != 1.0:
            x = x.div_(self.noise.scale)
        if self._channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            scores = self._score(x)
        if not isinstance(scores, torch.Tensor) or scores.shape != (self.batch_size, self.num_classes):
            got = tuple(scores.shape) if isinstance(scores, torch.Tensor) else type(scores).__name__
            raise ModelError(
                f"the base classifier must return scores of shape ({self.batch_size}, {self.num_classes}) "
                f"for {self.batch_size} inputs and num_classes={self.num_classes}, got {got}"
            )
        void = ~torch.isfinite(scores).all(dim=1)
        votes = scores.argmax(dim=1).masked_fill_(void, self.num_classes)
        columns = self.num_classes + 1
        counts = torch.zeros((self.batch_size + 1) * columns, dtype=torch.int64, device=self.device)
        place = slots.to(self.device, non_blocking=True) * columns + votes
        return counts.scatter_add_(0, place, torch.ones_like(place)).view(-1, columns)

    def _score(self, x: torch.Tensor) -> torch.Tensor:
        try:
            return self.base(x)
        except Exception as error:
            if is_out_of_memory(error):
                raise
            said = (str(error).splitlines() or ["no reason given"])[0]
            raise ModelError(
                f"the base classifier failed on inputs of shape {tuple(x.shape)}: {type(error).__name__}: {said}"
            ) from error

    def _take_buffer(self) -> torch.Tensor:
        try:
            return self._buffers.get_nowait()
        except queue.Empty:
            # never more than depth + 1 at once: that many batches are under way
            dtype = torch.int16 if self.noise.scale != 1.0 else torch.float64
            pinned = self.device.type == "cuda"
            return torch.empty((self.batch_size, *self.shape), dtype=dtype, pin_memory=pinned)


@dataclass(frozen=True)
class _Batch:
    future: Future[Callable[[], Counts]]

    def result(self) -> Counts:
        return self.future.result()()


def available_cores() -> int:
    """The processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_batch(shape: tuple[int, ...]) -> int:
    """Rows a forward pass on a CPU: few enough to keep activations in cache and out of fresh mappings.

    >>> cpu_batch((3, 32, 32)), cpu_batch((3, 224, 224))
    (64, 16)
    """
    return 64 if prod(shape) <= 2**14 else 16


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception of torch means that a smaller batch would fit."""
    if isinstance(error, RuntimeError):  # torch has a class for its own allocator only
        words = ("can't allocate memory", "out of memory", "ALLOC_FAILED")
        return isinstance(error, torch.OutOfMemoryError) or any(word in str(error) for word in words)
    return isinstance(error, MemoryError)

"""Votes on a GPU, one CUDA graph a batch: noise, forward pass, argmax and count, without a word to the host between."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import prod
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn, Unpack

import numpy as np
import torch

from noiseproof.engine import noise_torch
from noiseproof.engine.arithmetic import arithmetic
from noiseproof.engine.graph_memory import Buffers, Slot
from noiseproof.engine.noise_tables import NoiseTables
from noiseproof.engine.pooled import fill_with
from noiseproof.engine.streams import give_back, refusing_to_wait, stream_for
from noiseproof.engine.torch_backend import TorchBackend
from noiseproof.models.ensemble import row_by_row
from noiseproof.noises import Gaussian
from noiseproof.tallies import CLASS_VOTES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noiseproof.engine.backend import Pending, Segment
    from noiseproof.engine.pooled import Setup
    from noiseproof.noises.words import Words
    from noiseproof.tallies import Tally
    from noiseproof.types import Counts

log = logging.getLogger(__name__)

DEPTH = 4
"""Batches under way: the host fills tables ahead of the device."""


class GraphBackend(TorchBackend):
    """A torch module under Gaussian noise on a grid, which the device draws itself: the integers of the host.

    A batch is a small pinned table in, a graph, and counts out; no worker threads, one event a batch to wait for. There
    are graphs of fewer rows too, for the looks of sequential procedures, as far as they give the same scores to the
    last bit. What a graph cannot hold (members asked row by row, Python that waits) runs eagerly and says so in the
    label. Rows whose undecided numbers exceed their scratch (below 1e-30 each), and words that are not Philox's, are
    drawn on the host. On a CPU the same body runs eagerly. It is for one thread at a time.
    """

    def __init__(
        self,
        base: Callable[[torch.Tensor], torch.Tensor],
        *,
        folded: bool = False,
        fused: bool = False,
        **setup: Unpack[Setup],
    ) -> None:
        """A backend for one base classifier; the first batch, or whoever asks for the environment, makes the graphs.

        Args:
            base: ``[batch, *shape] -> [batch, num_classes]`` scores, on ``device``, in eval mode.
            folded: whether batch-norm was folded into the convolutions of ``base``, for the record.
            fused: whether its convolutions compute their ReLU, for the record.
            setup: see ``Setup``; Gaussian noise on a grid, and one worker whatever it says.

        Raises:
            ValueError: an argument is out of range.
        """
        super().__init__(base, folded=folded, **(setup | {"workers": 1}))
        assert isinstance(self.noise, Gaussian), "see drawn_on_device"
        self.depth = DEPTH
        dimension = prod(self.shape)
        # a table holds a picture for each of them: 128, of large ones 27
        self.most_segments = max(1, min(self.batch_size, 128, max(8, 2**22 // dimension)))
        self._plain_label = self.label + (" fused" if fused else "")
        self._record = {"channels_last": self.layout == torch.channels_last, "fused": fused}
        self._tables = NoiseTables.of(self.noise, dimension, self.device)
        self._kernels = _kernels(self.device)
        self._stream = None if self._on_cpu else stream_for(self.device)
        self._buffers: Buffers | None = None
        self._graphs: dict[tuple[int, bool], torch.cuda.CUDAGraph] = {}
        self._sizes: tuple[int, ...] = ()
        self._scores: torch.Tensor | None = None
        self._made_for = self.tolerance
        self._tally: Tally = CLASS_VOTES
        self._free: list[Slot] = []
        self._keys: dict[Words, NDArray[np.int64]] = {}
        self._told = False

    def submit(self, segments: list[Segment], tally: Tally = CLASS_VOTES) -> Pending:
        """Start a batch: its table goes to the device, the graph follows."""
        assert len(segments) <= self.most_segments, "the engine packs no more"
        try:
            if tally != self._tally:
                self._forget()
                self._tally = tally
            buffers = self._ready()
            slot = self._free.pop() if self._free else Slot.of(buffers, pinned=not self._on_cpu)
            rows = self._fill(slot, segments)
            on_host = any(segment.words.rng != "philox" for segment in segments)
            self._start(slot, segments, rows, on_host=on_host)
        except Exception as error:  # noqa: BLE001  # raised again
            self._raise(error)
        return _Batch(self, slot, segments, rows)

    def answers(self, x: torch.Tensor) -> torch.Tensor:
        """The scores of up to a whole batch, as a graph computes them."""
        try:
            buffers = self._ready()
            with self._on_stream():
                fill_with(buffers.noisy, x)
                buffers.seg.fill_(-1)
                self._replay(self.batch_size, drawn=False)
                assert self._scores is not None, "every run leaves some"
                return self._scores[: len(x)].cpu().clone()
        except Exception as error:  # noqa: BLE001  # raised again
            self._raise(error)

    def each_worker(self, work: Callable[[], float]) -> list[float]:
        """Call something as forward passes are called; there is one worker, the caller."""
        with torch.inference_mode():
            return [work()]

    def forward_pass(self, x: torch.Tensor) -> Callable[[], object]:
        """A graph of nothing else, where there are graphs."""
        self._ready()
        if not self._graphs:
            return super().forward_pass(x)
        assert self._stream is not None, "only CUDA has graphs"
        graph = torch.cuda.CUDAGraph()
        with self._on_stream(), torch.cuda.graph(graph, None, self._stream, capture_error_mode="thread_local"):
            self.scores(x)
        return graph.replay

    def close(self) -> None:
        """Give graphs and buffers back."""
        self._forget()
        if self._stream is not None:
            give_back(self.device, self._stream)
            self._stream = None
        super().close()

    def _forget(self) -> None:
        if self._stream is not None:
            self._stream.synchronize()
        self._graphs.clear()
        self._free.clear()
        self._buffers = self._scores = None

    def environment(self) -> dict[str, Any]:
        """What draws; asks for the graphs, since the label says whether there are any."""
        try:
            self._ready()
        except Exception as error:  # noqa: BLE001  # raised again
            self._raise(error)
        return super().environment() | {"graphs": list(self._sizes)} | self._record

    def _raise(self, error: Exception) -> NoReturn:
        translated = self._translated(error)
        if translated is error:
            raise error
        raise translated from error

    def _ready(self) -> Buffers:
        """Buffers and graphs; graphs anew where the tolerance has changed, which is part of them."""
        if self._buffers is None:
            self._buffers = Buffers.of(self, self._tables, self._tally)
        elif self._made_for == self.tolerance:
            return self._buffers
        self._graphs.clear()
        self._scores = None  # it lies in the memory of the graphs
        self._sizes = (self.batch_size,)
        buffers, self._buffers = self._buffers, None  # none where this fails
        why = "on a CPU" if self._on_cpu else self._capture(buffers)
        self._buffers, self._made_for = buffers, self.tolerance
        self.label = f"{self._plain_label} {'graph' if not why else 'eager'} noise by {_name(self._kernels)}"
        if why and not self._on_cpu:
            log.warning("no CUDA graph of the base classifier (%s): each batch is called eagerly", why)
        return self._buffers

    def _capture(self, buffers: Buffers) -> str:
        """Make the graphs; says why there are none."""
        sizes = [self.batch_size >> shift for shift in (0, 2, 4) if self.batch_size >> shift]
        with self._on_stream(), arithmetic(self.precision, self.device):
            assert self._stream is not None, "only CUDA has graphs"
            # what lies idle for other streams is of no use to this one, and none of it to a capture
            torch.cuda.empty_cache()
            # cuBLAS takes its workspace now, for good: later it would come out of the middle of an activation's memory
            torch.ones((16, 16), device=self.device).mm(torch.ones((16, 16), device=self.device))
            # as noisy as a run's rows
            buffers.noisy.normal_(0.5, 0.5, generator=torch.Generator(self.device).manual_seed(0))
            buffers.seg.fill_(-1)
            whole = self._count(buffers, self.batch_size)  # whatever is wrong with the base classifier is told here
            if why := row_by_row(self.base):
                return why
            try:
                with refusing_to_wait():  # a capture that fails would leave torch's generator in it
                    self._count(buffers, self.batch_size)
            except Exception as error:
                if self._translated(error) is not error:
                    raise
                return _said(error)
            same = [size for size in sizes if torch.equal(self._count(buffers, size), whole[:size])]
            # the largest first: the others then use its memory; none needs what another left
            self._sizes = tuple(sorted({self.batch_size, *same}, reverse=True))
            del whole
            for size in self._sizes:  # compiled before they are captured
                self._draw(buffers, size)
            self._stream.synchronize()
            pool = torch.cuda.graph_pool_handle()
            try:
                for size in self._sizes:
                    for drawn in (False, True)[size != self.batch_size :]:
                        graph = torch.cuda.CUDAGraph()
                        with torch.cuda.graph(graph, pool, self._stream, capture_error_mode="thread_local"):
                            scores = self._body(buffers, size, drawn=drawn)
                        self._graphs[size, drawn] = graph
                        if not drawn:
                            self._scores = scores
            except Exception as error:
                self._graphs.clear()
                self._sizes = (self.batch_size,)
                if self._translated(error) is not error:
                    raise
                return _said(error)
        return ""

    @contextmanager
    def _on_stream(self) -> Iterator[None]:
        with ExitStack() as stack:
            stack.enter_context(torch.inference_mode())
            if self._stream is not None:
                self._stream.wait_stream(torch.cuda.current_stream(self.device))
                stack.enter_context(torch.cuda.stream(self._stream))  # and its device
            yield

    def _fill(self, slot: Slot, segments: list[Segment]) -> int:
        """Write the table of a batch; returns how many rows it has."""
        seg, draw, keys, x = (part.numpy() for part in slot.parts)
        row = 0
        for k, segment in enumerate(segments):
            end = row + segment.n
            draw[row:end] = np.arange(segment.first, segment.first + segment.n)
            seg[row:end] = k
            x[k] = segment.x.reshape(-1)
            if segment.words.rng == "philox":
                keys[k] = self._keys_of(segment.words)
            row = end
        seg[row:] = -1
        return row

    def _keys_of(self, words: Words) -> NDArray[np.int64]:
        if words not in self._keys:
            if len(self._keys) > 4096:
                self._keys.clear()
            self._keys[words] = self._tables.keys(words)
        return self._keys[words]

    def _start(self, slot: Slot, segments: list[Segment], rows: int, *, on_host: bool) -> None:
        buffers = self._ready()
        used = buffers.used(len(segments))
        with self._on_stream():
            buffers.table[:used].copy_(slot.table[:used], non_blocking=True)
            if on_host:
                began = time.perf_counter()
                drawn = [self.noise.perturb(each.x, each.words, each.first, each.n) for each in segments]
                self._tell(segments[0].words.rng, (time.perf_counter() - began) / rows)
                buffers.steps.zero_()
                buffers.steps[:rows].copy_(torch.from_numpy(np.concatenate(drawn).reshape(rows, -1)))
                self._kernels.fill_inputs(buffers.noisy, buffers.steps, self.noise.scale)
                self._replay(self.batch_size, drawn=False)
            else:
                self._replay(min(size for size in self._sizes if size >= rows), drawn=True)
            slot.counts.copy_(buffers.counts, non_blocking=True)
            if slot.done is not None:
                slot.done.record(torch.cuda.current_stream(self.device))

    def _tell(self, rng: str, seconds: float) -> None:
        """Say once what words cost that the device cannot draw."""
        if rng == "philox" or self._told or self._on_cpu:
            return
        self._told = True
        log.warning(
            "words of %s are drawn by the host, %.0f us a draw: at most %s draws a second, whatever the device could "
            "do; those of philox it draws itself",
            rng,
            seconds * 1e6,
            f"{1 / seconds:,.0f}",
        )

    def _replay(self, size: int, *, drawn: bool) -> None:
        graph = self._graphs.get((size, drawn))
        if graph is not None:
            graph.replay()
        else:
            assert self._buffers is not None, "made by _ready"
            self._scores = self._body(self._buffers, size, drawn=drawn)

    def _body(self, buffers: Buffers, size: int, *, drawn: bool) -> torch.Tensor:
        buffers.overflow.zero_()
        if drawn:
            self._draw(buffers, size)
        return self._count(buffers, size)

    def _draw(self, buffers: Buffers, size: int) -> None:
        self._kernels.fill_steps(
            self._tables,
            buffers.steps[:size],
            x=buffers.x,
            seg=buffers.seg[:size],
            draw=buffers.draw[:size],
            keys=buffers.keys,
            scratch=buffers.scratch[:size],
            overflow=buffers.overflow,
        )
        self._kernels.fill_inputs(buffers.noisy[:size], buffers.steps[:size], self.noise.scale)

    def _count(self, buffers: Buffers, size: int) -> torch.Tensor:
        """The counts of the noisy rows, into their buffer; returns the scores."""
        scores = self._checked(buffers.noisy[:size])
        seg = buffers.seg[:size]
        counts = self._counted(
            scores, torch.where(seg < 0, self.most_segments, seg).long(), self.most_segments, self._tally
        )
        buffers.counts[:-1].copy_(counts.view(-1))
        buffers.counts[-1:].copy_(buffers.overflow)
        return scores


@dataclass(frozen=True)
class _Batch:
    backend: GraphBackend
    slot: Slot
    segments: list[Segment]
    rows: int

    def result(self) -> Counts:
        found = self._arrived()
        if found[-1]:
            self.backend._start(self.slot, self.segments, self.rows, on_host=True)
            found = self._arrived()
        self.backend._free.append(self.slot)
        votes: Counts = found[:-1].reshape(self.backend.most_segments + 1, -1)
        return votes[: len(self.segments), 1:]

    def _arrived(self) -> Counts:
        try:
            if self.slot.done is not None:
                self.slot.done.synchronize()
        except Exception as error:  # noqa: BLE001  # raised again
            self.backend._raise(error)
        return self.slot.counts.numpy().copy()


def _kernels(device: torch.device) -> ModuleType:
    """Triton's where it is; on a CPU only its interpreter, for tests."""
    if device.type == "cpu" and os.environ.get("TRITON_INTERPRET") != "1":
        return noise_torch
    try:
        from noiseproof.engine import noise_triton
    except ImportError as error:
        log.warning("noise is drawn by torch operations, which is slower: pip install triton (%s)", error)
        return noise_torch
    return noise_triton


def _name(kernels: ModuleType) -> str:
    return "torch" if kernels is noise_torch else "triton"


def _said(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]

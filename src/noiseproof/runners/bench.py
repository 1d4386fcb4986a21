"""How fast draws are: a forward pass alone, certify through the engine, and the textbook loop, side by side."""

from __future__ import annotations

import os
import platform
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from noiseproof.engine import Engine, Segment, Task
from noiseproof.engine.backend import available_cores
from noiseproof.engine.choose import backend_for
from noiseproof.engine.contract import check_backend, check_eval_mode, check_graph, check_options, choose_device
from noiseproof.engine.require import check_available
from noiseproof.errors import ModelError
from noiseproof.models import load as load_model
from noiseproof.models.ensemble import checked_consensus
from noiseproof.noises import Gaussian
from noiseproof.procedures import Certify
from noiseproof.runners.textbook import BATCHES, GPU_BATCHES, PUBLISHED_BATCH, TextbookProcess
from noiseproof.version import __version__

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noiseproof.engine.backend import Pending
    from noiseproof.engine.pooled import PooledBackend
    from noiseproof.noises import Noise
    from noiseproof.types import Counts

ROUNDS = 5
INPUTS = 4


@dataclass(frozen=True)
class Speed:
    """Draws a second of one contestant.

    Attributes:
        name: what was measured.
        batch: rows a forward pass.
        draws_per_second: of each round.
    """

    name: str
    batch: int
    draws_per_second: tuple[float, ...]

    @property
    def median(self) -> float:
        """Over the rounds."""
        return median(self.draws_per_second)

    def times(self, other: Speed) -> float:
        """How many times as fast as another: the median of the ratios within a round."""
        return median(a / b for a, b in zip(self.draws_per_second, other.draws_per_second, strict=True))


@dataclass(frozen=True)
class Bench:
    """What was measured in one run, every round one contestant after the other.

    Attributes:
        environment: model, device, backend, precision, workers, versions.
        mflop: of a draw, a multiplication and an addition counted as two.
        peak: fp32 GFLOP/s of matrix products on all workers, median.
        foreign: share of the cores' time that other processes took meanwhile.
        forward: the forward pass alone, on every worker.
        certify: through the engine, noise and counting included.
        published: the textbook loop in batches of 1000.
        best: the textbook loop at its best batch.
    """

    environment: dict[str, Any]
    mflop: float
    peak: float
    foreign: float
    forward: Speed
    certify: Speed
    published: Speed
    best: Speed

    @property
    def speeds(self) -> tuple[Speed, ...]:
        """All contestants."""
        return self.forward, self.certify, self.published, self.best

    def table(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return {
            **self.environment,
            "mflop_per_draw": self.mflop,
            "peak_gflops_fp32": self.peak,
            "foreign_load": self.foreign,
            "speeds": [asdict(speed) | {"median": speed.median} for speed in self.speeds],
            "certify_over_forward": self.certify.times(self.forward),
            "certify_over_textbook_best": self.certify.times(self.best),
            "certify_over_textbook_published": self.certify.times(self.published),
        }

    def markdown(self) -> str:
        """The table for people."""
        lines = [
            "| | batch | draws/s, median | lowest to highest | share of peak | times the textbook loop at its best |",
            "|---|---|---|---|---|---|",
        ]
        for speed in self.speeds:
            low, high = min(speed.draws_per_second), max(speed.draws_per_second)
            share = f"{speed.median * self.mflop / 1000 / self.peak:.0%}" if self.peak else ""
            lines.append(
                f"| {speed.name} | {speed.batch} | {speed.median:,.0f} | {low:,.0f} to {high:,.0f} | {share} | "
                f"{speed.times(self.best):.2f} |"
            )
        said = self.environment
        lines += [
            "",
            f"{said['model']} ({self.mflop:.1f} MFLOP a draw) on {said['device']} ({said['processor']}), "
            f"{said['backend']}, {said['precision']}, {said['workers']} one-thread workers on {said['cores']} cores; "
            f"textbook loop: torch {torch.__version__} fp32, {said['threads']} threads, allocator as it comes.",
            f"Exact noise, sigma {said['sigma']:g}. Peak: {self.peak:,.0f} GFLOP/s of fp32 matrix products. "
            f"Other processes took {self.foreign:.0%} of these cores meanwhile"
            + ("; measure again when it is idle." if self.foreign > 0.05 else "."),
        ]
        return "\n".join(lines)


def bench(
    *,
    model: str | Path | nn.Module | Sequence[str | Path],
    data: str | None = None,
    seconds: float = 30.0,
    sigma: float = 0.5,
    num_classes: int | None = None,
    consensus: int | None = None,
    shape: tuple[int, ...] | None = None,
    root: str | Path | None = None,
    device: str = "auto",
    precision: str = "fp32",
    backend: str = "torch",
    batch_size: int | None = None,
    workers: int | None = None,
) -> Bench:
    """Measure draws a second, interleaved in one run.

    Args:
        model: what ``noiseproof.models.load`` takes, several for an ensemble, or a module that can be pickled.
        data: ``name[:split]`` or ``folder:PATH``; without it pictures are random pixels.
        seconds: for the measurement itself; some more go into loading and warming up.
        sigma: of the noise.
        num_classes: of a model that does not say.
        consensus: of several models: the first so many are asked first, the others only where those disagree, which
            is rarer on noisy inputs than on the random pixels of "forward only".
        shape: of one input, where neither model nor data say.
        root: where data sets lie.
        device: "auto", "cpu", "cuda", ...
        precision: of the forward pass; the textbook loop is always fp32.
        backend: "torch", "onnxruntime" or "openvino"; the textbook loop is always torch.
        batch_size: rows a forward pass.
        workers: batches computed at once; by default a core each on a CPU.

    Raises:
        ValueError: an argument is out of range.
        ModelError: the model cannot be used.
    """
    if not seconds > 0:
        raise ValueError(f"seconds must be > 0, got {seconds}")
    check_options(precision=precision, batch_size=batch_size, workers=workers)
    chosen = choose_device("cpu" if device == "auto" and backend != "torch" else device)
    check_backend(backend, precision=precision, device=chosen)
    check_available(backend, precision)
    noise = Gaussian(sigma=sigma)
    base, name, again, classes, inputs = _found(model, data, num_classes, consensus, shape, root)
    cores = available_cores()
    check_eval_mode(base)
    check_graph(backend, base)
    with ExitStack() as stack:
        ours = backend_for(
            backend,
            base,
            num_classes=classes,
            noise=noise.on(inputs[0].shape),
            shape=inputs[0].shape,
            device=chosen,
            batch_size=batch_size,
            precision=precision,
            workers=workers,
        )
        stack.callback(ours.close)
        options = {"device": str(chosen), "threads": cores, **again}
        loop = TextbookProcess(
            base if isinstance(model, nn.Module) else _texts(model),
            options,
            inputs[0] / noise.scale,
            sigma=sigma,
            num_classes=classes,
        )
        stack.enter_context(loop)
        part = seconds / ROUNDS / 5
        candidates = BATCHES if chosen.type == "cpu" else GPU_BATCHES
        tries = {batch: loop.rate(batch, min(part, 0.5))[0] for batch in candidates}
        best = max(tries, key=lambda batch: tries[batch])
        rates, foreign = interleaved(
            {
                "peak": lambda span: (peak_rate(ours, span / 2), 0.0),
                "forward": lambda span: (forward_rate(ours, span), 0.0),
                "certify": lambda span: (certify_rate(ours, ours.noise, inputs, span), 0.0),
                "published": lambda span: loop.rate(PUBLISHED_BATCH, span),
                "best": lambda span: loop.rate(best, span),
            },
            seconds=part,
        )
    environment = {
        "model": name,
        "shape": list(inputs[0].shape),
        "data": data,
        "sigma": sigma,
        **ours.environment(),
        "processor": processor(),
        "cores": cores,
        "threads": cores,
        "torch": torch.__version__,
        "version": __version__,
    }
    return Bench(
        environment,
        mflop=mflop(base, inputs[0].shape),
        peak=median(rates["peak"]),
        foreign=foreign,
        forward=Speed("forward only", ours.batch_size, rates["forward"]),
        certify=Speed("certify", ours.batch_size, rates["certify"]),
        published=Speed("textbook loop, as published", PUBLISHED_BATCH, rates["published"]),
        best=Speed("textbook loop, best batch", best, rates["best"]),
    )


def interleaved(
    contestants: dict[str, Callable[[float], tuple[float, float]]], *, seconds: float, rounds: int = ROUNDS
) -> tuple[dict[str, tuple[float, ...]], float]:
    """Rates of each contestant in each round, and the share of the cores' time that others took.

    Args:
        contestants: each takes seconds and gives a rate and the processor seconds it spent in other processes.
        seconds: of one contestant in one round.
        rounds: how often; one more goes before them and is not counted.
    """
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    for rate in contestants.values():
        rate(seconds / 2)
    busy, total, own = *_processor_time(), time.process_time()
    elsewhere = 0.0
    for _ in range(rounds):
        for name, rate in contestants.items():
            found, spent = rate(seconds)
            rates[name].append(found)
            elsewhere += spent
    busy_now, total_now = _processor_time()
    mine = time.process_time() - own + elsewhere
    foreign = (busy_now - busy - mine) / (total_now - total) if total_now > total else 0.0
    return {name: tuple(found) for name, found in rates.items()}, max(0.0, foreign)


def forward_rate(backend: PooledBackend, seconds: float) -> float:
    """Draws a second of forward passes alone, in all workers at once, on a batch that lies ready."""
    x = torch.rand((backend.batch_size, *backend.shape), device=backend.device).contiguous(memory_format=backend.layout)
    on_gpu = backend.device.type == "cuda"

    def work() -> float:
        draws, started = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - started) < seconds:
            backend.scores(x)
            if on_gpu:
                torch.cuda.synchronize(backend.device)
            draws += backend.batch_size
        return draws / elapsed

    return sum(backend.each_worker(work))


def certify_rate(backend: PooledBackend, noise: Noise, inputs: list[NDArray[Any]], seconds: float) -> float:
    """Draws a second of the first seconds of CERTIFY with n = 100,000 through the engine, everything included."""
    watched = _Watched(backend, seconds)
    tasks = (Task(f"bench-{k}", inputs[k % len(inputs)]) for k in count())
    try:
        for _ in Engine(watched, noise, Certify()).run(tasks):
            pass
    except _TimeUpError:
        return watched.rate()
    finally:
        watched.drain()
    raise AssertionError("there are always more inputs")


class _TimeUpError(Exception):
    """The seconds of a measurement are over."""


class _Watched:
    """A backend that counts the draws that came back, and ends the engine when the time is over."""

    def __init__(self, backend: PooledBackend, seconds: float) -> None:
        self.batch_size, self.depth, self.most_segments = backend.batch_size, backend.depth, backend.most_segments
        self._backend = backend
        self._draws = 0
        self._started = self._last = time.perf_counter()
        self._end = self._started + seconds
        self._under_way: deque[Pending] = deque()

    def submit(self, segments: list[Segment]) -> _Watching:
        if self._draws and time.perf_counter() > self._end:
            raise _TimeUpError
        self._under_way.append(self._backend.submit(segments))
        return _Watching(self, sum(segment.n for segment in segments))

    def close(self) -> None:
        self._backend.close()

    def environment(self) -> dict[str, Any]:
        return self._backend.environment()

    def oldest(self, draws: int) -> Counts:
        votes = self._under_way.popleft().result()
        self._draws, self._last = self._draws + draws, time.perf_counter()
        return votes

    def drain(self) -> None:
        while self._under_way:
            self._under_way.popleft().result()

    def rate(self) -> float:
        return self._draws / (self._last - self._started)


@dataclass(frozen=True)
class _Watching:
    watched: _Watched
    draws: int

    def result(self) -> Counts:
        return self.watched.oldest(self.draws)  # the engine waits in the order in which it submitted


def peak_rate(backend: PooledBackend, seconds: float) -> float:
    """GFLOP/s of fp32 matrix products in all workers at once."""
    side = 1024 if backend.device.type == "cpu" else 8192
    a = torch.rand(side, side, device=backend.device)

    def work() -> float:
        done, started = 0, time.perf_counter()
        out = torch.empty_like(a)
        while (elapsed := time.perf_counter() - started) < seconds:
            torch.mm(a, a, out=out)
            if backend.device.type == "cuda":
                torch.cuda.synchronize(backend.device)
            done += 1
        return done * 2 * side**3 / elapsed / 1e9

    return sum(backend.each_worker(work))


def mflop(base: nn.Module, shape: tuple[int, ...]) -> float:
    """Million floating-point operations of one forward pass of one input, as torch counts them."""
    from torch.utils.flop_counter import FlopCounterMode

    first = next(base.parameters(), torch.zeros(0))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        base(torch.zeros((1, *shape), device=first.device))
    return float(counter.get_total_flops()) / 1e6


def processor() -> str:
    """The processor's name, as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _found(
    model: str | Path | nn.Module | Sequence[str | Path],
    data: str | None,
    num_classes: int | None,
    consensus: int | None,
    shape: tuple[int, ...] | None,
    root: str | Path | None,
) -> tuple[nn.Module, str, dict[str, Any], int, list[NDArray[Any]]]:
    """The module, its name, how another process loads it, its classes, and a few inputs."""
    pictures: list[NDArray[Any]] = []
    if data is not None:
        from noiseproof.data import load as load_data

        data_set = load_data(data, split="test", root=None if root is None else Path(root))
        pictures = [data_set.pixels(index) for index in data_set.select(limit=INPUTS)]
        num_classes = num_classes or len(data_set.classes)
        shape = tuple(data_set.shape)
    if isinstance(model, nn.Module):
        if num_classes is None:
            raise ValueError("num_classes must be given for a model that is a module, got None")
        checked_consensus(consensus, 1)
        base, name, again, stored = model, type(model).__name__, {}, None
    else:
        again = {"num_classes": num_classes, "consensus": consensus}
        loaded = load_model(model, num_classes=num_classes, consensus=consensus)
        base, name, num_classes, stored = loaded.module, loaded.source, loaded.num_classes, loaded.shape
    if stored is not None and shape is not None and tuple(stored) != tuple(shape):
        raise ModelError(f"{name} takes inputs of shape {tuple(stored)}, got {tuple(shape)}; give its own data")
    shape = shape or stored
    if shape is None:
        raise ModelError(f"{name} does not say the shape of its inputs; give --data")
    if not pictures:
        generator = np.random.default_rng(0)
        pictures = [generator.integers(0, 256, shape, dtype=np.uint8) for _ in range(INPUTS)]
    return base, name, again, num_classes, pictures


def _texts(model: str | Path | Sequence[str | Path]) -> list[str]:
    return [str(each) for each in ([model] if isinstance(model, str | os.PathLike) else model)]


def _processor_time() -> tuple[float, float]:
    """Processor seconds of the cores this process may use: those spent at work, and all."""
    try:
        lines = [line.split() for line in Path("/proc/stat").read_text().splitlines()]
    except OSError:
        return 0.0, 0.0
    mine = {f"cpu{core}" for core in os.sched_getaffinity(0)}
    cores = [[int(field) for field in line[1:9]] for line in lines if line and line[0] in mine]
    tick = os.sysconf("SC_CLK_TCK")
    total = sum(map(sum, cores))
    idle = sum(core[3] + core[4] for core in cores)
    return (total - idle) / tick, total / tick

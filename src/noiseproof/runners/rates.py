"""What a second is worth here: rates of forward passes, of certify, of matrix products, measured in turn."""

from __future__ import annotations

import os
import platform
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from noiseproof.engine import Engine, Segment, Task
from noiseproof.procedures import Certify
from noiseproof.tallies import CLASS_VOTES, Tally

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noiseproof.engine.backend import Pending
    from noiseproof.engine.pooled import PooledBackend
    from noiseproof.noises import Noise
    from noiseproof.types import Counts

ROUNDS = 5


def interleaved(
    measured: dict[str, Callable[[float], tuple[float, float]]], *, seconds: float, rounds: int = ROUNDS
) -> tuple[dict[str, tuple[float, ...]], float]:
    """Rates of each in each round, and the share of the cores' time that others took.

    Args:
        measured: each takes seconds and gives a rate and the processor seconds it spent in other processes.
        seconds: of one in one round.
        rounds: how often; one more goes before them and is not counted.
    """
    rates: dict[str, list[float]] = {name: [] for name in measured}
    for rate in measured.values():
        rate(seconds / 2)
    busy, total, own = *_processor_time(), time.process_time()
    elsewhere = 0.0
    for _ in range(rounds):
        for name, rate in measured.items():
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
        once, passes = backend.forward_pass(x), 4 if on_gpu else 1  # a device waits for nobody in between
        draws, started = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - started) < seconds:
            for _ in range(passes):
                once()
            if on_gpu:
                torch.cuda.synchronize(backend.device)
            draws += passes * backend.batch_size
        return draws / elapsed

    return sum(backend.each_worker(work))


def certify_rate(backend: PooledBackend, noise: Noise, inputs: list[NDArray[Any]], seconds: float) -> float:
    """Draws a second of the first seconds of CERTIFY with n = 100,000 through the engine, everything included."""
    watched = _Watched(backend, seconds)
    tasks = (Task(f"bench-{k}", inputs[k % len(inputs)]) for k in count())
    try:
        for _ in Engine(watched, noise).run(Certify(), tasks):
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

    def submit(self, segments: list[Segment], tally: Tally = CLASS_VOTES) -> _Watching:
        if self._draws and time.perf_counter() > self._end:
            raise _TimeUpError
        self._under_way.append(self._backend.submit(segments, tally))
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

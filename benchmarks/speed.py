"""Draws a CPU second and a second: every backend, and what others run, beside Cohen's loop at its best batch.

Each contestant has a process of its own and one thread a worker; they are measured in turn, in rounds, everything
included (exact noise, packing, counting). CPU seconds hold on a busy machine, where seconds do not.

    python benchmarks/speed.py [--seconds 600] [--networks lenet resnet20] [--workers 2] [--out FILE.json]

With ART in an environment of its own (which has numpy, scipy, pillow and safetensors too): --art VENV/bin/python
With a trained model also what a decision costs:  --decide runs/model --data fashion-mnist-small:test
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from noiseproof.models import build
from noiseproof.noises import Gaussian
from noiseproof.runners.textbook import BATCHES, PUBLISHED_BATCH, textbook

ROUNDS = 9
SIGMA = 0.5
COHEN = "Cohen's loop, best batch"
CONTESTANTS = {
    COHEN: "textbook:best",
    f"Cohen's loop, batch {PUBLISHED_BATCH}": f"textbook:{PUBLISHED_BATCH}",
    "ART": "art:32",
    "torch fp32": "torch:fp32",
    "ONNX Runtime fp32": "onnxruntime:fp32",
    "OpenVINO fp32": "openvino:fp32",
    "torch bf16": "torch:bf16",
    "OpenVINO bf16": "openvino:bf16",
}
WANTED, WANTED_OF_FORWARD = 1.8, 0.93


class SmallCNN(nn.Module):
    """8.5 MFLOP a draw at 1x28x28."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32)
        self.conv2, self.bn2 = nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64)
        self.fc1, self.fc2 = nn.Linear(64 * 7 * 7, 128), nn.Linear(128, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 2)
        x = F.max_pool2d(F.relu(self.bn2(self.conv2(x))), 2)
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


NETWORKS = {"small-cnn": (1, 28, 28), "lenet": (1, 28, 28), "resnet20": (3, 32, 32), "resnet110": (3, 32, 32)}


def network(name: str) -> tuple[nn.Module, tuple[int, ...]]:
    torch.manual_seed(0)
    shape = NETWORKS[name]
    module = SmallCNN() if name == "small-cnn" else build(name, num_classes=10, shape=shape)
    return module.eval().requires_grad_(False), shape


# one contestant, in its own process


Rate = Callable[[float], float]
"""Draws a second, over some seconds."""


def ours(kind: str, precision: str, base: nn.Module, shape: tuple[int, ...], options: Any) -> dict[str, Rate]:
    from noiseproof.engine.backend import MANY, cpu_batch
    from noiseproof.engine.choose import backend_for
    from noiseproof.engine.require import check_available
    from noiseproof.runners.rates import certify_rate, forward_rate

    check_available(kind, precision)
    noise = Gaussian(sigma=SIGMA).on(shape)
    generator = np.random.default_rng(0)
    inputs = [generator.integers(0, 256, shape, dtype=np.uint8) for _ in range(4)]
    rows = options.batch_size or cpu_batch(shape, inputs=MANY)
    set_up = {"precision": precision, "workers": options.workers, "batch_size": rows}
    made = backend_for(kind, base, num_classes=10, noise=noise, shape=shape, **set_up)
    return {
        "certify": lambda seconds: certify_rate(made, noise, inputs, seconds),
        "forward": lambda seconds: forward_rate(made, seconds),
    }


def loop(batch: str, base: nn.Module, shape: tuple[int, ...]) -> dict[str, Rate]:
    x = torch.from_numpy(np.random.default_rng(0).integers(0, 256, shape).astype(np.float32) / 255)

    def rate(seconds: float, rows: int) -> float:
        draws, started = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - started) < seconds:
            textbook(base, x, sigma=SIGMA, n=rows, batch=rows, num_classes=10)
            draws += rows
        return draws / elapsed

    if batch != "best":
        return {"certify": lambda seconds: rate(seconds, int(batch))}
    tried = {
        rows: max(timed(lambda seconds, rows=rows: rate(seconds, rows), 0.5)[0] for _ in range(3)) for rows in BATCHES
    }
    best = max(tried, key=lambda rows: tried[rows])
    return {f"certify, batch {best}": lambda seconds: rate(seconds, best)}


def art(batch: int, base: nn.Module, shape: tuple[int, ...]) -> dict[str, Rate]:
    """CERTIFY of the Adversarial Robustness Toolbox, its defaults, n0 = 100."""
    from art.estimators.certification.randomized_smoothing import PyTorchRandomizedSmoothing

    smoothed = PyTorchRandomizedSmoothing(
        model=base, loss=nn.CrossEntropyLoss(), input_shape=shape, nb_classes=10, sample_size=100, scale=SIGMA
    )
    x = np.random.default_rng(0).integers(0, 256, (1, *shape)).astype(np.float32) / 255

    def rate(seconds: float) -> float:
        draws, started = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - started) < seconds:
            smoothed.certify(x, n=1000, batch_size=batch)
            draws += 1100
        return draws / elapsed

    return {"certify": rate}


def timed(rate: Rate, seconds: float) -> tuple[float, float]:
    """Draws a CPU second of this process, and draws a second."""
    spent, started = time.process_time(), time.perf_counter()
    found = rate(seconds)
    return found * (time.perf_counter() - started) / (time.process_time() - spent), found


def contest(options: Any) -> None:
    """Answer seconds with rates, a line each, until the input ends."""
    torch.set_num_threads(options.workers)
    base, shape = network(options.networks[0])
    kind, _, how = options.contestant.partition(":")
    try:
        if kind == "textbook":
            rates = loop(how, base, shape)
        else:
            rates = art(int(how), base, shape) if kind == "art" else ours(kind, how, base, shape, options)
        for rate in rates.values():
            rate(0.2)
    except Exception as error:  # noqa: BLE001  # told, and left out
        print(json.dumps(str(error).splitlines()[0]), flush=True)
        return
    print(json.dumps(list(rates)), flush=True)
    for line in sys.stdin:
        print(json.dumps([timed(rate, float(line)) for rate in rates.values()]), flush=True)


# all of them


class Contestant:
    """A process that waits while it is not asked."""

    def __init__(self, python: str, spec: str, name: str, options: Any) -> None:
        line = [python, __file__, "--contestant", spec, "--networks", name, "--workers", str(options.workers)]
        line += [] if options.batch_size is None else ["--batch-size", str(options.batch_size)]
        env = os.environ | {"OMP_NUM_THREADS": str(options.workers)}
        self._process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
        self.columns = self._said()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def rates(self, seconds: float) -> dict[str, tuple[float, float]]:
        assert self._process.stdin is not None
        print(seconds, file=self._process.stdin, flush=True)
        return dict(zip(self.columns, self._said(), strict=True))

    def _said(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline() or '"it ended without a word"')


def measured(name: str, options: Any) -> dict[str, Any]:
    """Of each contestant, its draws a CPU second and a second in each round."""
    rates: dict[str, list[tuple[float, float]]] = {}
    left_out = {}
    with ExitStack() as stack:
        ready = {}
        for title, spec in CONTESTANTS.items():
            python = options.art if title == "ART" else sys.executable
            if python is None or (options.only and title not in options.only and title != COHEN):
                continue
            one = stack.enter_context(Contestant(python, spec, name, options))
            if isinstance(one.columns, str):
                left_out[title] = one.columns
            else:
                ready[title] = one
        each = options.seconds / len(options.networks) / ROUNDS / sum(len(one.columns) for one in ready.values())
        for _ in range(ROUNDS):
            for title, one in ready.items():
                for column, found in one.rates(each).items():
                    rates.setdefault(title + column.removeprefix("certify").replace("forward", ", forward"), []).append(
                        found
                    )
    return {"rates": rates, "left_out": left_out}


def ratio(rates: dict[str, list[tuple[float, float]]], one: str, other: str, column: int = 0) -> float:
    return median(a[column] / b[column] for a, b in zip(rates[one], rates[other], strict=True))


def table(name: str, found: dict[str, Any]) -> str:
    rates = found["rates"]
    base = next(title for title in rates if title.startswith(COHEN))
    rows = [
        f"| {name} | draws a CPU second | lowest to highest | over Cohen's loop (wanted {WANTED}) | "
        f"over own forward (wanted {WANTED_OF_FORWARD}) | draws a second | over Cohen's loop |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for title, each in rates.items():
        cpu, wall = zip(*each, strict=True)
        forward = f"{ratio(rates, title, f'{title}, forward'):.3f}" if f"{title}, forward" in rates else ""
        rows.append(
            f"| {title} | {median(cpu):,.0f} | {min(cpu):,.0f} to {max(cpu):,.0f} | {ratio(rates, title, base):.2f} | "
            f"{forward} | {median(wall):,.0f} | {ratio(rates, title, base, 1):.2f} |"
        )
    return "\n".join(rows + [f"\n{title} is not here: {why}" for title, why in found["left_out"].items()])


def decide_cost(model: str, data: str) -> str:
    """CPU seconds of a decision at r = .5, and those of the textbook loop's 100,000 draws, batch 1000."""
    from noiseproof import SmoothedClassifier
    from noiseproof.data import load as load_data
    from noiseproof.models import load

    base = load(model)
    pictures = load_data(data, split="test").images()[::10][:100]
    g = SmoothedClassifier(base.module, base.num_classes, Gaussian(sigma=0.5), workers=2)
    g.decide(pictures[:2], radius=0.5)
    started = time.process_time()
    said = g.decide(pictures, radius=0.5)
    each = (time.process_time() - started) / len(pictures)
    published, _ = timed(loop(str(PUBLISHED_BATCH), base.module, tuple(pictures.shape[1:]))["certify"], 5.0)
    return (
        f"decide at r = .5: {each:.3f} CPU seconds an input ({said.draws.mean():,.0f} draws in the mean); textbook "
        f"certify, {published:,.0f} draws a CPU second: {100_000 / published:.1f} s; "
        f"{100_000 / published / each:,.0f} times (wanted 300)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0, help="of measurement, all networks together")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--only", nargs="+", choices=CONTESTANTS, help="these, beside Cohen's loop")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--batch-size", type=int, help="of ours; by default what a run takes")
    parser.add_argument("--art", metavar="PYTHON", help="of an environment that has ART")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--decide", metavar="MODEL", help="a trained model at sigma .5, for the cost of a decision")
    parser.add_argument("--data", default="fashion-mnist-small:test")
    parser.add_argument("--contestant", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contestant:
        contest(options)
        return
    from noiseproof.runners.rates import mflop, processor

    print(f"{processor()}, torch {torch.__version__}, sigma {SIGMA}, exact noise, {options.workers} worker(s)")
    found = {}
    for name in options.networks:
        found[name] = measured(name, options)
        load = " ".join(f"{each:.1f}" for each in os.getloadavg())
        print(f"\n{mflop(*network(name)):.1f} MFLOP a draw; load {load}\n\n{table(name, found[name])}", flush=True)
    if options.decide:
        print("\n" + decide_cost(options.decide, options.data))
    if options.out:
        options.out.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""Draws a second as ratios, beside the project's targets: every backend and the textbook loop, interleaved in one run.

On two cores, exact-grid noise included:  python benchmarks/speed.py [--seconds 240] [--out FILE.json]
With a trained model also what a decision costs:  --decide runs/model --data fashion-mnist-small:test
"""

from __future__ import annotations

import argparse
import json
import os
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[-2:]))  # before torch counts the cores

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from noiseproof.engine.choose import backend_for
from noiseproof.engine.require import check_available
from noiseproof.errors import ModelError
from noiseproof.models import build
from noiseproof.noises import Gaussian
from noiseproof.runners.rates import certify_rate, forward_rate, interleaved, mflop, peak_rate, processor
from noiseproof.runners.textbook import BATCHES, PUBLISHED_BATCH, TextbookProcess

ROUNDS = 5
CONTESTANTS = (
    ("torch fp32", "torch", "fp32"),
    ("torch bf16", "torch", "bf16"),
    ("onnxruntime fp32", "onnxruntime", "fp32"),
    ("openvino fp32", "openvino", "fp32"),
    ("openvino bf16", "openvino", "bf16"),
)
# what, over what, target for ResNet-20, target for the small CNN
TARGETS = (
    ("torch fp32", "textbook best", 1.5, 2.0),
    ("torch bf16", "textbook best", 2.4, 3.0),
    ("openvino fp32", "textbook best", 2.1, 3.8),
    ("onnxruntime fp32", "textbook best", None, None),
    ("openvino bf16", "textbook best", 4.0, 6.5),
    ("torch fp32", "textbook 1000", 3.0, 4.0),
    ("openvino fp32", "textbook 1000", None, None),
    ("openvino bf16", "textbook 1000", 9.0, 12.0),
    ("torch fp32", "torch fp32 forward", 0.93, 0.85),
    ("onnxruntime fp32", "onnxruntime fp32 forward", 0.93, 0.85),
    ("openvino fp32", "openvino fp32 forward", 0.93, 0.85),
    ("openvino bf16", "openvino bf16 forward", 0.93, 0.85),
    ("torch fp32", "torch fp32, 1 worker", 1.85, 1.7),
    ("openvino fp32", "openvino fp32, 1 worker", 1.85, 1.7),
)


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


def measured(base: nn.Module, shape: tuple[int, ...], seconds: float) -> dict[str, Any]:
    """Draws a second of everything in each round."""
    base = base.eval().requires_grad_(False)
    noise = Gaussian(sigma=0.5).on(shape)
    generator = np.random.default_rng(0)
    inputs = [generator.integers(0, 256, shape, dtype=np.uint8) for _ in range(4)]
    left_out: dict[str, str] = {}
    runs: dict[str, Any] = {}
    with ExitStack() as stack:
        for title, name, precision in CONTESTANTS:
            try:
                check_available(name, precision)
            except ModelError as error:
                left_out[title] = str(error)
                continue
            for workers in (2, 1) if precision == "fp32" and name != "onnxruntime" else (2,):
                made = backend_for(
                    name, base, num_classes=10, noise=noise, shape=shape, precision=precision, workers=workers
                )
                stack.callback(made.close)
                key = title if workers == 2 else f"{title}, 1 worker"
                runs[key] = lambda span, b=made: (certify_rate(b, noise, inputs, span), 0.0)
                if workers == 2:
                    runs[f"{title} forward"] = lambda span, b=made: (forward_rate(b, span), 0.0)
                if title == "torch fp32" and workers == 2:
                    runs["peak"] = lambda span, b=made: (peak_rate(b, span / 2), 0.0)
        loop = TextbookProcess(base, {"device": "cpu", "threads": 2}, inputs[0] / 255, sigma=0.5, num_classes=10)
        stack.enter_context(loop)
        tries = {batch: max(loop.rate(batch, 0.5)[0] for _ in range(2)) for batch in BATCHES}
        best = max(tries, key=lambda batch: tries[batch])
        runs["textbook best"] = lambda span: loop.rate(best, span)
        runs["textbook 1000"] = lambda span: loop.rate(PUBLISHED_BATCH, span)
        rates, foreign = interleaved(runs, seconds=seconds / ROUNDS / len(runs), rounds=ROUNDS)
    return {"rates": rates, "foreign": foreign, "best_batch": best, "left_out": left_out, "mflop": mflop(base, shape)}


def ratio(rates: dict[str, tuple[float, ...]], one: str, other: str) -> float | None:
    if one not in rates or other not in rates:
        return None
    return median(a / b for a, b in zip(rates[one], rates[other], strict=True))


def cell(found: float | None, target: float | None) -> str:
    if found is None:
        return f"not here (target {target:g})" if target else "not here"
    if target is None:
        return f"{found:.2f}"
    verdict = "reached" if found >= target else "above the floor" if found >= 0.9 * target else "BELOW THE FLOOR"
    return f"{found:.2f} (target {target:g}: {verdict})"


def decide_cost(model: str, data: str, published: float) -> str:
    """Seconds of a decision at r = .5 against the textbook loop's 100,000 draws."""
    from noiseproof import SmoothedClassifier
    from noiseproof.data import load as load_data
    from noiseproof.models import load

    base = load(model)
    pictures = load_data(data, split="test").images()[::10][:100]
    g = SmoothedClassifier(base.module, base.num_classes, Gaussian(sigma=0.5), workers=2)
    g.decide(pictures[:2], radius=0.5)
    started = time.perf_counter()
    said = g.decide(pictures, radius=0.5)
    each = (time.perf_counter() - started) / len(pictures)
    textbook = 100_000 / published
    return (
        f"decide at r = .5: {each:.3f} s an input ({said.draws.mean():,.0f} draws in the mean); textbook certify at "
        f"{published:,.0f} draws/s: {textbook:.1f} s; {textbook / each:,.0f} times (target 300)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=240.0, help="of measurement, both models together")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--decide", metavar="MODEL", help="a trained model at sigma .5, for the cost of a decision")
    parser.add_argument("--data", default="fashion-mnist-small:test")
    options = parser.parse_args()
    torch.manual_seed(0)
    models = {
        "ResNet-20, 3x32x32": (build("resnet20", num_classes=10, shape=(3, 32, 32)), (3, 32, 32)),
        "small CNN, 1x28x28": (SmallCNN(), (1, 28, 28)),
    }
    found = {name: measured(base, shape, options.seconds / 2) for name, (base, shape) in models.items()}
    print(f"{processor()}, cores {sorted(os.sched_getaffinity(0))}, torch {torch.__version__}, sigma .5, exact noise\n")
    for name, one in found.items():
        print(
            f"**{name}**: {one['mflop']:.1f} MFLOP a draw; textbook loop at its best in batches of "
            f"{one['best_batch']}; other processes took {one['foreign']:.0%} of these cores\n"
        )
        print("| draws/s | median | lowest to highest | share of fp32 peak |\n|---|---|---|---|")
        peak = median(one["rates"]["peak"])
        for key, rates in one["rates"].items():
            share = "" if key == "peak" else f"{median(rates) * one['mflop'] / 1000 / peak:.0%}"
            label = "peak, GFLOP/s" if key == "peak" else key
            print(f"| {label} | {median(rates):,.0f} | {min(rates):,.0f} to {max(rates):,.0f} | {share} |")
        print()
    print("| ratio | " + " | ".join(found) + " |\n|---|---|---|")
    for one, other, *targets in TARGETS:
        cells = [
            cell(ratio(each["rates"], one, other), target) for each, target in zip(found.values(), targets, strict=True)
        ]
        print(f"| {one} / {other} | {' | '.join(cells)} |")
    for title, reason in next(iter(found.values()))["left_out"].items():
        print(f"\n{title} is not here: {reason}")
    if options.decide:
        published = median(found["small CNN, 1x28x28"]["rates"]["textbook 1000"])
        print("\n" + decide_cost(options.decide, options.data, published))
    if options.out:
        options.out.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()

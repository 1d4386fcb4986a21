"""What a step of each training loss costs beside one of the Gaussian loss: one thread, interleaved, one run.

python benchmarks/training.py [--arch lenet] [--batch 64] [--rounds 9]

Each loss has its published settings for sigma .5 (MNIST-like for lenet, else CIFAR's). The attacks differentiate by the
picture only, which costs less than a whole pass, so the measured ratio lies under the number of passes.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time

import torch

from noiseproof.analysis.training_cost import passes_per_picture
from noiseproof.engine.allocator import keep_large_blocks
from noiseproof.models import build
from noiseproof.training.losses import LOSSES, Loss, Phase, find_loss

SIGMA = 0.5
SHAPES = {"lenet": ("fashion-mnist", (1, 28, 28)), "resnet20": ("cifar10", (3, 32, 32))}


def losses(data: str) -> dict[str, Loss]:
    found = {name: find_loss(name, sigma=SIGMA, data=data) for name in LOSSES}
    found["gaussian, m = 4"] = find_loss("gaussian", sigma=SIGMA, data=data, settings={"m": 4})
    found["smoothadv, ddn, T = 4"] = find_loss(
        "smoothadv", sigma=SIGMA, data=data, settings={"attack": "ddn", "steps": 4}
    )
    return found


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--arch", default="lenet", choices=SHAPES)
    asked.add_argument("--batch", type=int, default=64)
    asked.add_argument("--rounds", type=int, default=9)
    options = asked.parse_args()
    torch.set_num_threads(1)
    keep_large_blocks()  # as ``train`` does
    data, shape = SHAPES[options.arch]
    random = torch.Generator().manual_seed(0)
    x = torch.rand((options.batch, *shape), generator=random)
    y = torch.randint(0, 10, (options.batch,), generator=random)
    torch.manual_seed(0)
    model = build(options.arch, num_classes=10, shape=shape).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)
    targets = torch.full((options.batch, 10), 0.1)

    def step(loss: Loss) -> float:
        started = time.perf_counter()
        out = loss(model, x, y, sigma=SIGMA, generator=random, phase=Phase(50.0, 1), targets=targets)
        optimizer.zero_grad()
        out.loss.backward()
        optimizer.step()
        return time.perf_counter() - started

    tried = losses(data)
    seconds: dict[str, list[float]] = {name: [] for name in tried}
    for loss in tried.values():
        step(loss)
    for _ in range(options.rounds):
        for name, loss in tried.items():
            seconds[name].append(step(loss))
    each = {name: statistics.median(found) for name, found in seconds.items()}
    print(f"{options.arch}, batch {options.batch}, one thread of {platform.machine()}, torch {torch.__version__}")
    print(f"{'loss':>24} {'passes':>6} {'cost / gaussian':>16} {'ms a picture':>13}")
    for name, loss in tried.items():
        passes = passes_per_picture(loss.config())
        ratio = each[name] / each["gaussian"]
        print(f"{name:>24} {passes:6} {ratio:16.1f} {each[name] / options.batch * 1e3:13.3f}")


if __name__ == "__main__":
    main()

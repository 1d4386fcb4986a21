"""What a number of exact noise costs, beside torch's float32 normal_ into a reused buffer: one thread, one run.

python benchmarks/noise.py
"""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from noiseproof.noises import Gaussian, Words

DRAWS = 64


def nanoseconds(call: Callable[[], object], numbers: int, rounds: int = 31) -> float:
    call()
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds) / numbers * 1e9


def main() -> None:
    torch.set_num_threads(1)
    print(f"{platform.machine()}, numpy {np.__version__}, torch {torch.__version__}; medians, ns a number")
    print(f"{'shape':>12} {'sigma':>6} {'exact':>6} {'+float32':>9} {'normal_':>8} {'ratio':>6}")
    for shape in ((1, 28, 28), (3, 32, 32), (3, 224, 224)):
        x = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        numbers = DRAWS * x.size
        generator = torch.Generator().manual_seed(0)
        buffer = torch.empty(DRAWS, *shape)
        words = Words(seed=0, key="benchmark", stage="estimate")
        for sigma in (0.25, 1.0):
            noise = Gaussian(sigma)
            exact = nanoseconds(lambda n=noise, x=x, w=words: n.perturb(x, w, 1000, DRAWS), numbers)
            to_float = nanoseconds(
                lambda n=noise, x=x, w=words: (
                    torch.from_numpy(n.perturb(x, w, 1000, DRAWS)).to(torch.float32).div_(255)
                ),
                numbers,
            )
            normal = nanoseconds(lambda b=buffer, g=generator: b.normal_(generator=g), numbers)
            name = "x".join(map(str, shape))
            print(f"{name:>12} {sigma:6.2f} {exact:6.2f} {to_float:9.2f} {normal:8.2f} {to_float / normal:6.2f}")


if __name__ == "__main__":
    main()

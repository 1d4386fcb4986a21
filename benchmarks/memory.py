"""Peak memory of certifying two 224 x 224 inputs with a ResNet-50 (random weights): it must not grow with n.

Each n runs in a process of its own:  python benchmarks/memory.py
"""

from __future__ import annotations

import platform
import resource
import subprocess
import sys
import time


def certify(n: int) -> None:
    import numpy as np
    import torch

    from noiseproof import Gaussian, SmoothedClassifier
    from noiseproof.models import build

    torch.manual_seed(0)
    base = build("resnet50", num_classes=1000, shape=(3, 224, 224)).eval()
    g = SmoothedClassifier(base, num_classes=1000, noise=Gaussian(sigma=0.25), workers=2)
    x = np.random.default_rng(0).integers(0, 256, (2, 3, 224, 224), dtype=np.uint8)
    started = time.monotonic()
    said = g.certify(x, n0=10, n=n)
    seconds = time.monotonic() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"n = {n:4}: peak {peak:,.0f} MiB, {2 * (n + 10) / seconds:.1f} draws/s, p_lower {said.p_lower.round(3)}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        certify(int(sys.argv[1]))
    else:
        print(f"{platform.machine()}, Python {platform.python_version()}, 2 workers")
        for n in (50, 100, 200):
            subprocess.run([sys.executable, __file__, str(n)], check=True)

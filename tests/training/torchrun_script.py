"""Trains under torchrun; with a rank to kill, that process dies once, in the middle of epoch 2."""

import os
import signal
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))

from conftest import make_stripes

from noiseproof.training import GaussianLoss, train

SETTINGS = {
    "sigma": 0.25,
    "epochs": 3,
    "batch_size": 8,
    "lr": 0.05,
    "step_size": 2,
    "threads": 1,
    "augment": "crop-flip",
}
PICTURES = 41  # the last batch is one picture: one process has none


class Dying(GaussianLoss):
    """Ends this process at once."""

    def __call__(self, *arguments, progress, **options):
        if progress.epoch > 1.4:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(*arguments, progress=progress, **options)


def run(out, arch, *, doomed=None):
    first_life = os.environ.get("TORCHELASTIC_RESTART_COUNT") == "0"
    kind = Dying if first_life and os.environ.get("RANK") == doomed else GaussianLoss
    return train(data=make_stripes(PICTURES), arch=arch, out=out, loss=kind(m=2), **SETTINGS)


if __name__ == "__main__":
    torch.set_num_threads(1)
    result = run(sys.argv[1], sys.argv[2], doomed=sys.argv[3] if len(sys.argv) > 3 else None)
    print(f"result {result.epochs} {result.fingerprint}", flush=True)

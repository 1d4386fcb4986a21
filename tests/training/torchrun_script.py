"""Trains OUT/ARCH for each ARCH (with commas between them) under torchrun; with ranks to kill, likewise, the process
of the k-th rank dies in the middle of epoch 2 of the k-th architecture, in its k-th life. The loss is another one where
a fourth word names it."""

import os
import signal
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))

from conftest import make_stripes

from noiseproof.asked import Training
from noiseproof.training import train
from noiseproof.training.distributed import joined
from noiseproof.training.losses import GaussianLoss, find_loss

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

    def __call__(self, *arguments, phase, **options):
        if phase.epoch > 1.4:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(*arguments, phase=phase, **options)


SMALL = {"steps": 2, "m": 2}


def run(out, arch, *, dies, name):
    loss = Dying(m=2) if dies else GaussianLoss(m=2)
    if name is not None:
        settings = SMALL if name.startswith("smooth") else {}
        loss = find_loss(name, sigma=SETTINGS["sigma"], data="cifar10", settings=settings)
    return train(Training(data=make_stripes(PICTURES), arch=arch, loss=loss, **SETTINGS), out=Path(out) / arch)


if __name__ == "__main__":
    torch.set_num_threads(1)
    doomed = sys.argv[3].split(",") if len(sys.argv) > 3 and sys.argv[3] else []
    name = sys.argv[4] if len(sys.argv) > 4 else None
    me = (os.environ.get("TORCHELASTIC_RESTART_COUNT"), os.environ.get("RANK"))
    with joined(torch.device("cpu")):  # once for both: torchrun's processes meet only once
        for number, arch in enumerate(sys.argv[2].split(",")):
            result = run(sys.argv[1], arch, dies=bool(doomed) and me == (str(number), doomed[number]), name=name)
            print(f"result {arch} {result.epochs} {result.fingerprint}", flush=True)
    left = [name for task in Path("/proc/self/task").glob("*/comm") if "gloo" in (name := task.read_text())]
    assert not left, f"threads that may wake while Python shuts down: {left}"

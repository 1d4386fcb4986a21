"""``noiseproof train``."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from noiseproof.asked import Training
from noiseproof.asked.options import line
from noiseproof.cli.flags import Spread
from noiseproof.cli.records import Out

_HEADINGS = {
    "Data": ("data", "extra", "extra_labels", "augment", "root"),
    "Noise": ("sigma",),
    "Network": ("task", "arch", "init"),
    "Loss": ("loss", "loss_setting", "targets"),
    "Options": ("seed", "tensorboard"),
    "Compute": ("precision", "compile", "device", "threads"),
}
_Trained = Annotated[Training, Spread("Optimizer", headings=_HEADINGS)]
_Recipe = Annotated[str | None, "Settings of a published training; flags win; `noiseproof recipes` lists them."]
_DONE: dict[str, tuple[str, dict[str, str]]] = {
    "classifier": ("model", {}),
    "denoiser": ("denoiser", {"model": "MODEL"}),
}


def train(training: _Trained, *, out: Out, recipe: _Recipe = None) -> None:
    """Train a base classifier under noise; a checkpoint every epoch, the same line again resumes."""
    del recipe  # its settings have become words of the line
    from noiseproof.progress import ProgressBar
    from noiseproof.training import train as train_model
    from noiseproof.training.device import find_device
    from noiseproof.training.distributed import is_first_process, joined

    several = len(training.sigmas) > 1
    with joined(find_device(training.device)):  # once for all of them: torchrun's processes meet only once
        for sigma in training.sigmas:
            folder = out / str(sigma) if several else out
            with ProgressBar(f"train sigma {sigma}" if several else "train") as bar:
                train_model(replace(training, sigma=sigma), out=folder, progress=bar.show)
            if is_first_process():
                name, beside = _DONE[training.task]
                following = line("certify", {**beside, name: str(folder)})
                print(f"{folder} holds the trained {name}; next: {following} ...")

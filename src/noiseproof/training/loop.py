"""The training loop: plain PyTorch, resumable after each epoch, exact after a resume."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from noiseproof.data import DataSet, load
from noiseproof.errors import RunError, unknown
from noiseproof.models import Normalize, build, fingerprint, load_weights
from noiseproof.store.lock import FolderLock
from noiseproof.store.manifest import Manifest
from noiseproof.training.folder import TrainingFolder
from noiseproof.training.losses import LOSSES, Loss, Progress
from noiseproof.training.progress import Clock, TrainProgress, TrainResult
from noiseproof.training.randomness import generator, global_generator
from noiseproof.training.recipe import Recipe
from noiseproof.version import __version__

logger = logging.getLogger(__name__)

_LOOP = 1  # raise it when the same settings would give other weights


def train(
    *,
    data: str | DataSet,
    arch: str,
    out: str | os.PathLike[str],
    sigma: float,
    epochs: int = 90,
    batch_size: int = 256,
    lr: float = 0.01,
    momentum: float = 0.9,
    weight_decay: float = 1e-4,
    schedule: str = "step",
    step_size: int = 30,
    gamma: float = 0.1,
    loss: str | Loss = "gaussian",
    seed: int = 0,
    precision: str = "fp32",
    device: str = "auto",
    threads: int = 1,
    root: str | os.PathLike[str] | None = None,
    progress: Callable[[TrainProgress], None] | None = None,
) -> TrainResult:
    """Trains a base classifier into a run folder; the same call resumes, and returns at once when finished.

    A resumed run ends with exactly the weights of an uninterrupted one (on a CPU with the same number of
    threads: bit for bit). With the step schedule a finished run can be extended by giving more epochs.

    Args:
        data: a data set, or its spec; the split ``train`` where the spec names none.
        arch: a name in ``noiseproof.models.ARCHITECTURES``.
        out: the run folder.
        sigma: standard deviation of the noise in input units, >= 0; 0 is plain training.
        epochs: passes over the data, >= 1.
        batch_size: pictures a step, >= 1.
        lr: first learning rate of SGD, > 0.
        momentum: of SGD, in [0, 1).
        weight_decay: of SGD, on all weights, >= 0.
        schedule: ``step`` (times ``gamma`` every ``step_size`` epochs) or ``cosine`` (down to 0 at the end).
        step_size: epochs between drops, >= 1.
        gamma: factor of a drop, in (0, 1].
        loss: a loss, or the name of one with its defaults.
        seed: of everything random; torch's global generator is left as it was.
        precision: ``fp32``, or ``bf16`` (autocast).
        device: ``auto`` takes a CUDA device where there is one.
        threads: CPU threads inside an operation. More than one pays on an idle machine only: as soon as another
            process is busy they wait for each other (measured: 20 times slower with 4).
        root: a folder of data sets, looked at first.
        progress: called a few times a second and at the end of each epoch.

    Raises:
        ValueError: a setting is out of range or unknown.
        DataError: the data set is missing or damaged.
        ModelError: the architecture is unknown or does not take these pictures.
        RunError: the folder is locked, cannot be written, is damaged or belongs to another run; or the training
            diverged.

    Source: the loop of Cohen et al. 2019 without augmentation by crops and flips; defaults are the MNIST-like
    recipe of Zhai et al. 2020.
    """
    recipe = Recipe(
        sigma=sigma,
        epochs=epochs,
        batch_size=batch_size,
        lr=lr,
        momentum=momentum,
        weight_decay=weight_decay,
        schedule=schedule,
        step_size=step_size,
        gamma=gamma,
        loss=_loss(loss),
        seed=seed,
        precision=precision,
    )
    if threads < 1:
        raise ValueError(f"threads must be >= 1, got {threads}")
    place = _device(device)
    if isinstance(data, str):
        data = load(data, split="train", root=None if root is None else Path(root))
    with _threads(threads):
        training = _Training(recipe, data, arch, place, progress)
        folder = TrainingFolder(Path(out))
        folder.create()
        with FolderLock(folder.path):
            settings = {"epochs": epochs, "device": str(place), "threads": threads, "torch": torch.__version__}
            folder.claim(Manifest("train", training.meaning(), __version__), settings)
            return training.run(folder)


class _Training:
    """A training run in memory: the pictures, the model, the optimizer."""

    def __init__(
        self,
        recipe: Recipe,
        data: DataSet,
        arch: str,
        device: torch.device,
        report: Callable[[TrainProgress], None] | None,
    ) -> None:
        self.recipe, self.data, self.arch, self.device, self.report = recipe, data, arch, device, report
        with global_generator(device, recipe.seed, "weights", 0):
            module = build(arch, num_classes=len(data.classes), shape=data.shape)
        images = torch.from_numpy(data.images())
        self.sha256 = hashlib.sha256(images.numpy().data)
        self.sha256.update(data.labels.tobytes())
        self.images, self.labels = images.to(device), torch.from_numpy(data.labels).to(device)
        # Convolutions are a quarter faster on a CPU in this layout; they bring their inputs into it themselves.
        self.module: nn.Module = module.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = torch.optim.SGD(
            module.parameters(), lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay
        )
        self.batches = math.ceil(len(data) / recipe.batch_size)

    def meaning(self) -> dict[str, Any]:
        """Everything the weights depend on."""
        return {
            "loop": _LOOP,
            "data": self.data.name,
            "data_sha256": self.sha256.hexdigest(),
            "arch": self.arch,
            "num_classes": len(self.data.classes),
            "shape": list(self.data.shape),
            **self.recipe.meaning(),
        }

    def run(self, folder: TrainingFolder) -> TrainResult:
        """From the folder's last checkpoint to the last epoch and the weights file."""
        done = self._resume(folder)
        if done > self.recipe.epochs:
            raise RunError(
                f"epochs must be >= {done}, which {folder.path} has done, got {self.recipe.epochs}; "
                "choose another --out"
            )
        folder.keep_metrics(done)
        clock = Clock(done, self.recipe.epochs, self.batches, len(self.data))
        for epoch in range(done, self.recipe.epochs):
            began = time.monotonic()
            loss, accuracy = self._epoch(epoch, clock)
            if not math.isfinite(loss):
                raise RunError(f"the training diverged: loss is {loss} in epoch {epoch + 1}; give a lower lr")
            row = {"epoch": epoch + 1, "loss": loss, "accuracy": accuracy, "lr": self.recipe.rate(epoch)}
            folder.add_metrics(row | {"seconds": round(time.monotonic() - began, 3)})
            folder.write_checkpoint(epoch + 1, self.module, self.optimizer)
            logger.info("epoch %d of %d: loss %.4f, accuracy %.4f", epoch + 1, self.recipe.epochs, loss, accuracy)
        if not _is_finished(folder, self.recipe.epochs):
            folder.write_weights(self.module, self._metadata())
        rows = folder.metrics()
        return TrainResult(
            out=folder.path,
            epochs=self.recipe.epochs,
            loss=rows[-1]["loss"],
            accuracy=rows[-1]["accuracy"],
            fingerprint=fingerprint(self.module, self.arch),
            seconds=sum(row["seconds"] for row in rows),
        )

    def _resume(self, folder: TrainingFolder) -> int:
        """Takes the state of the last checkpoint; how many epochs it has done."""
        state = folder.read_checkpoint()
        if state is None:
            return 0
        self.module.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        logger.info("resuming %s after epoch %d", folder.path, state["epoch"])
        return int(state["epoch"])

    def _epoch(self, epoch: int, clock: Clock) -> tuple[float, float]:
        """One pass over the data: mean loss and accuracy under noise. Depends on weights, seed and epoch only."""
        recipe, device = self.recipe, self.device
        order = torch.randperm(
            len(self.data), generator=generator(torch.device("cpu"), recipe.seed, "order", epoch)
        ).to(device)
        noise = generator(device, recipe.seed, "noise", epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.rate(epoch)
        self.module.train()
        totals = torch.zeros(2, device=device)
        seen = 0
        with global_generator(device, recipe.seed, "module", epoch):
            for batch, picked in enumerate(torch.split(order, recipe.batch_size)):
                x, y = self.images[picked].float() / 255, self.labels[picked]
                with torch.autocast(device.type, dtype=torch.bfloat16, enabled=recipe.precision == "bf16"):
                    out = recipe.loss(
                        self.module,
                        x,
                        y,
                        sigma=recipe.sigma,
                        generator=noise,
                        progress=Progress(epoch + batch / self.batches, recipe.rate_drops(epoch)),
                    )
                self.optimizer.zero_grad()
                out.loss.backward()  # type: ignore[no-untyped-call]
                self.optimizer.step()
                totals += torch.stack([out.loss.detach(), out.accuracy]) * len(picked)
                seen += len(picked)
                if self.report is not None and clock.due(last=batch + 1 == self.batches):
                    self.report(clock.moment(epoch, batch, seen, totals / seen))
        loss, accuracy = (totals / seen).tolist()
        return loss, accuracy

    def _metadata(self) -> dict[str, str]:
        """What the weights file says of itself."""
        values: dict[str, Any] = {
            "num_classes": len(self.data.classes),
            "shape": list(self.data.shape),
            "sigma": float(self.recipe.sigma),
            "epochs": self.recipe.epochs,
            "loss": self.recipe.loss.config(),
            "seed": self.recipe.seed,
        }
        normalize = getattr(self.module, "normalize", None)
        if isinstance(normalize, Normalize):
            values |= {"mean": normalize.mean.flatten().tolist(), "std": normalize.std.flatten().tolist()}
        texts = {"architecture": self.arch, "data": self.data.name, "noiseproof": __version__}
        return texts | {name: json.dumps(value) for name, value in values.items()}


def _is_finished(folder: TrainingFolder, epochs: int) -> bool:
    """Whether the weights file is that of the last epoch; not so after an extension was interrupted."""
    return folder.weights.exists() and load_weights(folder.weights)[1].get("epochs") == str(epochs)


def _loss(loss: str | Loss) -> Loss:
    if isinstance(loss, Loss):
        return loss
    if loss not in LOSSES:
        raise ValueError(unknown("loss", loss, LOSSES))
    return LOSSES[loss]()


def _device(name: str) -> torch.device:
    """The device of a name."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kinds = ("auto", "cpu", "cuda")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(unknown("device", name, kinds)) from None
    if device.type not in kinds:
        raise ValueError(unknown("device", name, kinds))
    if device.type == "cuda" and not (device.index or 0) < torch.cuda.device_count():
        raise ValueError(f"device {name} is not here: torch sees {torch.cuda.device_count()} CUDA devices")
    return device


@contextmanager
def _threads(threads: int) -> Iterator[None]:
    """Inside, torch uses so many intra-op threads."""
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        yield
    finally:
        torch.set_num_threads(before)

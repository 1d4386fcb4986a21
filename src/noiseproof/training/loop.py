"""The training loop: plain PyTorch, resumable after each epoch, exact after a resume."""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from noiseproof.asked import Training
from noiseproof.asked.kinds import check_kinds
from noiseproof.data import DataSet
from noiseproof.data import given as given_data
from noiseproof.data.dataset import WholePictures, pictures_only
from noiseproof.engine.allocator import keep_large_blocks
from noiseproof.errors import ModelError, RunError
from noiseproof.models import Normalize, build, fingerprint
from noiseproof.models.denoised import build_denoiser
from noiseproof.models.own import OwnArchitecture, name_for_fingerprint
from noiseproof.progress import Progress
from noiseproof.store.lock import FolderLock
from noiseproof.store.manifest import Manifest
from noiseproof.training.augment import RESIZED_CROP, Choices, ResizedCrops, choose
from noiseproof.training.begin import begin_with
from noiseproof.training.decode import decoded
from noiseproof.training.device import cpu_threads, find_device
from noiseproof.training.distributed import Team, joined
from noiseproof.training.extra import enlarged
from noiseproof.training.folder import TrainingFolder
from noiseproof.training.given import Given, check_given, read_given
from noiseproof.training.losses import Phase
from noiseproof.training.progress import Clock, TrainResult
from noiseproof.training.randomness import generator, global_generator
from noiseproof.training.recipe import Recipe
from noiseproof.training.tensorboard import Scalars, check_tensorboard
from noiseproof.version import __version__

logger = logging.getLogger(__name__)

_LOOP = 1  # raise it when the same settings would give other weights


def train(
    training: Training, *, out: str | os.PathLike[str], progress: Callable[[Progress], None] | None = None
) -> TrainResult:
    """Trains a base classifier into a run folder; the same call resumes, and returns at once when finished.

    A resumed run ends with exactly the weights of an uninterrupted one (on a CPU with the same number of
    threads: bit for bit). With the step schedule a finished run can be extended by giving more epochs. Under torchrun
    its processes share each batch (see ``training.distributed``); the first one writes.

    Args:
        training: what is trained on what, and how.
        out: the run folder.
        progress: called a few times a second and at the end of each epoch.

    Raises:
        ValueError: a setting is out of range or unknown.
        DataError: the data set is missing or damaged.
        ModelError: the architecture is unknown or does not take these pictures.
        RunError: the folder is locked, cannot be written, is damaged or belongs to another run; or the training
            diverged.

    Source: the loop of Cohen et al. 2019.
    """
    check_kinds({"training": training, "out": out} | ({} if progress is None else {"progress": progress}))
    recipe = Recipe.of(training)
    check_given(recipe.loss, training)
    place = find_device(training.device)
    if training.tensorboard:
        check_tensorboard()
    if place.type == "cpu":
        keep_large_blocks()
    with cpu_threads(training.threads), joined(place) as team:
        data = given_data(training.data, split="train", root=training.root)
        if training.extra is not None:
            data = enlarged(data, training, device=place)
        pictures_only(data)
        run = _Run(recipe, data, read_given(data, training, recipe.arch), place, team, progress)
        folder = TrainingFolder(Path(out))
        lock = FolderLock(folder.path)
        settings = {"epochs": training.epochs, "device": str(place), "threads": training.threads}

        def begin() -> None:
            folder.create()
            lock.acquire()
            folder.claim(Manifest("train", run.meaning(), __version__), settings | {"torch": torch.__version__})

        try:
            team.first(begin)
            return run.into(folder)
        finally:
            lock.release()


def _optimizer(recipe: Recipe, module: nn.Module) -> torch.optim.Optimizer:
    if not any(each.requires_grad for each in module.parameters()):
        raise ModelError(f"{recipe.arch} has no weights that can be trained; give a network that has some")
    decay = recipe.asked.weight_decay
    if recipe.optimizer == "adam":
        return torch.optim.Adam(module.parameters(), lr=recipe.lr, weight_decay=decay)
    return torch.optim.SGD(module.parameters(), lr=recipe.lr, momentum=recipe.asked.momentum, weight_decay=decay)


class _Run:
    """A training run in memory: the pictures, the model, the optimizer."""

    def __init__(
        self,
        recipe: Recipe,
        data: DataSet,
        given: Given,
        device: torch.device,
        team: Team,
        report: Callable[[Progress], None] | None,
    ) -> None:
        self.recipe, self.data, self.given, self.device, self.team = recipe, data, given, device, team
        self.asked, self.arch, self.own = recipe.asked, recipe.arch, OwnArchitecture.of(recipe.arch)
        self.report = report if team.is_first else None
        with global_generator(device, self.asked.seed, "weights", 0):
            if self.asked.task == "denoiser":
                module = build_denoiser(self.arch, shape=data.shape)
            else:
                module = build(self.arch, num_classes=len(data.classes), shape=data.shape)
        if given.init is not None:
            kept = begin_with(module, given.init)
            logger.info("begins with %s%s", given.init.source, f", {', '.join(kept)} new" if kept else "")
        # Whole pictures are of many sizes, and often too many for any memory: they stay where they are.
        self.whole = (
            data.pictures if recipe.augment == RESIZED_CROP and isinstance(data.pictures, WholePictures) else None
        )
        self.images = None if self.whole is not None else torch.from_numpy(np.ascontiguousarray(data.images()))
        self.sha256 = hashlib.sha256(b"" if self.images is None else self.images.numpy().data)
        self.sha256.update(data.labels.tobytes())
        self.images = None if self.images is None else self.images.to(device)
        self.labels = torch.from_numpy(data.labels).to(device)
        self.targets = None if given.targets is None else given.targets.to(device)
        # Convolutions are a quarter faster on a CPU in this layout; they bring their inputs into it themselves.
        self.module: nn.Module = module.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = _optimizer(recipe, module)
        forward = torch.compile(self.module) if self.asked.compile else self.module
        self.shared = team.wrap(cast("nn.Module", forward))
        self.batches = math.ceil(len(data) / self.asked.batch_size)

    def meaning(self) -> dict[str, Any]:
        """Everything the weights depend on."""
        return {
            "loop": _LOOP,
            "data": self.data.name,
            "data_sha256": self.sha256.hexdigest(),
            **({} if self.whole is None else {"files_sha256": self.whole.stamp()}),
            "arch": self.arch if self.own is None else self.own.label,
            **({} if self.own is None else {"arch_sha256": self.own.text}),
            "num_classes": len(self.data.classes),
            "shape": list(self.data.shape),
            **self.recipe.meaning(),
            **self.given.meaning(),
            # Batch-norm and rounding depend on how a batch is split.
            **({} if self.team.size == 1 else {"processes": self.team.size}),
        }

    def into(self, folder: TrainingFolder) -> TrainResult:
        """From the folder's last checkpoint to the last epoch and the weights file."""
        done = self._resume(folder)
        if done > self.asked.epochs:
            raise RunError(
                f"epochs must be >= {done}, which {folder.path} has done, got {self.asked.epochs}; choose another --out"
            )
        self.team.first(partial(folder.keep_metrics, done))
        scalars = Scalars(folder.path, done=done) if self.asked.tensorboard and self.team.is_first else None
        clock = Clock(done, self.asked.epochs, self.batches, len(self.data))
        for epoch in range(done, self.asked.epochs):
            began = time.monotonic()
            loss, accuracy = self._epoch(epoch, clock)
            if not math.isfinite(loss):
                raise RunError(f"the training diverged: loss is {loss} in epoch {epoch + 1}; give a lower lr")
            values = {"loss": loss, "accuracy": accuracy, "lr": self.recipe.rate(epoch)}
            if math.isnan(accuracy):  # a denoiser without a classifier
                del values["accuracy"]
            row = {"epoch": epoch + 1, **values, "seconds": round(time.monotonic() - began, 3)}
            self.team.first(partial(self._save, folder, row))
            if scalars is not None:
                scalars.add(epoch + 1, values)
        if scalars is not None:
            scalars.close()
        return self.team.first(partial(self._finish, folder))

    def _resume(self, folder: TrainingFolder) -> int:
        """Takes the state of the last checkpoint; how many epochs it has done."""
        state = self.team.first(folder.read_checkpoint)
        if state is None:
            return 0
        self.module.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        logger.info("resuming %s after epoch %d", folder.path, state["epoch"])
        return int(state["epoch"])

    def _save(self, folder: TrainingFolder, row: dict[str, Any]) -> None:
        """Writes down an epoch."""
        folder.add_metrics(row)
        folder.write_checkpoint(row["epoch"], self.module, self.optimizer)
        logger.info("epoch %d of %d: loss %.4f", row["epoch"], self.asked.epochs, row["loss"])

    def _finish(self, folder: TrainingFolder) -> TrainResult:
        """Writes the weights, unless they are there."""
        if not folder.is_finished(self.asked.epochs):
            folder.write_weights(self.module, self._metadata())
        rows = folder.metrics()
        return TrainResult(
            out=folder.path,
            epochs=self.asked.epochs,
            loss=rows[-1]["loss"],
            accuracy=rows[-1].get("accuracy", math.nan),
            fingerprint=fingerprint(self.module, name_for_fingerprint(self.arch)),
            seconds=sum(row["seconds"] for row in rows),
        )

    def _epoch(self, epoch: int, clock: Clock) -> tuple[float, float]:
        """One pass over the data: mean loss and accuracy under noise. Depends on weights, seed and epoch only."""
        recipe, seed, device, team, cpu = self.recipe, self.asked.seed, self.device, self.team, torch.device("cpu")
        order = torch.randperm(len(self.data), generator=generator(cpu, seed, "order", epoch)).to(device)
        choices = choose(recipe.augment, len(self.data), generator(cpu, seed, "augmentation", epoch))
        noise = generator(device, seed, "noise", epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.rate(epoch)
        team.share_buffers(self.module)
        self.shared.train()
        totals = torch.zeros(3, device=device)
        seen = 0
        # What a module draws itself cannot be drawn jointly: each process has its own.
        with global_generator(device, seed, "module" if team.is_first else f"module {team.rank}", epoch):
            joints = torch.split(order, self.asked.batch_size)
            for batch, (joint, pictures) in enumerate(zip(joints, self._pictures(joints, choices), strict=True)):
                noise.part = part = team.part(len(joint))
                x, y = pictures.float() / 255, self.labels[joint[part.rows]]
                targets = None if self.targets is None else self.targets[joint[part.rows]]
                with torch.autocast(device.type, dtype=torch.bfloat16, enabled=self.asked.precision == "bf16"):
                    out = recipe.loss(
                        self.shared,
                        x,
                        y,
                        sigma=recipe.sigma,
                        generator=noise,
                        phase=Phase(epoch + batch / self.batches, recipe.rate_drops(epoch)),
                        targets=targets,
                    )
                self.optimizer.zero_grad()
                (out.loss * part.weight).backward()  # type: ignore[no-untyped-call]
                self.optimizer.step()
                mine = len(joint) * part.weight / team.size
                totals += torch.stack([out.loss.detach(), out.accuracy, torch.ones_like(out.accuracy)]) * mine
                seen += len(joint)
                if self.report is not None and clock.due(last=batch + 1 == self.batches):
                    self.report(clock.moment(epoch, batch, seen, totals[:2] / totals[2]))
        totals = team.add(totals)
        loss, accuracy = (totals[:2] / totals[2]).tolist()
        return loss, accuracy

    def _pictures(self, joints: Sequence[Tensor], choices: Choices | ResizedCrops | None) -> Iterator[Tensor]:
        """This process's pictures of each joint batch, augmented: uint8."""
        starts = itertools.accumulate((len(joint) for joint in joints), initial=0)
        rows = [self.team.part(len(joint)).rows for joint in joints]
        places = [slice(start + part.start, start + part.stop) for start, part in zip(starts, rows, strict=False)]
        picked = [joint[part] for joint, part in zip(joints, rows, strict=True)]
        if self.images is not None:
            for which, place in zip(picked, places, strict=True):
                yield self.images[which] if choices is None else choices.apply(self.images[which], place)
        elif self.whole is not None and isinstance(choices, ResizedCrops):
            batches = [(which.tolist(), place.start) for which, place in zip(picked, places, strict=True)]
            height, width = self.data.shape[-2:]
            for pictures in decoded(self.whole, batches, choices, (height, width)):
                yield pictures.to(self.device)

    def _metadata(self) -> dict[str, str]:
        """What the weights file says of itself."""
        values: dict[str, Any] = {
            **(
                {}
                if self.asked.task == "denoiser"
                else {"num_classes": len(self.data.classes), "classes": self.data.classes}
            ),
            "shape": list(self.data.shape),
            "sigma": self.recipe.sigma,
            "epochs": self.asked.epochs,
            "loss": self.recipe.loss.config(),
            "augment": self.recipe.augment,
            "seed": self.asked.seed,
        }
        normalize = getattr(self.module, "normalize", None)
        if isinstance(normalize, Normalize):
            values |= {"mean": normalize.mean.flatten().tolist(), "std": normalize.std.flatten().tolist()}
        texts = {"architecture": self.arch, "data": self.data.name, "noiseproof": __version__}
        if self.own is not None:
            own = {"architecture": self.own.label, "architecture_file": str(self.own.path)}
            texts |= own | {"architecture_sha256": self.own.text}
        if self.asked.task == "denoiser":
            texts["task"] = "denoiser"
        return texts | {name: json.dumps(value) for name, value in values.items()}

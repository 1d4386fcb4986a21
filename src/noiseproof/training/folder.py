"""The run folder of a training: manifest, metrics, checkpoint, weights."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from noiseproof.errors import RunError
from noiseproof.models.checkpoint import load_tensors
from noiseproof.models.weights import load_weights, save_weights, write_atomically
from noiseproof.store.manifest import Manifest, differences, read_manifest, write_manifest, write_text
from noiseproof.store.settings import to_toml


@dataclass(frozen=True)
class TrainingFolder:
    """The files of one training run; all but the metrics are replaced whole or not at all.

    An epoch is first in ``metrics.jsonl``, then in ``checkpoint.pt``: what a crash between the two leaves is cut
    off by ``keep_metrics``.
    """

    path: Path

    @property
    def weights(self) -> Path:
        """Where the finished weights are."""
        return self.path / "weights.safetensors"

    def create(self) -> None:
        """Makes the folder, unless it is there.

        Raises:
            RunError: it cannot be made, or holds something else than a training run.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            names = {file.name for file in self.path.iterdir()}
        except OSError as error:
            raise RunError(f"cannot write in {self.path}: {error.strerror}; choose another --out") from error
        if "manifest.json" not in names and not names <= {"lock", "manifest.json.part"}:
            raise RunError(f"{self.path} is not empty and holds no training run; choose another --out")

    def claim(self, manifest: Manifest, settings: Mapping[str, Any]) -> None:
        """Writes the manifest, or checks that the one here means the same; the settings are for the record.

        Raises:
            RunError: the folder belongs to another run.
        """
        if (self.path / "manifest.json").exists():
            stored = read_manifest(self.path)
            if stored.kind != manifest.kind:
                raise RunError(f"{self.path} holds a run of {stored.kind!r}, no training; choose another --out")
            differing = differences(stored.meaning, manifest.meaning)
            if differing:
                raise RunError(
                    f"{self.path} belongs to another training: {'; '.join(differing)}; "
                    "choose another --out or give the old value"
                )
        else:
            write_manifest(self.path, manifest)
        write_text(self.path / "settings.toml", to_toml(dict(settings)))

    def read_checkpoint(self) -> dict[str, Any] | None:
        """Epoch, model and optimizer as they were saved, on the CPU; None before the first epoch is done.

        Raises:
            RunError: the checkpoint is damaged.
        """
        path = self.path / "checkpoint.pt"
        if not path.exists():
            return None
        try:
            state = load_tensors(path)
            if not isinstance(state, dict):
                raise TypeError("no dictionary")
            return {name: state[name] for name in ("epoch", "model", "optimizer")}
        except Exception as error:  # torch's reader fails in many ways on damaged bytes
            raise RunError(f"{path} is damaged; delete it to train from the start") from error

    def write_checkpoint(self, epoch: int, module: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Saves the state after ``epoch`` epochs.

        Raises:
            RunError: it cannot be written.
        """
        state = {"epoch": epoch, "model": module.state_dict(), "optimizer": optimizer.state_dict()}
        buffer = io.BytesIO()
        torch.save(state, buffer)
        try:
            write_atomically(self.path / "checkpoint.pt", buffer.getvalue())
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def write_weights(self, module: nn.Module, metadata: Mapping[str, str]) -> None:
        """Saves the finished weights.

        Raises:
            RunError: they cannot be written.
        """
        try:
            save_weights(module, self.weights, metadata)
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def is_finished(self, epochs: int) -> bool:
        """Whether the weights are those of the last epoch; not so after an extension was interrupted."""
        return self.weights.exists() and load_weights(self.weights)[1].get("epochs") == str(epochs)

    def metrics(self) -> list[dict[str, Any]]:
        """The epochs of ``metrics.jsonl`` in order, up to a torn line."""
        rows: list[dict[str, Any]] = []
        path = self.path / "metrics.jsonl"
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []:
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                break
            if not (isinstance(row, dict) and isinstance(row.get("epoch"), int)):
                break
            rows.append(row)
        return rows

    def keep_metrics(self, epoch: int) -> None:
        """Cuts the metrics off after an epoch.

        Raises:
            RunError: an epoch up to there is missing.
        """
        rows = [row for row in self.metrics() if row["epoch"] <= epoch]
        if [row["epoch"] for row in rows] != list(range(1, epoch + 1)):
            raise RunError(
                f"{self.path / 'metrics.jsonl'} does not hold each epoch up to {epoch}, which checkpoint.pt has; "
                "delete checkpoint.pt to train from the start"
            )
        write_text(self.path / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in rows))

    def add_metrics(self, row: Mapping[str, Any]) -> None:
        """Appends one epoch.

        Raises:
            RunError: it cannot be written.
        """
        try:
            with (self.path / "metrics.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(dict(row)) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise _unwritable(self.path, error) from error


def _unwritable(path: Path, error: OSError) -> RunError:
    return RunError(f"cannot write in {path}: {error.strerror}; the same call goes on from the last epoch")

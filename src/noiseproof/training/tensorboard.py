"""Scalars for TensorBoard, beside the metrics of a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from noiseproof.errors import RunError, pip_install


class Scalars:
    """Writes one value an epoch and name into an events file under ``FOLDER/tensorboard``."""

    def __init__(self, folder: Path, *, done: int) -> None:
        """A writer that goes on after ``done`` epochs; what an earlier one wrote of later epochs is void.

        Raises:
            RunError: the package is not installed, or the folder cannot be written.
        """
        check_tensorboard()
        from torch.utils.tensorboard import SummaryWriter

        try:
            self._writer: Any = SummaryWriter(folder / "tensorboard", purge_step=done + 1)
        except OSError as error:
            raise RunError(f"cannot write in {folder}: {error.strerror}; choose another --out") from error

    def add(self, epoch: int, values: dict[str, float]) -> None:
        """The values after an epoch, counted from 1."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, epoch)
        self._writer.flush()

    def close(self) -> None:
        """Closes the file."""
        self._writer.close()


def check_tensorboard() -> None:
    """Says at once what is missing.

    Raises:
        RunError: the package is not installed.
    """
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError:
        raise RunError(f"tensorboard is not installed; {pip_install('tensorboard')}") from None

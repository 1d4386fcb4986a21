"""A base classifier on the table: pictures, noisy pictures, and its answers to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from noiseproof.engine.contract import checked_scores
from noiseproof.errors import ModelError
from noiseproof.models.copies import copied
from noiseproof.noises.words import Words
from noiseproof.tallies import CLASS_VOTES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noiseproof.data import DataSet
    from noiseproof.noises import Noise

ROWS = 64
"""Rows of a batch, and rows that the checks of single rows look at."""
PICTURES = 512
"""Pictures on which accuracy is measured; of large pictures 64."""


@dataclass(frozen=True)
class Probe:
    """A base classifier with pictures, labels and the noise it is to be certified under.

    Attributes:
        base: ``[batch, *shape] -> [batch, num_classes]`` scores, on the device.
        num_classes: how many scores a row should have.
        encoded: ``[pictures, *shape]`` as the noise takes them.
        labels: int64 ``[pictures]``.
        classes: the names of the classes.
        noise: what it is to be certified under.
        trained_sigma: of the noise it was trained under, where that is known.
        device: where the base classifier lives.
        seed: of everything random in the checks.
    """

    base: Callable[[Tensor], Any]
    num_classes: int
    encoded: NDArray[Any]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    noise: Noise
    trained_sigma: float | None
    device: torch.device
    seed: int

    @classmethod
    def of(
        cls,
        base: Callable[[Tensor], Any],
        data: DataSet,
        *,
        num_classes: int,
        noise: Noise,
        trained_sigma: float | None = None,
        device: torch.device | None = None,
        seed: int = 0,
        limit: int | None = None,
    ) -> Probe:
        """A copy of a base classifier, and pictures spread over a data set; the caller's own is not touched.

        At most ``limit`` pictures are taken, by default 512, of large pictures 64; another seed takes other ones. The
        other arguments are as among the attributes.

        Raises:
            ModelError: the base classifier cannot be brought to the device.
        """
        device = torch.device("cpu") if device is None else device
        wanted = limit or (PICTURES if prod(data.shape) <= 2**14 else ROWS)
        order = np.random.default_rng(seed).permutation(len(data))
        chosen = np.sort(order[:wanted])
        return cls(
            _copied(base, device),
            num_classes,
            np.stack([data.encoded(int(index), noise) for index in chosen]),
            data.labels[chosen],
            data.classes,
            noise,
            trained_sigma,
            device,
            seed,
        )

    def ask(self, x: Tensor) -> object:
        """The base classifier's answer to one batch, whatever it is; errors are its own."""
        with torch.inference_mode():
            return self.base(x.to(self.device, copy=True))  # it may work in place

    def scores(self, x: Tensor, rows: int = ROWS) -> Tensor:
        """Scores ``[len(x), classes]`` on the CPU, asked for in batches of so many rows.

        Raises:
            ModelError: there are none.
        """
        parts = []
        for first in range(0, len(x), rows):
            part = x[first : first + rows]
            try:
                got = self.ask(part)
            except (Exception, SystemExit) as error:
                said = (str(error).splitlines() or ["no reason given"])[0]
                raise ModelError(
                    f"it fails on a batch of shape {tuple(part.shape)} ({type(error).__name__}: {said}); "
                    "give a model of this data set"
                ) from error
            parts.append(checked_scores(got, len(part), self.num_classes).cpu().clone())
        return torch.cat(parts)

    def classes_of(self, x: Tensor) -> NDArray[np.int64]:
        """The class of each row; -1 where its scores are no numbers."""
        return np.asarray(CLASS_VOTES.counted(self.scores(x)).view(-1).numpy(), dtype=np.int64)

    @cached_property
    def clean(self) -> Tensor:
        """The pictures in [0, 1], float32."""
        return torch.from_numpy(self.encoded).to(torch.float32).div_(self.noise.scale)

    @cached_property
    def noisy(self) -> Tensor:
        """Each picture under one draw of exact noise, as a run would see it, float32."""
        words = Words(self.seed, "doctor", "doctor")  # no input key is this word: shared by no run
        noise = self.noise
        rows = [noise.perturb(one, words, k, 1)[0] for k, one in enumerate(self.encoded)]
        return torch.from_numpy(np.stack(rows)).to(torch.float32).div_(noise.scale)

    @cached_property
    def rows(self) -> Tensor:
        """A batch of noisy rows: pictures again under other noise where there are too few."""
        times = -(-ROWS // len(self.noisy))
        turned = [self.noisy.roll(k, dims=-1) for k in range(times)]
        return torch.cat(turned)[:ROWS]

    @cached_property
    def first(self) -> Tensor:
        """Its scores of those rows, when it was first asked."""
        return self.scores(self.rows)

    @cached_property
    def in_place(self) -> bool:
        """Whether it writes into what it is given."""
        given = self.rows.to(self.device, copy=True)
        with torch.inference_mode():
            self.base(given)
        return not torch.equal(given.cpu(), self.rows)

    @cached_property
    def predictions(self) -> NDArray[np.int64]:
        """Its classes of the clean pictures."""
        return self.classes_of(self.clean)

    @cached_property
    def under_noise(self) -> NDArray[np.int64]:
        """Its classes of the noisy pictures."""
        return self.classes_of(self.noisy)

    @property
    def chance(self) -> float:
        """The accuracy of always naming the most frequent class."""
        return float(np.bincount(self.labels).max() / len(self.labels))

    @property
    def generator(self) -> torch.Generator:
        """A fresh generator, the same at each call."""
        return torch.Generator().manual_seed(self.seed & 0x7FFFFFFF)


def _copied(base: Callable[[Tensor], Any], device: torch.device) -> Callable[[Tensor], Any]:
    """A copy: a batch-norm in training mode would learn from the checks."""
    if not isinstance(base, nn.Module):
        return base
    try:
        return copied(base).to(device)
    except Exception as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(f"the base classifier cannot be copied to {device} ({said})") from error

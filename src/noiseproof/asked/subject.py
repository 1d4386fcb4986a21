"""What is asked about: base classifiers and inputs."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from noiseproof.arguments import flag, integer, path, real, text
from noiseproof.asked.shard import part_of

PARTLY = ("shard", "skip_bad")
"""The fields of a subject that mean something to runs alone: a part of the inputs."""
SELECTION = (*PARTLY, "every", "start")
"""The fields of a subject that choose among the inputs of the data, but for ``limit``."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is asked about: a base classifier, and which inputs of a data set.

    In Python a model may also be a module, a loaded ``BaseModel``, a function on numpy arrays or a fitted classifier of
    scikit-learn, and the data a ``DataSet`` or a data set of torch.

    Attributes:
        model: Run folder of train, weights, file.py:name, ...: `noiseproof models` lists all; several are averaged.
        data: Data set, folder:PATH, FILE.npz, file.py:name, ...: `noiseproof data list` lists all.
        denoiser: What stands before the model: run folder of train --task denoiser, ffdnet, or diffusers:FOLDER.
        consensus: Of several models: where the first K agree, the others are not asked.
        arch: Of weights whose file does not say: a name, or FILE.py:NAME for a network of your own.
        mean: Of the normalisation of a model that does not say: a,b,c in [0, 1], a channel each, or one number.
        std: Likewise; with --mean alone pixels are only centred.
        num_classes: Of a model that does not say; by default those of the data.
        model_id: A name that stands for the model, instead of its fingerprint.
        every: Take every K-th input.
        start: The index of the first.
        limit: So many inputs at most.
        shard: Part I/N of them, as 3/8, a run folder of its own for merge; auto/8 in a scheduler's array.
        skip_bad: Go on past unreadable pictures, counted as abstentions.
        root: Where data sets lie (or NOISEPROOF_DATA).

    Raises:
        ValueError: a number is none, or too small.
    """

    model: Any = field(metadata={"flag": tuple[str, ...]})
    data: Any = field(metadata={"flag": str})
    denoiser: str | None = None
    consensus: int | None = None
    arch: str | None = None
    mean: tuple[float, ...] | None = field(default=None, metadata={"flag": str | None})
    std: tuple[float, ...] | None = field(default=None, metadata={"flag": str | None})
    num_classes: int | None = None
    model_id: str | None = None
    every: int = 1
    start: int = 0
    limit: int | None = None
    shard: str | None = None
    skip_bad: bool = False
    root: Path | None = None

    def __post_init__(self) -> None:
        if isinstance(self.model, list | tuple):
            object.__setattr__(self, "model", self.model[0] if len(self.model) == 1 else tuple(self.model))
        for name, least in (("every", None), ("start", None), ("limit", None), ("num_classes", 2), ("consensus", None)):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, integer(name, getattr(self, name), least=least))
        for name in ("mean", "std"):
            object.__setattr__(self, name, per_channel(name, getattr(self, name)))
        if self.model_id is not None and not str(self.model_id).strip():
            raise ValueError("model_id must name the model, got nothing; leave it out to have its fingerprint")
        object.__setattr__(self, "skip_bad", flag("skip_bad", self.skip_bad))
        if self.denoiser is not None:
            object.__setattr__(self, "denoiser", os.fspath(path("denoiser", self.denoiser)))
            for model in self.models:
                path("model behind a denoiser", model)
        if self.shard is not None:  # from here on it is a selection like any other
            part = part_of(text("shard", self.shard), self.every, self.start, self.limit)
            for name, value in zip(("every", "start", "limit", "shard"), (*part, None), strict=True):
                object.__setattr__(self, name, value)
            object.__setattr__(self, "_is_part", True)
        if self.root is not None:
            object.__setattr__(self, "root", path("root", self.root))

    @property
    def is_part(self) -> bool:
        """Whether it was asked for as a shard."""
        return getattr(self, "_is_part", False)

    @property
    def models(self) -> tuple[Any, ...]:
        """The models, one or several."""
        return self.model if isinstance(self.model, tuple) else (self.model,)

    @property
    def loading(self) -> dict[str, Any]:
        """What ``models.load`` is told of each model."""
        return {name: getattr(self, name) for name in ("arch", "mean", "std", "num_classes")}

    def moved(self, elsewhere: Elsewhere) -> Subject:
        """All its inputs, with model and data where they lie now."""
        data = self.data if elsewhere.data is None else elsewhere.data
        root = self.root if elsewhere.root is None else elsewhere.root
        whole = replace(self, every=1, start=0, limit=None, skip_bad=False, data=data, root=root)
        if elsewhere.model is None:
            return whole if elsewhere.denoiser is None else replace(whole, denoiser=elsewhere.denoiser)
        moved = replace(whole, model=elsewhere.model, denoiser=elsewhere.denoiser)
        if not all(isinstance(model, str | os.PathLike) for model in moved.models):  # it has its architecture
            moved = replace(moved, arch=None)
        # of another number of models no consensus is asked: fingerprints then say that they are not the run's
        return moved if len(moved.models) == len(self.models) > 1 else replace(moved, consensus=None)

    def settings(self) -> dict[str, Any]:
        """Models and data as what can be written down: a path is its text."""
        model = [os.fspath(each) if isinstance(each, os.PathLike) else each for each in self.models]
        return {"model": model[0] if len(model) == 1 else model, "data": getattr(self.data, "name", self.data)}


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """Where the model and the data of a finished run lie now; what is left out is where the run says.

    Attributes:
        model: The run's model, where it no longer lies where it lay; of an ensemble all, a flag each.
        denoiser: Likewise, what stands before the model.
        data: The data set, where it no longer lies where it lay.
        root: Where data sets lie.
    """

    model: Any = field(default=None, metadata={"flag": tuple[str, ...] | None})
    denoiser: str | None = None
    data: Any = field(default=None, metadata={"flag": str | None})
    root: Path | None = None


def per_channel(name: str, given: object) -> tuple[float, ...] | None:
    """Numbers in the units of [0, 1] pixels, one or one a channel, also as text.

    >>> per_channel("mean", "0.5,0.25"), per_channel("std", 1)
    ((0.5, 0.25), (1.0,))
    """
    if given is None:
        return None
    several: Iterable[object] = given if isinstance(given, Iterable) and not isinstance(given, str) else (given,)
    if isinstance(given, str):
        try:
            several = [float(part) for part in given.strip("()[] ").split(",")]
        except ValueError:
            raise ValueError(f"{name} must be a number, or numbers with commas between them, got {given!r}") from None
    values = tuple(real(name, each) for each in several)
    low = name == "mean"
    if not values or not all(0 <= value <= 1 and (low or value > 0) for value in values):
        rule = "in [0, 1]" if low else "in (0, 1]"
        raise ValueError(
            f"{name} must be {rule}, in units of pixels in [0, 1], got {given!r}; divide by 255 what is in 0..255"
        )
    return values

"""Certify and predict in this process: the verbs as Python calls."""

from __future__ import annotations

import operator
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from noiseproof.data import DataSet
from noiseproof.data import load as load_data
from noiseproof.engine.contract import choose_device
from noiseproof.models import BaseModel, fingerprint
from noiseproof.models import load as load_model
from noiseproof.noises import Gaussian
from noiseproof.procedures import Certify, Predict, Procedure
from noiseproof.runners.job import Job, Progress

if TYPE_CHECKING:
    from noiseproof.store import Run


def certify(
    *,
    model: str | Path | nn.Module | BaseModel,
    data: str | DataSet,
    sigma: float,
    out: str | Path,
    n0: int = 100,
    n: int = 100_000,
    alpha: float = 0.001,
    two_sided: bool = False,
    grid: int | None = 255,
    seed: int = 0,
    every: int = 1,
    start: int = 0,
    limit: int | None = None,
    num_classes: int | None = None,
    model_id: str | None = None,
    root: str | Path | None = None,
    device: str = "auto",
    precision: str = "fp32",
    batch_size: int | None = None,
    workers: int | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Run:
    """Certify inputs of a data set into a run folder; the same call again resumes, with more inputs it extends.

    Args:
        model: what ``noiseproof.models.load`` takes, or a module (then ``num_classes`` is needed).
        data: ``name[:split]``, ``folder:PATH``, or a data set.
        sigma: standard deviation of the noise in input units ([0, 1] pixels).
        out: the run folder.
        n0: draws that select the class.
        n: fresh draws that estimate its probability.
        alpha: failure probability per input, fixed before sampling.
        two_sided: bound the runner-up by its own count.
        grid: steps of the pixel grid for exact arithmetic, or None for float noise, which claims less.
        seed: of the noise.
        every: take every K-th input.
        start: index of the first.
        limit: how many inputs at most.
        num_classes: of a model that does not say.
        model_id: a name that stands for the model instead of the fingerprint of its weights.
        root: where data sets lie.
        device: "auto", "cpu", "cuda", ...
        precision: of the forward pass, "fp32" or "bf16"; the certificate is about the classifier that was sampled.
        batch_size: rows a forward pass.
        workers: batches computed at once.
        progress: called now and then.

    Returns:
        The run: its records hold counts and certificates.

    Raises:
        ValueError: an argument is out of range.
        NoiseproofError: model, data or run folder cannot be used.
    """
    asked = job(
        Certify(n0=n0, n=n, alpha=alpha, two_sided=two_sided),
        model=model,
        data=data,
        sigma=sigma,
        grid=grid,
        seed=seed,
        every=every,
        start=start,
        limit=limit,
        num_classes=num_classes,
        model_id=model_id,
        root=root,
        device=device,
        precision=precision,
        batch_size=batch_size,
        workers=workers,
    )
    return asked.run(Path(out), progress)


def predict(
    *,
    model: str | Path | nn.Module | BaseModel,
    data: str | DataSet,
    sigma: float,
    out: str | Path,
    n: int = 1000,
    alpha: float = 0.001,
    grid: int | None = 255,
    seed: int = 0,
    every: int = 1,
    start: int = 0,
    limit: int | None = None,
    num_classes: int | None = None,
    model_id: str | None = None,
    root: str | Path | None = None,
    device: str = "auto",
    precision: str = "fp32",
    batch_size: int | None = None,
    workers: int | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Run:
    """Predict inputs of a data set into a run folder: the class of the smoothed classifier, or an abstention.

    Arguments, return value and errors are those of ``certify``; ``n`` draws are tested between the two largest
    counts.
    """
    asked = job(
        Predict(n=n, alpha=alpha),
        model=model,
        data=data,
        sigma=sigma,
        grid=grid,
        seed=seed,
        every=every,
        start=start,
        limit=limit,
        num_classes=num_classes,
        model_id=model_id,
        root=root,
        device=device,
        precision=precision,
        batch_size=batch_size,
        workers=workers,
    )
    return asked.run(Path(out), progress)


def job(
    procedure: Procedure,
    *,
    model: str | Path | nn.Module | BaseModel,
    data: str | DataSet,
    sigma: float,
    grid: int | None = 255,
    seed: int = 0,
    every: int = 1,
    start: int = 0,
    limit: int | None = None,
    num_classes: int | None = None,
    model_id: str | None = None,
    root: str | Path | None = None,
    device: str = "auto",
    precision: str = "fp32",
    batch_size: int | None = None,
    workers: int | None = None,
) -> Job:
    """The job that ``certify`` and ``predict`` run: everything resolved and checked, nothing drawn.

    ``job(...).cost()`` says what it will cost. Arguments and errors are those of ``certify``.
    """
    noise, seed = Gaussian(sigma=sigma, grid=grid), operator.index(seed)  # 5.0 would be another stream than 5
    data_set = (
        load_data(data, split="test", root=None if root is None else Path(root)) if isinstance(data, str) else data
    )
    indices = data_set.select(every=every, start=start, limit=limit)
    chosen = choose_device(device)
    base = _base(model, num_classes, model_id, tuple(data_set.shape))
    options = {
        "model": base.source,
        "data": data_set.name,
        "sigma": sigma,
        **{name: value for name, value in procedure.config().items() if name != "name"},
        "grid": grid or 0,
        "seed": seed,
        "every": every,
        "start": start,
        "limit": limit,
        "num_classes": num_classes,
        "model_id": model_id,
        "root": None if root is None else str(root),
        "device": device,
        "precision": precision,
        "batch_size": batch_size,
        "workers": workers,
    }
    return Job(
        procedure=procedure,
        model=base,
        data=data_set,
        indices=indices,
        noise=noise.on(tuple(data_set.shape)),
        seed=seed,
        device=chosen,
        precision=precision,
        batch_size=batch_size,
        workers=workers,
        settings={name: value for name, value in options.items() if value is not None},
    )


def _base(
    model: str | Path | nn.Module | BaseModel,
    num_classes: int | None,
    model_id: str | None,
    shape: tuple[int, ...],
) -> BaseModel:
    from dataclasses import replace

    if isinstance(model, BaseModel):
        base = model
    elif isinstance(model, nn.Module):
        if num_classes is None:
            raise ValueError("num_classes must be given for a model that is a module, got None")
        name = f"{type(model).__module__}.{type(model).__qualname__}"
        base = BaseModel(model, name, num_classes, shape, fingerprint(model, name), name)
    else:
        base = load_model(model, num_classes=num_classes, shape=None)
    return base if model_id is None else replace(base, fingerprint=f"named {model_id}")

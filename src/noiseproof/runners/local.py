"""Certify, predict and decide in this process: the verbs as Python calls."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from noiseproof.arguments import flag, integer
from noiseproof.data import DataSet
from noiseproof.data import load as load_data
from noiseproof.data.dataset import SomeUnreadable
from noiseproof.engine.contract import choose_device
from noiseproof.errors import DataError
from noiseproof.models import BaseModel, ensemble, from_object
from noiseproof.models import load as load_model
from noiseproof.models.ensemble import spec_of
from noiseproof.models.estimators import is_estimator
from noiseproof.noises import Gaussian
from noiseproof.procedures import Anytime, Curve, Procedure, SequentialPredict
from noiseproof.procedures.choose import certify_procedure, decide_procedure, predict_procedure
from noiseproof.runners.job import Job

if TYPE_CHECKING:
    from noiseproof.progress import Progress
    from noiseproof.store import Run

log = logging.getLogger(__name__)

One = str | Path | nn.Module | BaseModel | Callable[..., Any]
Model = One | Sequence[One]
"""What may stand for a base classifier; several are averaged. A fitted classifier of scikit-learn may, too."""


def certify(
    *,
    model: Model,
    data: str | DataSet,
    sigma: float,
    out: str | Path,
    procedure: str = "certify",
    n0: int | None = None,
    n: int | None = None,
    n_max: int | None = None,
    alpha: float = 0.001,
    two_sided: bool | None = None,
    acr_loss: float | None = None,
    radii: Sequence[float] | None = None,
    budget: int | None = None,
    grid: int | None = 255,
    seed: int = 0,
    rng: str = "philox",
    every: int = 1,
    start: int = 0,
    limit: int | None = None,
    skip_bad: bool = False,
    num_classes: int | None = None,
    consensus: int | None = None,
    model_id: str | None = None,
    root: str | Path | None = None,
    device: str = "auto",
    precision: str = "fp32",
    backend: str = "torch",
    batch_size: int | None = None,
    workers: int | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Run:
    """Certify inputs of a data set into a run folder; the same call again resumes, with more inputs it extends.

    Args:
        model: what ``noiseproof.models.load`` takes, a module, a function on numpy arrays, or a fitted classifier
            of scikit-learn. Several, in a list, are averaged; a draw then takes a
            forward pass of each.
        data: ``name[:split]``, ``folder:PATH``, or a data set.
        sigma: standard deviation of the noise in input units ([0, 1] pixels).
        out: the run folder.
        procedure: "certify", or "sequential", which stops as early as it can.
        n0: draws that select the class; 100 by default. Not for a grid of radii.
        n: fresh draws that estimate its probability; 100,000 by default. Of certify.
        n_max: of sequential: draws at most; 100,000 by default.
        alpha: failure probability per input, fixed before sampling.
        two_sided: bound the runner-up by its own count. Not for a grid of radii.
        acr_loss: of sequential: how much of a radius may be given up; .01 by default.
        radii: of sequential: certify no more than the largest radius of this grid, for a tenth of the draws.
        budget: of sequential: draws for all inputs together, given to those nearest to a decision.
        grid: steps of the pixel grid for exact arithmetic, or None for float noise, which claims less.
        seed: of the noise.
        rng: "philox", or "chacha20", keyed by the operating system; the key is stored with the run.
        every: take every K-th input.
        start: index of the first.
        limit: how many inputs at most.
        skip_bad: go on past pictures that cannot be read: each is kept as an abstention, and every share counts it.
        num_classes: of a model that does not say; by default as many as the data set has.
        consensus: of several models: the first so many are asked first, the others only where those disagree.
        model_id: a name that stands for the model instead of the fingerprint of its weights.
        root: where data sets lie.
        device: "auto", "cpu", "cuda", ...
        precision: of the forward pass, "fp32" or "bf16"; the certificate is about the classifier that was sampled.
        backend: "torch", "onnxruntime" or "openvino" (extras "onnx", "openvino"); of the same counts up to rounding.
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
        certify_procedure(
            procedure, n0=n0, n=n, n_max=n_max, alpha=alpha, two_sided=two_sided, acr_loss=acr_loss, radii=radii
        ),
        model=model,
        data=data,
        sigma=sigma,
        grid=grid,
        seed=seed,
        rng=rng,
        every=every,
        start=start,
        limit=limit,
        skip_bad=skip_bad,
        num_classes=num_classes,
        consensus=consensus,
        model_id=model_id,
        root=root,
        device=device,
        precision=precision,
        backend=backend,
        batch_size=batch_size,
        workers=workers,
        budget=budget,
    )
    return asked.run(Path(out), progress)


def predict(
    *,
    model: Model,
    data: str | DataSet,
    sigma: float,
    out: str | Path,
    procedure: str = "predict",
    n: int | None = None,
    n_max: int | None = None,
    alpha: float = 0.001,
    budget: int | None = None,
    grid: int | None = 255,
    seed: int = 0,
    rng: str = "philox",
    every: int = 1,
    start: int = 0,
    limit: int | None = None,
    skip_bad: bool = False,
    num_classes: int | None = None,
    consensus: int | None = None,
    model_id: str | None = None,
    root: str | Path | None = None,
    device: str = "auto",
    precision: str = "fp32",
    backend: str = "torch",
    batch_size: int | None = None,
    workers: int | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Run:
    """Predict inputs of a data set into a run folder: the class of the smoothed classifier, or an abstention.

    Arguments, return value and errors are those of ``certify``; ``n`` draws (1,000 by default), or ``n_max`` at most
    where ``procedure`` is "sequential", are tested between the two largest counts.
    """
    asked = job(
        predict_procedure(procedure, n=n, n_max=n_max, alpha=alpha),
        model=model,
        data=data,
        sigma=sigma,
        grid=grid,
        seed=seed,
        rng=rng,
        every=every,
        start=start,
        limit=limit,
        skip_bad=skip_bad,
        num_classes=num_classes,
        consensus=consensus,
        model_id=model_id,
        root=root,
        device=device,
        precision=precision,
        backend=backend,
        batch_size=batch_size,
        workers=workers,
        budget=budget,
    )
    return asked.run(Path(out), progress)


def decide(
    *,
    model: Model,
    data: str | DataSet,
    sigma: float,
    out: str | Path,
    radius: float,
    test: str = "group-sequential",
    n_max: int = 100_000,
    label_aware: bool = False,
    alpha: float = 0.001,
    budget: int | None = None,
    grid: int | None = 255,
    seed: int = 0,
    rng: str = "philox",
    every: int = 1,
    start: int = 0,
    limit: int | None = None,
    skip_bad: bool = False,
    num_classes: int | None = None,
    consensus: int | None = None,
    model_id: str | None = None,
    root: str | Path | None = None,
    device: str = "auto",
    precision: str = "fp32",
    backend: str = "torch",
    batch_size: int | None = None,
    workers: int | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Run:
    """Decide for inputs of a data set whether the smoothed classifier is constant within a radius.

    Arguments, return value and errors are those of ``certify``; ``radius`` is in input units, an input takes
    ``n_max`` draws at most, ``test`` is "group-sequential" or "anytime", and ``label_aware`` tests the true class
    alone, for evaluation.
    """
    asked = job(
        decide_procedure(test, radius=radius, n_max=n_max, alpha=alpha, label_aware=label_aware),
        model=model,
        data=data,
        sigma=sigma,
        grid=grid,
        seed=seed,
        rng=rng,
        every=every,
        start=start,
        limit=limit,
        skip_bad=skip_bad,
        num_classes=num_classes,
        consensus=consensus,
        model_id=model_id,
        root=root,
        device=device,
        precision=precision,
        backend=backend,
        batch_size=batch_size,
        workers=workers,
        budget=budget,
    )
    return asked.run(Path(out), progress)


def job(
    procedure: Procedure,
    *,
    model: Model,
    data: str | DataSet,
    sigma: float,
    grid: int | None = 255,
    seed: int = 0,
    rng: str = "philox",
    every: int = 1,
    start: int = 0,
    limit: int | None = None,
    skip_bad: bool = False,
    num_classes: int | None = None,
    consensus: int | None = None,
    model_id: str | None = None,
    root: str | Path | None = None,
    device: str = "auto",
    precision: str = "fp32",
    backend: str = "torch",
    batch_size: int | None = None,
    workers: int | None = None,
    budget: int | None = None,
) -> Job:
    """The job that ``certify``, ``predict`` and ``decide`` run: everything resolved and checked, nothing drawn.

    ``job(...).cost()`` says what it will cost. Arguments and errors are those of ``certify``.
    """
    noise, seed = Gaussian(sigma=sigma, grid=grid), integer("seed", seed)  # 5.0 would be another stream than 5
    if rng != "philox" and seed != 0:
        raise ValueError(f"seed must be left out with rng {rng}, whose key comes from the operating system, got {seed}")
    every, start = integer("every", every), integer("start", start)
    num_classes = None if num_classes is None else integer("num_classes", num_classes, least=2)
    limit, batch_size, workers, budget = (
        None if value is None else integer(name, value)
        for name, value in (
            ("limit", limit),
            ("batch_size", batch_size),
            ("workers", workers),
            ("budget", budget),
        )
    )
    data_set = (
        load_data(data, split="test", root=None if root is None else Path(root)) if isinstance(data, str) else data
    )
    indices = data_set.select(every=every, start=start, limit=limit)
    skipped = unreadable(data_set, indices) if flag("skip_bad", skip_bad) else {}
    known = data_set.pictures.unreadable if isinstance(data_set.pictures, SomeUnreadable) else {}
    if not skip_bad and (bad := next((index for index in indices if index in known), None)) is not None:
        raise DataError(f"{known[bad]}, or go on past it with skip_bad (--skip-bad)")
    if len(skipped) == len(indices):
        raise DataError(
            f"none of the {len(indices)} pictures wanted of {data_set.name} can be read: {skipped[indices[0]]}"
        )
    chosen = choose_device("cpu" if device == "auto" and backend != "torch" else device)
    base = base_model(model, num_classes, consensus, model_id, data_set)
    trained = base.trained.get("sigma")
    if isinstance(trained, int | float) and abs(trained - noise.sigma) > 0.01 * noise.sigma:
        log.warning(
            "%s was trained with sigma %g, not %g: what it certifies holds, but it will not be much",
            base.source,
            trained,
            noise.sigma,
        )
    options = {
        **spec_of(base),
        "data": data_set.name,
        "sigma": noise.sigma,
        **_flags(procedure),
        "budget": budget,
        "grid": noise.grid or 0,
        "seed": seed if rng == "philox" else None,
        "rng": rng,
        "every": every,
        "start": start,
        "limit": limit,
        "skip_bad": skip_bad or None,
        "num_classes": num_classes,
        "model_id": model_id,
        "root": None if root is None else str(root),
        "device": device,
        "precision": precision,
        "backend": backend,
        "batch_size": batch_size,
        "workers": workers,
    }
    return Job(
        procedure=procedure,
        model=base,
        data=data_set,
        indices=[index for index in indices if index not in skipped],
        skipped=skipped,
        noise=noise.on(tuple(data_set.shape)),
        seed=seed,
        rng=rng,
        device=chosen,
        precision=precision,
        backend=backend,
        batch_size=batch_size,
        workers=workers,
        budget=budget,
        settings={name: value for name, value in options.items() if value is not None},
    )


def unreadable(data: DataSet, indices: Sequence[int]) -> dict[int, str]:
    """Which of these pictures cannot be read, and why; reads each of them once."""
    found: dict[int, str] = {}
    for index in indices:
        try:
            data.pixels(index)
        except DataError as error:
            found[index] = str(error)
    return found


def _flags(procedure: Procedure) -> dict[str, Any]:
    """The procedure as flags of its verb."""
    settings = procedure.config()
    for no_flag in ("first_look", "look_every", "ratio", "gamma"):
        settings.pop(no_flag, None)
    name = settings.pop("name")
    if isinstance(procedure, Curve):
        settings["radii"] = ",".join(f"{radius:.17g}" for radius in procedure.radii)
    if isinstance(procedure, Anytime):
        return {"test": "anytime"} | settings
    if isinstance(procedure, SequentialPredict):
        name = "sequential"
    return settings if name == procedure.verb else {"procedure": name} | settings


def base_model(
    model: Model, num_classes: int | None, consensus: int | None, model_id: str | None, data: DataSet
) -> BaseModel:
    """The base classifier that an argument ``model`` stands for: a spec, a module, one that is loaded, or several.

    One that cannot say how many classes it has is taken to have those of the data set.
    """
    several = list(model) if isinstance(model, list | tuple) else [model]
    names = [model_id if model_id is None or len(several) == 1 else f"{model_id} {k}" for k in range(len(several))]
    members = [_single(each, num_classes, name, data) for each, name in zip(several, names, strict=True)]
    base = ensemble(members, consensus)
    return base if model_id is None else replace(base, fingerprint=f"named {model_id}")


def _single(model: Any, num_classes: int | None, model_id: str | None, data: DataSet) -> BaseModel:  # noqa: ANN401
    if isinstance(model, BaseModel):
        return model
    if isinstance(model, str | os.PathLike):
        silent = Path(os.fspath(model).rpartition(":")[0]).suffix == ".py"
        return load_model(model, num_classes=len(data.classes) if silent and num_classes is None else num_classes)
    classes = len(data.classes) if num_classes is None and not is_estimator(model) else num_classes
    return from_object(model, num_classes=classes, shape=tuple(data.shape), model_id=model_id)

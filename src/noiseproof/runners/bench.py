"""How fast draws are: a forward pass alone, certify through the engine, and the textbook loop, side by side."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from noiseproof.analysis.speed import Bench, Speed
from noiseproof.asked import Compute, Subject
from noiseproof.asked.kinds import check_kinds
from noiseproof.engine.backend import MANY, available_cores, cpu_batch
from noiseproof.engine.choose import backend_for
from noiseproof.engine.contract import check_backend, check_eval_mode, check_graph
from noiseproof.engine.require import check_available
from noiseproof.errors import ModelError
from noiseproof.models import load as load_model
from noiseproof.models.ensemble import checked_consensus
from noiseproof.runners.automatic import fastest
from noiseproof.runners.rates import ROUNDS, certify_rate, forward_rate, interleaved, mflop, peak_rate, processor
from noiseproof.runners.resolve import data_of, device_of
from noiseproof.runners.textbook import BATCHES, GPU_BATCHES, PUBLISHED_BATCH, TextbookProcess
from noiseproof.version import __version__

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noiseproof.engine.pooled import PooledBackend
    from noiseproof.noises import Noise

INPUTS = 4
LONG = 10**8
"""Draws of the run that is pretended where the backend hangs on it: 100,000 for each of a thousand inputs."""


def bench(
    subject: Subject,
    noise: Noise,
    compute: Compute | None = None,
    *,
    seconds: float = 30.0,
    shape: tuple[int, ...] | None = None,
) -> Bench:
    """Measure draws a second, interleaved in one run.

    Args:
        subject: the model, or several, loaded from files, or a module that can be pickled; and the data, without which
            pictures are random pixels (on which a consensus disagrees more often than on noisy inputs).
        noise: what is drawn.
        compute: where; the textbook loop is always torch in fp32.
        seconds: for the measurement itself; some more go into loading and warming up.
        shape: of one input, where neither model nor data say.

    Raises:
        ValueError: an argument is out of range.
        ModelError: the model cannot be used.
    """
    if not seconds > 0:
        raise ValueError(f"seconds must be > 0, got {seconds}")
    compute = compute or Compute()
    check_kinds({"subject": subject, "noise": noise, "compute": compute})
    chosen, model = device_of(compute), subject.model
    asked = "torch" if compute.backend == "auto" else compute.backend
    check_backend(asked, precision=compute.precision, device=chosen)
    check_available(asked, compute.precision)
    base, name, again, classes, inputs = _found(subject, noise, shape)
    cores = available_cores()
    check_eval_mode(base)
    check_graph(asked, base)

    def made(name: str, batch_size: int | None) -> PooledBackend:
        return backend_for(
            name,
            base,
            num_classes=classes,
            noise=noise.on(inputs[0].shape),
            shape=inputs[0].shape,
            device=chosen,
            batch_size=batch_size,
            precision=compute.precision,
            workers=compute.workers,
        )

    rows = compute.batch_size or (cpu_batch(inputs[0].shape, inputs=MANY) if chosen.type == "cpu" else None)
    backend: str = asked
    ready = None
    if (compute.backend, compute.precision, chosen.type) == ("auto", "fp32", "cpu"):  # as in a long run
        backend, ready = fastest(base, made, inputs[:1], draws=LONG, batch_size=rows)
    with ExitStack() as stack:
        ours = ready or made(backend, rows)
        stack.callback(ours.close)
        options = {"device": str(chosen), "threads": cores, **again}
        loop = TextbookProcess(
            base if isinstance(model, nn.Module) else _texts(model),
            options,
            inputs[0] / noise.scale,
            sigma=noise.sigma,
            num_classes=classes,
        )
        stack.enter_context(loop)
        part = seconds / ROUNDS / 5
        candidates = BATCHES if chosen.type == "cpu" else GPU_BATCHES
        tries = {batch: loop.rate(batch, min(part, 0.5))[0] for batch in candidates}
        best = max(tries, key=lambda batch: tries[batch])
        rates, foreign = interleaved(
            {
                "peak": lambda span: (peak_rate(ours, span / 2), 0.0),
                "forward": lambda span: (forward_rate(ours, span), 0.0),
                "certify": lambda span: (certify_rate(ours, ours.noise, inputs, span), 0.0),
                "published": lambda span: loop.rate(PUBLISHED_BATCH, span),
                "best": lambda span: loop.rate(best, span),
            },
            seconds=part,
        )
    environment = {
        "model": name,
        "shape": list(inputs[0].shape),
        "data": subject.settings()["data"],
        "sigma": noise.sigma,
        **ours.environment(),
        "processor": processor(),
        "cores": cores,
        "threads": cores,
        "torch": torch.__version__,
        "version": __version__,
    }
    return Bench(
        environment,
        mflop=mflop(base, inputs[0].shape),
        peak=median(rates["peak"]),
        foreign=foreign,
        forward=Speed("forward only", ours.batch_size, rates["forward"]),
        certify=Speed("certify", ours.batch_size, rates["certify"]),
        published=Speed("textbook loop, as published", PUBLISHED_BATCH, rates["published"]),
        best=Speed("textbook loop, best batch", best, rates["best"]),
    )


def _found(
    subject: Subject, noise: Noise, shape: tuple[int, ...] | None
) -> tuple[nn.Module, str, dict[str, Any], int, list[NDArray[Any]]]:
    """The module, its name, how another process loads it, its classes, and a few inputs."""
    pictures: list[NDArray[Any]] = []
    model, num_classes, consensus, usual = subject.model, subject.num_classes, subject.consensus, None
    if subject.data is not None:
        data = data_of(subject)
        pictures = [data.encoded(index, noise) for index in data.select(limit=INPUTS)]
        usual = len(data.classes), tuple(data.shape)
        shape = usual[1]
    if isinstance(model, nn.Module):
        num_classes = num_classes or (usual and usual[0])
        if num_classes is None:
            raise ValueError("num_classes must be given for a model that is a module, got None")
        checked_consensus(consensus, 1)
        base, name, again, stored = model, type(model).__name__, {}, None
    else:
        again = subject.loading | {"consensus": consensus, "usual": usual}
        loaded = load_model(model, **again)
        base, name, num_classes, stored = loaded.module, loaded.source, loaded.num_classes, loaded.shape
    if stored is not None and shape is not None and tuple(stored) != tuple(shape):
        raise ModelError(f"{name} takes inputs of shape {tuple(stored)}, got {tuple(shape)}; give its own data")
    shape = shape or stored
    if shape is None:
        raise ModelError(f"{name} does not say the shape of its inputs; give --data")
    if not pictures:
        generator = np.random.default_rng(0)
        pictures = [noise.encode(generator.integers(0, 256, shape, dtype=np.uint8)) for _ in range(INPUTS)]
    return base, name, again, num_classes, pictures


def _texts(model: str | Path | Sequence[str | Path]) -> list[str]:
    return [str(each) for each in ([model] if isinstance(model, str | os.PathLike) else model)]

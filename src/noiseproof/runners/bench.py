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
from noiseproof.engine.backend import available_cores
from noiseproof.engine.choose import backend_for
from noiseproof.engine.contract import check_backend, check_eval_mode, check_graph, check_options, choose_device
from noiseproof.engine.require import check_available
from noiseproof.errors import ModelError
from noiseproof.models import load as load_model
from noiseproof.models.ensemble import checked_consensus
from noiseproof.noises import Gaussian
from noiseproof.runners.rates import ROUNDS, certify_rate, forward_rate, interleaved, mflop, peak_rate, processor
from noiseproof.runners.textbook import BATCHES, GPU_BATCHES, PUBLISHED_BATCH, TextbookProcess
from noiseproof.version import __version__

if TYPE_CHECKING:
    from numpy.typing import NDArray

INPUTS = 4


def bench(
    *,
    model: str | Path | nn.Module | Sequence[str | Path],
    data: str | None = None,
    seconds: float = 30.0,
    sigma: float = 0.5,
    num_classes: int | None = None,
    consensus: int | None = None,
    shape: tuple[int, ...] | None = None,
    root: str | Path | None = None,
    device: str = "auto",
    precision: str = "fp32",
    backend: str = "torch",
    batch_size: int | None = None,
    workers: int | None = None,
) -> Bench:
    """Measure draws a second, interleaved in one run.

    Args:
        model: what ``noiseproof.models.load`` takes, several for an ensemble, or a module that can be pickled.
        data: ``name[:split]`` or ``folder:PATH``; without it pictures are random pixels.
        seconds: for the measurement itself; some more go into loading and warming up.
        sigma: of the noise.
        num_classes: of a model that does not say.
        consensus: of several models: the first so many are asked first, the others only where those disagree, which
            is rarer on noisy inputs than on the random pixels of "forward only".
        shape: of one input, where neither model nor data say.
        root: where data sets lie.
        device: "auto", "cpu", "cuda", ...
        precision: of the forward pass; the textbook loop is always fp32.
        backend: "torch", "onnxruntime" or "openvino"; the textbook loop is always torch.
        batch_size: rows a forward pass.
        workers: batches computed at once; by default a core each on a CPU.

    Raises:
        ValueError: an argument is out of range.
        ModelError: the model cannot be used.
    """
    if not seconds > 0:
        raise ValueError(f"seconds must be > 0, got {seconds}")
    check_options(precision=precision, batch_size=batch_size, workers=workers)
    chosen = choose_device("cpu" if device == "auto" and backend != "torch" else device)
    check_backend(backend, precision=precision, device=chosen)
    check_available(backend, precision)
    noise = Gaussian(sigma=sigma)
    base, name, again, classes, inputs = _found(model, data, num_classes, consensus, shape, root)
    cores = available_cores()
    check_eval_mode(base)
    check_graph(backend, base)
    with ExitStack() as stack:
        ours = backend_for(
            backend,
            base,
            num_classes=classes,
            noise=noise.on(inputs[0].shape),
            shape=inputs[0].shape,
            device=chosen,
            batch_size=batch_size,
            precision=precision,
            workers=workers,
        )
        stack.callback(ours.close)
        options = {"device": str(chosen), "threads": cores, **again}
        loop = TextbookProcess(
            base if isinstance(model, nn.Module) else _texts(model),
            options,
            inputs[0] / noise.scale,
            sigma=sigma,
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
        "data": data,
        "sigma": sigma,
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
    model: str | Path | nn.Module | Sequence[str | Path],
    data: str | None,
    num_classes: int | None,
    consensus: int | None,
    shape: tuple[int, ...] | None,
    root: str | Path | None,
) -> tuple[nn.Module, str, dict[str, Any], int, list[NDArray[Any]]]:
    """The module, its name, how another process loads it, its classes, and a few inputs."""
    pictures: list[NDArray[Any]] = []
    if data is not None:
        from noiseproof.data import load as load_data

        data_set = load_data(data, split="test", root=None if root is None else Path(root))
        pictures = [data_set.pixels(index) for index in data_set.select(limit=INPUTS)]
        num_classes = num_classes or len(data_set.classes)
        shape = tuple(data_set.shape)
    if isinstance(model, nn.Module):
        if num_classes is None:
            raise ValueError("num_classes must be given for a model that is a module, got None")
        checked_consensus(consensus, 1)
        base, name, again, stored = model, type(model).__name__, {}, None
    else:
        again = {"num_classes": num_classes, "consensus": consensus}
        loaded = load_model(model, num_classes=num_classes, consensus=consensus)
        base, name, num_classes, stored = loaded.module, loaded.source, loaded.num_classes, loaded.shape
    if stored is not None and shape is not None and tuple(stored) != tuple(shape):
        raise ModelError(f"{name} takes inputs of shape {tuple(stored)}, got {tuple(shape)}; give its own data")
    shape = shape or stored
    if shape is None:
        raise ModelError(f"{name} does not say the shape of its inputs; give --data")
    if not pictures:
        generator = np.random.default_rng(0)
        pictures = [generator.integers(0, 256, shape, dtype=np.uint8) for _ in range(INPUTS)]
    return base, name, again, num_classes, pictures


def _texts(model: str | Path | Sequence[str | Path]) -> list[str]:
    return [str(each) for each in ([model] if isinstance(model, str | os.PathLike) else model)]

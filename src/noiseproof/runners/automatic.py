"""Which backend "auto" means: that of the run folder; in a new one the first that is installed, where it pays."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from noiseproof.checks.brief import noisy_rows
from noiseproof.engine.contract import BACKENDS, check_graph
from noiseproof.engine.prepare import same_scores
from noiseproof.engine.require import installed
from noiseproof.errors import ModelError, pip_install
from noiseproof.runners.executors import EXECUTORS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noiseproof.engine.pooled import PooledBackend
    from noiseproof.runners.job import Job

log = logging.getLogger(__name__)

WORTH = 3e12
"""Operations that a run must have planned, in convolutions and linear layers. Less, some 45 seconds of one core, would
not earn back what an export takes: 2 to 10 seconds."""

PROBES = 8
"""Noisy rows on which it must give the scores of torch, up to rounding."""


def order() -> tuple[str, ...]:
    """Faster than torch on this processor: first what is faster for the networks that gain least by either.

    Measured (docs/performance.md): with AVX-512 OpenVINO is at 1.8 times Cohen's loop or more for every network, where
    ONNX Runtime is not for a LeNet; with AVX2 ONNX Runtime is ahead for each.
    """
    wide = torch.backends.cpu.get_cpu_capability() == "AVX512"
    return ("openvino", "onnxruntime") if wide else ("onnxruntime", "openvino")


def with_backend(job: Job, out: Path | None, meaning: Mapping[str, Any] | None) -> Job:
    """The job with the backend that "auto" means; one that was named stays.

    Args:
        job: whose backend may be "auto".
        out: its run folder.
        meaning: what the folder means, where it is one already.

    Raises:
        ModelError: what drew the folder is not installed here, or the base classifier breaks its contract.
    """
    compute = job.asked.compute
    if compute.backend != "auto":
        return job
    ready: list[PooledBackend] = []
    if meaning is None:
        name, made = _chosen(job)
        ready += [] if made is None else [made]
    else:
        same = meaning.get("backend") in BACKENDS and meaning.get("precision") == compute.precision
        name = str(meaning["backend"]) if same else "torch"  # what differs will be told
    here = {"device": torch.device("cpu"), "others": ()} if name != "torch" and compute.device == "auto" else {}
    asked = replace(job.asked, compute=replace(compute, backend=name))  # type: ignore[arg-type]  # of BACKENDS
    try:
        return replace(job, asked=asked, auto=True, ready=ready, **here)  # type: ignore[arg-type]  # of its own
    except ModelError as error:
        if meaning is None or installed(name):
            raise
        raise ModelError(
            f"{out} is drawn by {name} and goes on with nothing else: {error}; or choose another --out"
        ) from None


def _chosen(job: Job) -> tuple[str, PooledBackend | None]:
    """The backend of a new run: a rule of what is asked, the model and the packages, and of no clock."""
    compute, module = job.asked.compute, job.model.module
    if job.device.type != "cpu" or compute.precision != "fp32" or not EXECUTORS.find(compute.executor).here:
        return "torch", None
    return fastest(
        module,
        lambda name, batch_size: job.backend(batch_size, name=name),
        [job.input(job.indices[0])],
        draws=min(len(job.indices) * job.asked.procedure.most_draws, job.asked.budget or sys.maxsize),
        batch_size=job.batch_size,
    )


def fastest(
    module: object,
    make: Callable[[str, int | None], PooledBackend],
    inputs: Sequence[NDArray[Any]],
    *,
    draws: int,
    batch_size: int | None,
) -> tuple[str, PooledBackend | None]:
    """What is to make many draws in fp32 on a CPU: the first backend of ``order()`` that is installed; or torch.

    Torch, too, where the draws are too few, or the other cannot have the module or gives other scores.

    Args:
        module: the base classifier.
        make: the backend of a name, in batches of a size.
        inputs: clean ones, encoded; noisy copies of them are asked.
        draws: that are planned, at most.
        batch_size: of the backend.

    Returns:
        Its name, and the backend itself where it had to be made to know.

    Raises:
        ModelError: the base classifier breaks its contract in torch too.
    """
    if not draws * _operations(module, inputs[0].shape) >= WORTH:
        return "torch", None
    name = next((each for each in order() if installed(each)), None)
    if name is None:
        log.warning("draws are made by torch; the extra makes up to 1.5 times as many: %s", pip_install("fast"))
        return "torch", None
    with closing(make("torch", PROBES)) as plain:
        rows = noisy_rows(plain, inputs)
        wanted = plain.answers(rows)
    found = None
    try:
        check_graph(name, module)
        found = make(name, batch_size)
        if same_scores(found.answers(rows), wanted):
            return name, found
        why = f"{name} gives other scores"
    except ModelError as error:
        why = str(error).removesuffix("; use --backend torch")
    if found is not None:
        found.close()
    log.warning("draws are made by torch: %s", why)
    return "torch", None


def _operations(module: object, shape: tuple[int, ...]) -> int:
    """Those of one forward pass in convolutions and linear layers; 0 where they cannot be had.

    Their outputs are watched: the counter that torch has would import its compiler, which takes seconds.
    """
    if not isinstance(module, nn.Module):
        return 0
    found: list[int] = []

    def watch(part: nn.Module, _: object, out: torch.Tensor) -> None:
        assert isinstance(part.weight, torch.Tensor)
        found.append(2 * out.numel() * part.weight[0].numel())  # so many products make a number

    hooks = [part.register_forward_hook(watch) for part in module.modules() if type(part) in _LAYERS]
    first = next(module.parameters(), torch.zeros(0))
    try:
        with torch.inference_mode():
            module(torch.zeros((1, *shape), device=first.device))
    except (Exception, SystemExit) as error:  # noqa: BLE001  # of any module; when it draws, it will be told
        log.info("the operations of the base classifier cannot be counted (%s)", error)
        return 0
    finally:
        for hook in hooks:
            hook.remove()
    return sum(found)


_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)

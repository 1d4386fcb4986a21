"""Where a run is computed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from noiseproof.arguments import integer, real, text
from noiseproof.errors import unknown

Precision = Literal["fp32", "tf32", "bf16"]
BackendName = Literal["auto", "torch", "onnxruntime", "openvino"]
# What help and completion list without torch; that the registry holds the same is held by a test.
ExecutorName = Literal["in-process", "ray", "slurm"]

OF_RUNS = ("executor", "address", "at_most", "stop_after", "track")
"""The fields that mean something to runs alone."""


LARGEST_BATCH = 1_000_000
"""Rows of a batch: more would only fill the memory."""


@dataclass(frozen=True, kw_only=True)
class Compute:
    """Where a run is computed: nothing of it but precision and backend is part of what the counts mean.

    Attributes:
        device: One of auto, cpu, cuda (all there are), cuda:1, or several: cuda:0,cuda:1.
        precision: Of the forward pass.
        backend: What computes the scores; of the same counts up to rounding. auto: that of the run folder; in a new one
            the fastest installed where a CPU has much to do, else torch.
        batch_size: Rows a forward pass.
        workers: Batches computed at once (a core each on a CPU).
        executor: What makes the draws: this process; actors of ray; or a job array of slurm, then merged.
        address: Of a Ray cluster, HOST:PORT or auto, by default this machine alone; local tries slurm without any.
        at_most: Actors of ray, by default all that fit, one a GPU or --workers cores; or jobs of slurm.
        stop_after: Seconds after which a run stops; the same line goes on from there.
        track: A tracker that is told how a run goes: jsonl:FILE, tensorboard:FOLDER, wandb:PROJECT, mlflow:URI.

    Raises:
        ValueError: a name is unknown, or a number too small.
    """

    device: str = "auto"
    precision: Precision = "fp32"
    backend: BackendName = "auto"
    batch_size: int | None = None
    workers: int | None = None
    executor: str = field(default="in-process", metadata={"flag": ExecutorName | str})
    address: str | None = None
    at_most: int | None = None
    stop_after: float | None = None
    track: str | None = None

    def __post_init__(self) -> None:
        if type(self.device).__name__ == "device":  # of torch, which is not imported here
            object.__setattr__(self, "device", str(self.device))
        for name in ("device", "executor", "address", "track"):
            if getattr(self, name) is not None:
                text(name, getattr(self, name))
        for name, known in (("precision", get_args(Precision)), ("backend", get_args(BackendName))):
            if getattr(self, name) not in known:
                raise ValueError(unknown(name, str(getattr(self, name)), known))
        for name, most in (("batch_size", LARGEST_BATCH), ("workers", None), ("at_most", None)):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, integer(name, getattr(self, name), least=1, most=most))
        for name in ("address", "at_most"):
            if self.executor == "in-process" and getattr(self, name) is not None:
                raise ValueError(f"{name} goes with executor ray or slurm, got executor in-process")
        if self.stop_after is not None and not real("stop_after", self.stop_after) > 0:
            raise ValueError(f"stop_after must be > 0 seconds, got {self.stop_after}")

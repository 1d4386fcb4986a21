"""Packing many inputs into one batch, perturbing, counting on the device."""

from noiseproof.engine.backend import Backend, OutOfMemoryError, Segment
from noiseproof.engine.engine import Engine, check_budget
from noiseproof.engine.lane import Drawn, Finished, Task
from noiseproof.engine.torch_backend import TorchBackend

__all__ = [
    "Backend",
    "Drawn",
    "Engine",
    "Finished",
    "OutOfMemoryError",
    "Segment",
    "Task",
    "TorchBackend",
    "check_budget",
]

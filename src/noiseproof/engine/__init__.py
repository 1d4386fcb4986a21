"""Packing many inputs into one batch, perturbing, counting on the device."""

from noiseproof.engine.backend import Backend, OutOfMemoryError, Segment, TorchBackend
from noiseproof.engine.engine import Drawn, Engine, Finished, Task

__all__ = ["Backend", "Drawn", "Engine", "Finished", "OutOfMemoryError", "Segment", "Task", "TorchBackend"]

"""One training loop, one loss a file (``noiseproof.training.losses``)."""

from noiseproof.training.loop import train
from noiseproof.training.progress import TrainResult

__all__ = ["TrainResult", "train"]

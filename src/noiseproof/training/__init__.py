"""One training loop, one loss a file."""

from noiseproof.training.loop import train
from noiseproof.training.losses import LOSSES, GaussianLoss, Loss, LossOut, Progress
from noiseproof.training.progress import TrainProgress, TrainResult

__all__ = ["LOSSES", "GaussianLoss", "Loss", "LossOut", "Progress", "TrainProgress", "TrainResult", "train"]

"""Training losses, one a file. A new one is one line in ``LOSSES`` and one in the list of the laws."""

from noiseproof.training.losses.base import Loss, LossOut, Progress
from noiseproof.training.losses.gaussian import GaussianLoss

LOSSES: dict[str, type[Loss]] = {
    GaussianLoss.name: GaussianLoss,
}

__all__ = ["LOSSES", "GaussianLoss", "Loss", "LossOut", "Progress"]

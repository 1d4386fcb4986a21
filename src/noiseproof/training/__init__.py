"""One training loop, one loss a file."""

from noiseproof.training.loop import train
from noiseproof.training.losses import (
    LOSSES,
    CATRSLoss,
    ConsistencyLoss,
    GaussianLoss,
    Loss,
    LossOut,
    MACERLoss,
    Progress,
    SmoothAdvLoss,
    SmoothMixLoss,
    StabilityLoss,
)
from noiseproof.training.progress import TrainProgress, TrainResult

__all__ = [
    "LOSSES",
    "CATRSLoss",
    "ConsistencyLoss",
    "GaussianLoss",
    "Loss",
    "LossOut",
    "MACERLoss",
    "Progress",
    "SmoothAdvLoss",
    "SmoothMixLoss",
    "StabilityLoss",
    "TrainProgress",
    "TrainResult",
    "train",
]

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
    Phase,
    SmoothAdvLoss,
    SmoothMixLoss,
    StabilityLoss,
)
from noiseproof.training.progress import TrainResult

__all__ = [
    "LOSSES",
    "CATRSLoss",
    "ConsistencyLoss",
    "GaussianLoss",
    "Loss",
    "LossOut",
    "MACERLoss",
    "Phase",
    "SmoothAdvLoss",
    "SmoothMixLoss",
    "StabilityLoss",
    "TrainResult",
    "train",
]

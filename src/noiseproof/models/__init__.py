"""What a base classifier may be: architectures, weights on disk, and ``load("spec")``."""

from noiseproof.models.architectures import ARCHITECTURES, build
from noiseproof.models.base import BaseModel, fingerprint
from noiseproof.models.checkpoint import load_checkpoint
from noiseproof.models.load import load
from noiseproof.models.normalize import Normalize
from noiseproof.models.weights import load_weights, save_weights

__all__ = [
    "ARCHITECTURES",
    "BaseModel",
    "Normalize",
    "build",
    "fingerprint",
    "load",
    "load_checkpoint",
    "load_weights",
    "save_weights",
]

"""What a base classifier may be: architectures, weights on disk, and ``load("spec")``."""

from noiseproof.models.architectures import ARCHITECTURES, build
from noiseproof.models.arrays import ArrayClassifier
from noiseproof.models.base import BaseModel, fingerprint
from noiseproof.models.catalogue import SOURCES, ModelSource
from noiseproof.models.checkpoint import load_checkpoint
from noiseproof.models.ensemble import Ensemble, ensemble
from noiseproof.models.load import load
from noiseproof.models.normalize import Normalize
from noiseproof.models.python_object import from_object
from noiseproof.models.weights import load_weights, save_weights

__all__ = [
    "ARCHITECTURES",
    "SOURCES",
    "ArrayClassifier",
    "BaseModel",
    "Ensemble",
    "ModelSource",
    "Normalize",
    "build",
    "ensemble",
    "fingerprint",
    "from_object",
    "load",
    "load_checkpoint",
    "load_weights",
    "save_weights",
]

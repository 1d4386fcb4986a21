"""Other certificates in L2, to compare smoothing with: trained and certified by their own packages."""

from types import MappingProxyType

from noiseproof.baselines.base import Certifier, Method, Radii
from noiseproof.baselines.certifying import certify
from noiseproof.baselines.lipschitz import Lipschitz
from noiseproof.baselines.training import train
from noiseproof.baselines.wong import Wong

__all__ = [
    "METHODS",
    "Certifier",
    "Lipschitz",
    "Method",
    "Radii",
    "Wong",
    "certify",
    "train",
]

METHODS = MappingProxyType({Wong.name: Wong, Lipschitz.name: Lipschitz})
"""Every method by its name."""

"""Other certificates in L2, to compare smoothing with: trained and certified by their own packages."""

from noiseproof.baselines.base import Certifier, Method, Radii
from noiseproof.baselines.certifying import certify
from noiseproof.baselines.lipschitz import Lipschitz
from noiseproof.baselines.training import train
from noiseproof.baselines.wong import Wong
from noiseproof.registry import Registry

__all__ = ["METHODS", "Certifier", "Lipschitz", "Method", "Radii", "Wong", "certify", "train"]

METHODS: Registry[type[Method]] = Registry(
    "method", lambda method: method.name, [Wong, Lipschitz], group="noiseproof.baselines"
)
"""Every method by its name."""

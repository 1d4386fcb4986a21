"""noiseproof: certified robustness by randomized smoothing.

Everything here is loaded when it is first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from noiseproof.version import __version__ as __version__

if TYPE_CHECKING:
    from noiseproof.analysis.audit import audit
    from noiseproof.asked import Asked, Compute, Elsewhere, Subject, Training
    from noiseproof.classifier import SmoothedClassifier
    from noiseproof.errors import NoiseproofError, UnsupportedError
    from noiseproof.noises import Gaussian
    from noiseproof.procedures import Anytime, Certify, Curve, Decide, Predict, Sequential, SequentialPredict
    from noiseproof.reports.card import card
    from noiseproof.reports.compare import compare
    from noiseproof.reports.experiments import experiment
    from noiseproof.reports.report import report
    from noiseproof.reports.show import show
    from noiseproof.runners.attack import attack
    from noiseproof.runners.bench import bench
    from noiseproof.runners.doctor import doctor
    from noiseproof.runners.falsify import falsify
    from noiseproof.runners.plan import plan
    from noiseproof.runners.run import run
    from noiseproof.store.exchange import export_run, import_run
    from noiseproof.store.merge import merge
    from noiseproof.store.verify import verify
    from noiseproof.training.loop import train
    from noiseproof.types import ABSTAIN, Certificate, Decision, Prediction

_ROOMS = {
    "analysis.audit": ("audit",),
    "asked": ("Asked", "Compute", "Elsewhere", "Subject", "Training"),
    "classifier": ("SmoothedClassifier",),
    "errors": ("NoiseproofError", "UnsupportedError"),
    "noises": ("Gaussian",),
    "procedures": ("Anytime", "Certify", "Curve", "Decide", "Predict", "Sequential", "SequentialPredict"),
    "reports.card": ("card",),
    "reports.compare": ("compare",),
    "reports.experiments": ("experiment",),
    "reports.report": ("report",),
    "reports.show": ("show",),
    "runners.attack": ("attack",),
    "runners.bench": ("bench",),
    "runners.doctor": ("doctor",),
    "runners.falsify": ("falsify",),
    "runners.plan": ("plan",),
    "runners.run": ("run",),
    "store.exchange": ("export_run", "import_run"),
    "store.merge": ("merge",),
    "store.verify": ("verify",),
    "training.loop": ("train",),
    "types": ("ABSTAIN", "Certificate", "Decision", "Prediction"),
}
_HOMES = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [
    "ABSTAIN",
    "Anytime",
    "Asked",
    "Certificate",
    "Certify",
    "Compute",
    "Curve",
    "Decide",
    "Decision",
    "Elsewhere",
    "Gaussian",
    "NoiseproofError",
    "Predict",
    "Prediction",
    "Sequential",
    "SequentialPredict",
    "SmoothedClassifier",
    "Subject",
    "Training",
    "UnsupportedError",
    "attack",
    "audit",
    "bench",
    "card",
    "compare",
    "doctor",
    "experiment",
    "export_run",
    "falsify",
    "import_run",
    "merge",
    "plan",
    "report",
    "run",
    "show",
    "train",
    "verify",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'noiseproof' has no attribute {name!r}")
    return getattr(import_module(f"noiseproof.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

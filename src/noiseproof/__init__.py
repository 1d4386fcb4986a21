"""noiseproof: certified robustness by randomized smoothing.

Everything here is loaded when it is first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from noiseproof.version import __version__ as __version__

if TYPE_CHECKING:
    from noiseproof.analysis.audit import audit
    from noiseproof.classifier import SmoothedClassifier
    from noiseproof.errors import NoiseproofError, UnsupportedError
    from noiseproof.noises import Gaussian
    from noiseproof.procedures import Certify, Decide, Predict
    from noiseproof.reports.card import card
    from noiseproof.reports.compare import compare
    from noiseproof.reports.experiments import experiment
    from noiseproof.reports.report import report
    from noiseproof.reports.show import show
    from noiseproof.runners.attack import attack
    from noiseproof.runners.doctor import doctor
    from noiseproof.runners.falsify import falsify
    from noiseproof.runners.local import certify, decide, predict
    from noiseproof.store.exchange import export_run, import_run
    from noiseproof.store.merge import merge
    from noiseproof.store.verify import verify
    from noiseproof.training.loop import train
    from noiseproof.types import ABSTAIN, Certificate, Decision, Prediction

_HOMES = {
    "ABSTAIN": "types",
    "Certificate": "types",
    "Certify": "procedures",
    "Decide": "procedures",
    "Decision": "types",
    "Gaussian": "noises",
    "NoiseproofError": "errors",
    "Predict": "procedures",
    "Prediction": "types",
    "SmoothedClassifier": "classifier",
    "UnsupportedError": "errors",
    "attack": "runners.attack",
    "audit": "analysis.audit",
    "card": "reports.card",
    "certify": "runners.local",
    "compare": "reports.compare",
    "decide": "runners.local",
    "doctor": "runners.doctor",
    "experiment": "reports.experiments",
    "export_run": "store.exchange",
    "falsify": "runners.falsify",
    "import_run": "store.exchange",
    "merge": "store.merge",
    "predict": "runners.local",
    "report": "reports.report",
    "show": "reports.show",
    "train": "training.loop",
    "verify": "store.verify",
}

__all__ = [
    "ABSTAIN",
    "Certificate",
    "Certify",
    "Decide",
    "Decision",
    "Gaussian",
    "NoiseproofError",
    "Predict",
    "Prediction",
    "SmoothedClassifier",
    "UnsupportedError",
    "attack",
    "audit",
    "card",
    "certify",
    "compare",
    "decide",
    "doctor",
    "experiment",
    "export_run",
    "falsify",
    "import_run",
    "merge",
    "predict",
    "report",
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

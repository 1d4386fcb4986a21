"""noiseproof: certified robustness by randomized smoothing.

Everything here is loaded when it is first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from noiseproof.version import __version__ as __version__

if TYPE_CHECKING:
    from noiseproof.analysis.audit import audit as audit
    from noiseproof.asked import Asked as Asked
    from noiseproof.asked import Compute as Compute
    from noiseproof.asked import Elsewhere as Elsewhere
    from noiseproof.asked import Subject as Subject
    from noiseproof.asked import Training as Training
    from noiseproof.asked.look import Look as Look
    from noiseproof.classifier import SmoothedClassifier as SmoothedClassifier
    from noiseproof.errors import NoiseproofError as NoiseproofError
    from noiseproof.errors import UnsupportedError as UnsupportedError
    from noiseproof.models.load import load as load_model  # noqa: F401  # under another name there
    from noiseproof.noises import Gaussian as Gaussian
    from noiseproof.procedures import Anytime as Anytime
    from noiseproof.procedures import Certify as Certify
    from noiseproof.procedures import Curve as Curve
    from noiseproof.procedures import Decide as Decide
    from noiseproof.procedures import Predict as Predict
    from noiseproof.procedures import Sequential as Sequential
    from noiseproof.procedures import SequentialPredict as SequentialPredict
    from noiseproof.progress import Progress as Progress
    from noiseproof.progress import ProgressBar as ProgressBar
    from noiseproof.reports.bundle import bundle as bundle
    from noiseproof.reports.card import card as card
    from noiseproof.reports.compare import compare as compare
    from noiseproof.reports.experiments import experiment as experiment
    from noiseproof.reports.report import report as report
    from noiseproof.reports.show import show as show
    from noiseproof.runners.attack import attack as attack
    from noiseproof.runners.bench import bench as bench
    from noiseproof.runners.check import check as check
    from noiseproof.runners.doctor import doctor as doctor
    from noiseproof.runners.falsify import falsify as falsify
    from noiseproof.runners.plan import plan as plan
    from noiseproof.runners.run import run as run
    from noiseproof.runners.verify import verify as verify
    from noiseproof.store.exchange import export_run as export_run
    from noiseproof.store.exchange import import_run as import_run
    from noiseproof.store.merge import merge as merge
    from noiseproof.store.run import read_run as read_run
    from noiseproof.training.loop import train as train
    from noiseproof.types import ABSTAIN as ABSTAIN
    from noiseproof.types import Certificate as Certificate
    from noiseproof.types import Decision as Decision
    from noiseproof.types import Prediction as Prediction

_ROOMS = {
    "analysis.audit": ("audit",),
    "asked": ("Asked", "Compute", "Elsewhere", "Subject", "Training"),
    "asked.look": ("Look",),
    "classifier": ("SmoothedClassifier",),
    "errors": ("NoiseproofError", "UnsupportedError"),
    "noises": ("Gaussian",),
    "procedures": ("Anytime", "Certify", "Curve", "Decide", "Predict", "Sequential", "SequentialPredict"),
    "progress": ("Progress", "ProgressBar"),
    "reports.bundle": ("bundle",),
    "reports.card": ("card",),
    "reports.compare": ("compare",),
    "reports.experiments": ("experiment",),
    "reports.report": ("report",),
    "reports.show": ("show",),
    "runners.attack": ("attack",),
    "runners.bench": ("bench",),
    "runners.check": ("check",),
    "runners.doctor": ("doctor",),
    "runners.falsify": ("falsify",),
    "runners.plan": ("plan",),
    "runners.run": ("run",),
    "store.exchange": ("export_run", "import_run"),
    "store.merge": ("merge",),
    "store.run": ("read_run",),
    "runners.verify": ("verify",),
    "training.loop": ("train",),
    "types": ("ABSTAIN", "Certificate", "Decision", "Prediction"),
}
_HOMES = {name: room for room, names in _ROOMS.items() for name in names} | {"load_model": "models.load"}
_CALLED = {"load_model": "load"}
"""What is called otherwise in its room."""

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        procedure = name.title() if name in ("certify", "decide", "predict") else ""
        remedy = f"; call noiseproof.run({procedure}(...), Gaussian(...), Subject(...))" if procedure else ""
        raise AttributeError(f"module 'noiseproof' has no attribute {name!r}{remedy}")
    return getattr(import_module(f"noiseproof.{_HOMES[name]}"), _CALLED.get(name, name))


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

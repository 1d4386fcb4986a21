"""Arguments that must be records or variants of ours: each is refused at once, with what to write instead."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from noiseproof.asked.compute import Compute
from noiseproof.asked.look import Look
from noiseproof.asked.subject import Elsewhere, Subject
from noiseproof.asked.training import Training
from noiseproof.noises import Noise
from noiseproof.procedures import Predict, Procedure

_KINDS: dict[str, tuple[type | tuple[type, ...], str]] = {
    "procedure": (Procedure, "a procedure such as Certify(n=10_000)"),
    "subject": (Subject, 'a Subject(model="runs/m25", data="cifar10:test")'),
    "compute": (Compute, 'a Compute(device="cuda")'),
    "elsewhere": (Elsewhere, "an Elsewhere(model=..., data=...)"),
    "training": (Training, 'a Training(data="cifar10", sigma=0.25)'),
    "judge": (Predict, "a Predict(n=1000)"),
    "look": (Look, 'a Look(style="icml")'),
    "progress": (Callable, "a function that is told how far it is"),  # type: ignore[dict-item]  # of abc
    "out": ((str, os.PathLike), "the path of a folder"),
}


def check_kinds(given: Mapping[str, object]) -> None:
    """Refuse arguments of another kind than their names stand for.

    Args:
        given: arguments by name, of those in ``_KINDS``, or ``noise``.

    Raises:
        ValueError: one is something else.

    >>> check_kinds({"noise": 0.25})
    Traceback (most recent call last):
    ValueError: noise must be a noise such as Gaussian(sigma=0.25), got 0.25
    """
    for name, value in given.items():
        kind, such_as = (Noise, _noise_like(value)) if name == "noise" else _KINDS[name]
        if not isinstance(value, kind):
            got = value.__name__ if isinstance(value, type) else repr(value)[:80]
            raise ValueError(f"{name} must be {such_as}, got {got}")  # noqa: TRY004  # one kind of error for every argument


def _noise_like(value: object) -> str:
    """A noise that was perhaps meant: a number is its sigma, a class lacks it."""
    family = value.__name__ if isinstance(value, type) and issubclass(value, Noise) else "Gaussian"
    sigma = value if isinstance(value, int | float) and not isinstance(value, bool) else 0.25
    return f"a noise such as {family}(sigma={sigma})"

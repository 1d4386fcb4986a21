"""What verbs share: the records of a run, and the flags beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

from noiseproof.asked import OF_RUNS, Compute, Elsewhere, Subject
from noiseproof.asked.look import Look
from noiseproof.cli.flags import Spread
from noiseproof.noises import NOISES, Noise
from noiseproof.noises.words import Generator
from noiseproof.procedures import PROCEDURES, Procedure

_T = TypeVar("_T")

AnyNoise = Annotated[Noise, Spread("Noise", NOISES, "noise", NOISES), "Family of the noise; its flags follow."]
AnySubject = Annotated[Subject, Spread("Subject")]
AnyCompute = Annotated[Compute, Spread("Compute")]
FoundElsewhere = Annotated[Elsewhere, Spread("Subject")]
PicturesElsewhere = Annotated[Elsewhere, Spread("Subject", without=("model", "denoiser"))]
JudgedOn = Annotated[Compute, Spread("Compute", without=("precision", "backend", *OF_RUNS))]
DrawnOn = Annotated[Compute, Spread("Compute", without=("precision", "backend", "batch_size", *OF_RUNS))]

AnyLook = Annotated[Look, Spread("Figure")]

Seed = Annotated[int, "Of everything random; left out with chacha20."]
Rng = Annotated[
    Generator, "Generator of the noise; chacha20 is keyed by the operating system, the key kept with the run."
]
Alpha = Annotated[float, "Failure probability per input, fixed before sampling."]
Out = Annotated[Path, "Run folder; the same line again resumes in it."]
Folder = Annotated[Path, "Folder for what is written."]
Radii = Annotated[str, "START:STOP:STEP (both ends in) or a,b,c, in input units (L2)."]
ReportRadii = Annotated[str | None, "START:STOP:STEP (both ends in) or a,b,c, in input units (L2)."]
Data = Annotated[str, "Data set, folder:PATH or file.py:name; `noiseproof data list`."]
Root = Annotated[Path | None, "Where data sets lie (or NOISEPROOF_DATA)."]


@dataclass(frozen=True, kw_only=True)
class Before:
    """What is wanted before a run draws.

    Attributes:
        dry_run: Say what it will cost, and stop.
        commit: Write down in this file what the run will be, and stop: publish it, then draw.
        sign: Private key of OpenSSH (Ed25519) that signs the end of the run; `verify --trust`.
    """

    dry_run: bool = False
    commit: Path | None = None
    sign: Path | None = None


AskedBefore = Annotated[Before, Spread("Run")]


def asked_for(verb: str, about: str) -> Spread:
    """All of a run, with the procedures of a verb, that of its own name first."""
    named = {name: made for name, made in PROCEDURES.items() if made.verb == verb}
    procedures = Spread("Procedure", {verb: named.pop(verb)} | named, "procedure", PROCEDURES, {"verb": verb})
    return Spread(
        "Run",
        parts=(
            ("procedure", Annotated[Procedure, procedures, about]),
            ("noise", AnyNoise),
            ("subject", AnySubject),
            ("compute", AnyCompute),
        ),
    )


def numbers(name: str, text: str) -> list[float]:
    """Numbers separated by commas.

    Raises:
        ValueError: one is none.
    """
    return _separated(name, text, float, "numbers such as 1,1.5,2")


def integers(name: str, text: str) -> list[int]:
    """Whole numbers, likewise."""
    return _separated(name, text, int, "whole numbers separated by commas")


def _separated(name: str, text: str, kind: Callable[[str], _T], wanted: str) -> list[_T]:
    try:
        return [kind(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"{name} must be {wanted}, got {text!r}") from None

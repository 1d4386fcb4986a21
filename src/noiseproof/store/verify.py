"""Verification: replay the journal and hold every printed certificate against it."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from math import isclose
from pathlib import Path

from noiseproof.errors import RunError
from noiseproof.noises import noise_from
from noiseproof.procedures import procedure_from, replay
from noiseproof.store.journal import ChainError
from noiseproof.store.manifest import read_manifest
from noiseproof.store.run import JOURNAL, apply_lines
from noiseproof.store.state import State
from noiseproof.types import Certificate, Prediction, Record

TOLERANCE = 1e-9
"""Relative: another build of the special functions may differ in the last digits; a changed digit breaks the chain."""


class VerificationError(RunError):
    """A record of a run does not hold."""


@dataclass(frozen=True)
class Verification:
    """What was verified: all of it holds.

    Attributes:
        records: finished inputs whose certificate follows from their counts.
        draws: draws behind them.
        void: how many of those were void.
        unfinished: inputs under way.
    """

    records: int
    draws: int
    void: int
    unfinished: int


def verify(run: str | Path) -> Verification:
    """Replay a run: hash chain, ranges, statistics, printed certificates.

    Every line must continue the hash of the line before, from the meaning in the manifest on; ranges must tile
    what was asked for; the procedure, given the stored votes, must ask for just these draws and come to just
    the printed outcome.

    Args:
        run: a run folder of certify or predict.

    Raises:
        VerificationError: the first record that does not hold, and why.
        RunError: not a run folder.
    """
    path = Path(run)
    manifest = read_manifest(path)
    if "procedure" not in manifest.meaning:
        raise RunError(f"{path} is the run folder of noiseproof {manifest.kind}: it has nothing to verify")
    if not manifest.has_counts:
        raise RunError(
            f"{path} was imported without counts: its radii are as printed in its source, there is nothing to verify; "
            "noiseproof audit says what the source's rows allow to be said"
        )
    try:
        noise, procedure = noise_from(manifest.meaning["noise"]), procedure_from(manifest.meaning["procedure"])
        classes = manifest.meaning.get("model", {}).get("num_classes")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise VerificationError(f"{path}: its meaning is none this version knows ({error})") from None
    if not (path / JOURNAL).exists():
        raise VerificationError(f"{path} has no {JOURNAL}: nothing was drawn, or it was removed")
    state = State()
    try:
        for entry in apply_lines(path, manifest, state):
            if entry["is"] == "record":
                record = state.records[entry["key"]]
                try:
                    _check(record, replay(procedure, noise, record.answers), classes)
                except ValueError as error:
                    raise VerificationError(f"input {record.index} (key {record.key}) does not hold: {error}") from None
    except ChainError as error:
        raise VerificationError(str(error)) from None
    return Verification(
        records=len(state.records),
        draws=sum(record.draws for record in state.records.values()),
        void=sum(record.void for record in state.records.values()),
        unfinished=len(state.open),
    )


def _check(record: Record, outcome: Certificate | Prediction, classes: int | None) -> None:
    voted = len(record.answers[0].votes)
    if classes is not None and voted != classes:
        raise ValueError(f"it has votes for {voted} classes, but the model has {classes}")
    printed = record.outcome
    same_kind = type(printed) is type(outcome)
    if not same_kind or not all(
        isclose(a, b, rel_tol=TOLERANCE) if isinstance(a, float) and isinstance(b, float) else a == b
        for a, b in zip(astuple(printed), astuple(outcome), strict=True)
    ):
        raise ValueError(f"its counts give {outcome}, but {printed} is printed")

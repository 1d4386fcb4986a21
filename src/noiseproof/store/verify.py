"""Verification: replay the journal and hold every printed certificate against it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from noiseproof.errors import RunError
from noiseproof.noises import noise_from
from noiseproof.procedures import Procedure, check_under_way, procedure_from, replay
from noiseproof.stats.sequential import crossing
from noiseproof.store.folder import JOURNAL
from noiseproof.store.given import RunLike, path_of
from noiseproof.store.index import Held
from noiseproof.store.manifest import read_manifest, same_design
from noiseproof.store.run import MALFORMED, empty_state, same_outcome, taken_in
from noiseproof.tallies import tally_of
from noiseproof.types import Answers, Outcome, Record

if TYPE_CHECKING:
    from noiseproof.noises import Noise
    from noiseproof.store.manifest import Manifest
    from noiseproof.tallies import Tally


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
        skipped: how many of the finished ones could not be read, and are abstentions.
        arithmetic: of the noise, as the manifest states it.
    """

    records: int
    draws: int
    void: int
    unfinished: int
    arithmetic: str = ""
    skipped: int = 0


def verify(run: RunLike) -> Verification:
    """Replay a run: hash chain, ranges, statistics, printed certificates.

    Every line must continue the hash of the line before, from the meaning in the manifest on; ranges must tile
    what was asked for; the procedure, given the stored votes, must ask for just these draws and come to just
    the printed outcome. Draws of an unfinished input must be such that it can be resumed.

    Args:
        run: a run of certify, predict or decide.

    Raises:
        VerificationError: the first record that does not hold, and why.
        RunError: not a run folder.
    """
    path = path_of(run)
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
        _check_design(path, manifest, procedure, noise)
        tally = tally_of(manifest.meaning)
        _ = manifest.binding  # refuses word keys of an unknown form
    except MALFORMED as error:
        raise VerificationError(f"{path}: its meaning is none this version knows ({str(error)[:200]})") from None
    if tally != procedure.tally:
        raise VerificationError(f"{path}: its draws count {tally}, but its procedure asks for {procedure.tally}")
    if (said := manifest.meaning.get("arithmetic", noise.arithmetic)) != noise.arithmetic:
        raise VerificationError(f"{path}: its noise is {noise.arithmetic}, but its manifest calls it {said}")
    if not (path / JOURNAL).exists():
        raise VerificationError(f"{path} has no {JOURNAL}: nothing was drawn, or it was removed")
    state = replace(empty_state(path, manifest), keep=False)
    draws, void, skipped, own_draws = 0, 0, 0, "budget" not in manifest.meaning
    index = Held(path, manifest)
    try:
        for line, record in taken_in(path, manifest, state):
            index.check(state, line, record)
            if record is None:
                continue
            try:
                if record.skipped is None:
                    _check_slots(tally, record.answers[0].votes, classes)
                    _check_counts(record, procedure, noise, to_its_end=own_draws)
                else:
                    _check(record, procedure.nothing_known(noise))
            except MALFORMED as error:
                raise VerificationError(f"input {record.index} (key {record.key}) does not hold: {error}") from None
            draws, void = draws + record.draws, void + record.void
            skipped += record.skipped is not None
    except VerificationError:
        raise
    except RunError as error:
        raise VerificationError(str(error)) from None
    for key, stages in state.open.items():
        drawn = {stage: [(each.n, each.votes) for each in ranges] for stage, ranges in stages.items()}
        try:
            _check_slots(tally, next(iter(drawn.values()))[0][1], classes)
            check_under_way(procedure, noise, drawn)
        except MALFORMED as error:
            raise VerificationError(f"the unfinished input with key {key} does not hold: {error}") from None
    return Verification(
        records=len(state.records),
        draws=draws,
        void=void,
        unfinished=len(state.open),
        arithmetic=str(manifest.meaning.get("arithmetic", "")),
        skipped=skipped,
    )


def _check_design(path: Path, manifest: Manifest, procedure: Procedure, noise: Noise) -> None:
    """The stored boundaries are those of the procedure, and each test holds its level, by an exact recursion."""
    own = procedure.design(noise)
    if not same_design(manifest.design, own):
        raise VerificationError(f"{path}: the boundaries stored in its manifest are not those of its procedure")
    for test in own:
        if crossing(tuple(test["looks"]), tuple(test["accept"]), test["p0"]) > test["alpha"]:
            raise VerificationError(f"{path}: the test of p0 = {test['p0']} does not hold its level {test['alpha']:g}")


def _check_counts(record: Record, procedure: Procedure, noise: Noise, *, to_its_end: bool) -> None:
    assert isinstance(record.answers, Answers), "a state has them"
    said = procedure.recount(record.requests, record.answers.votes, noise, record.label)
    if said is None or not same_outcome(record.outcome, said):
        _check(record, replay(procedure, noise, record.answers, record.label, to_its_end=to_its_end))


def _check(record: Record, outcome: Outcome) -> None:
    if not same_outcome(record.outcome, outcome):
        raise ValueError(f"its counts give {outcome}, but {record.outcome} is printed")


def _check_slots(tally: Tally, votes: Sequence[int], classes: int | None) -> None:
    if classes is not None and len(votes) != tally.slots(classes):
        raise ValueError(f"it has {len(votes)} counts, but a model of {classes} classes has {tally.slots(classes)}")

"""Inputs of a run held against what its procedure makes of their votes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from noiseproof.errors import RunError
from noiseproof.noises import noise_from
from noiseproof.procedures import Procedure, check_under_way, procedure_from, replay
from noiseproof.stats.sequential import crossing
from noiseproof.store.manifest import same_design
from noiseproof.store.run import MALFORMED, same_outcome
from noiseproof.tallies import tally_of
from noiseproof.types import Answers, Outcome, Record

if TYPE_CHECKING:
    from noiseproof.noises import Noise
    from noiseproof.store.manifest import Manifest
    from noiseproof.store.state import State


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


class Recounted:
    """The inputs of a run, one after the other, against its procedure; counts what holds."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        """Those of a manifest, which is checked.

        Raises:
            VerificationError: its meaning, its boundaries or its arithmetic are not what they say.
        """
        try:
            self.noise = noise_from(manifest.meaning["noise"])
            self.procedure = procedure_from(manifest.meaning["procedure"])
            self.classes = manifest.meaning.get("model", {}).get("num_classes")
            _check_design(path, manifest, self.procedure, self.noise)
            self.tally = tally_of(manifest.meaning)
            _ = manifest.binding  # refuses word keys of an unknown form
        except MALFORMED as error:
            raise VerificationError(f"{path}: its meaning is none this version knows ({str(error)[:200]})") from None
        if self.tally != self.procedure.tally:
            raise VerificationError(
                f"{path}: its draws count {self.tally}, but its procedure asks for {self.procedure.tally}"
            )
        if (said := manifest.meaning.get("arithmetic", self.noise.arithmetic)) != self.noise.arithmetic:
            raise VerificationError(f"{path}: its noise is {self.noise.arithmetic}, but its manifest calls it {said}")
        self._arithmetic = str(manifest.meaning.get("arithmetic", ""))
        self._to_its_end = "budget" not in manifest.meaning
        self._records = self._draws = self._void = self._skipped = self._unfinished = 0

    @property
    def found(self) -> Verification:
        """What was verified so far."""
        return Verification(self._records, self._draws, self._void, self._unfinished, self._arithmetic, self._skipped)

    def check(self, record: Record) -> None:
        """Hold a finished input against its votes.

        Raises:
            VerificationError: its outcome does not follow from them.
        """
        try:
            if record.skipped is None:
                self._check_votes(record)
            else:
                _check(record, self.procedure.nothing_known(self.noise))
        except MALFORMED as error:
            raise VerificationError(f"input {record.index} (key {record.key}) does not hold: {error}") from None
        self._records, self._skipped = self._records + 1, self._skipped + (record.skipped is not None)
        self._draws, self._void = self._draws + record.draws, self._void + record.void

    def check_under_way(self, state: State) -> None:
        """Hold what is known of the inputs under way against what the procedure would have asked for.

        Raises:
            VerificationError: they could not be resumed.
        """
        for key, stages in state.open.items():
            drawn = {stage: [(each.n, each.votes) for each in ranges] for stage, ranges in stages.items()}
            try:
                self._check_slots(next(iter(drawn.values()))[0][1])
                check_under_way(self.procedure, self.noise, drawn)
            except MALFORMED as error:
                raise VerificationError(f"the unfinished input with key {key} does not hold: {error}") from None
        self._unfinished = len(state.open)

    def _check_votes(self, record: Record) -> None:
        answers = record.answers
        assert isinstance(answers, Answers), "a state has them"
        if votes := answers.votes:
            self._check_slots(votes[0])
        said = self.procedure.recount(answers.requests, votes, self.noise, record.label)
        if said is None or not same_outcome(record.outcome, said):
            ends = self._to_its_end
            _check(record, replay(self.procedure, self.noise, answers, record.label, to_its_end=ends))

    def _check_slots(self, votes: Sequence[int]) -> None:
        if self.classes is not None and len(votes) != (slots := self.tally.slots(self.classes)):
            raise ValueError(f"it has {len(votes)} counts, but a model of {self.classes} classes has {slots}")


def _check_design(path: Path, manifest: Manifest, procedure: Procedure, noise: Noise) -> None:
    """The stored boundaries are those of the procedure, and each test holds its level, by an exact recursion."""
    own = procedure.design(noise)
    if not same_design(manifest.design, own):
        raise VerificationError(f"{path}: the boundaries stored in its manifest are not those of its procedure")
    for test in own:
        if crossing(tuple(test["looks"]), tuple(test["accept"]), test["p0"]) > test["alpha"]:
            raise VerificationError(f"{path}: the test of p0 = {test['p0']} does not hold its level {test['alpha']:g}")


def _check(record: Record, outcome: Outcome) -> None:
    if not same_outcome(record.outcome, outcome):
        raise ValueError(f"its counts give {outcome}, but {record.outcome} is printed")

"""The votes of the finished inputs of a run: read from its journal once, when one of them is looked at."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from pathlib import Path

from noiseproof.errors import RunError
from noiseproof.store.folder import JOURNAL
from noiseproof.store.journal import read_journal
from noiseproof.store.lines import decoded
from noiseproof.store.manifest import Manifest
from noiseproof.store.state import State
from noiseproof.tallies import Tally, Votes


class StoredVotes:
    """Votes of finished inputs, by key, in columns: a slot and a count for each that is not 0."""

    def __init__(self, path: Path, manifest: Manifest, tally: Tally, slots: int | None) -> None:
        """Those of a run folder; nothing is read yet."""
        self._path, self._manifest = path, manifest
        self._tally, self._known_slots = tally, slots
        self._inputs: dict[str, tuple[int, int, int]] = {}  # of each its slots, its first answer and the next one's
        self._ends = array("q", [0])  # where the votes of each answer end
        self._slots, self._counts = array("i"), array("q")

    def of(self, key: str) -> Sequence[Votes]:
        """The votes of an input, a request at a time.

        Raises:
            RunError: the journal was changed since the input was found in it.
        """
        if key not in self._inputs:
            self._read()
        if key not in self._inputs:
            raise RunError(f"{self._path / JOURNAL} was changed while it was read; run the same line again")
        slots, first, last = self._inputs[key]
        ends, places, counts = self._ends, self._slots, self._counts
        return [
            Votes(slots, dict(zip(places[ends[i] : ends[i + 1]], counts[ends[i] : ends[i + 1]], strict=True)))
            for i in range(first, last)
        ]

    def _read(self) -> None:
        self._inputs, self._ends, self._slots, self._counts = {}, array("q", [0]), array("i"), array("q")
        state = State(tally=self._tally, slots=self._known_slots)
        for line in read_journal(self._path / JOURNAL, self._manifest.meaning_hash):
            record = state.apply(decoded(line.text))
            if record is None:
                continue
            del state.records[record.key]  # its votes go into the columns
            first = len(self._ends) - 1
            for answer in record.answers:
                votes = Votes.of(answer.votes)
                self._slots.extend(votes.counts)
                self._counts.extend(votes.counts.values())
                self._ends.append(len(self._slots))
            slots = len(record.answers[0].votes) if len(record.answers) else 0
            self._inputs[record.key] = slots, first, len(self._ends) - 1

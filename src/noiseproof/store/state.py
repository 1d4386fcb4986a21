"""What a journal says, line by line: sessions, ranges of draws, finished records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from noiseproof.errors import RunError
from noiseproof.store.lines import (
    Count,
    Entry,
    RangeLine,
    RecordLine,
    converted,
    malformed,
    outcome_line,
    outcome_of,
)
from noiseproof.store.whole import Selection
from noiseproof.tallies import CLASS_VOTES, Tally, Votes
from noiseproof.types import ABSTAIN, Answers, Outcome, Prediction, Record

ASKED = "asked"
"""Of a session line: which inputs it was asked for."""


class Range(msgspec.Struct, frozen=True, gc=False):
    """A range of draws of one stage of one input, with its votes: one a slot of the tally, as ``Votes`` or a tuple."""

    first: int
    n: int
    votes: Any
    seconds: float


class SealLine(msgspec.Struct):
    """See ``Selection``."""

    every: Count
    start: Count
    limit: Count | None
    of: Count


@dataclass
class State:
    """Everything the lines of a journal add up to.

    The same code reads a journal back and checks what is about to be written, so a line that could not be read
    is never written.

    Attributes:
        sessions: environment and settings of each start, in order.
        open: ranges of unfinished inputs: key -> stage -> ranges, which tile [0, n).
        drawn_in: the session (index) in which an unfinished input was begun.
        records: finished inputs by key, in the order they finished.
        seals: what each session that came to its end was asked for.
        sealed: whether a session came to its end after the last record.
        begun: what each session was asked for; None where its line does not say.
        tally: what the ranges count.
        slots: how many counts an input has; None where only the lines say it.
        keep: whether finished inputs are kept; else their keys alone.
        fetch: the votes of a finished input, by key, from the journal; without it they are kept.
    """

    sessions: list[dict[str, Any]] = field(default_factory=list)
    open: dict[str, dict[str, list[Range]]] = field(default_factory=dict)
    drawn_in: dict[str, int] = field(default_factory=dict)
    records: dict[str, Record] = field(default_factory=dict)
    seals: list[Selection] = field(default_factory=list)
    sealed: bool = False
    begun: list[Selection | None] = field(default_factory=list)
    _indices: set[int] = field(default_factory=set)
    tally: Tally = CLASS_VOTES
    slots: int | None = None
    keep: bool = True
    fetch: Callable[[str], Sequence[Votes]] | None = field(default=None, compare=False, repr=False)

    def apply(self, entry: Entry) -> Record | None:
        """Take one line in; returns the input that it finished, its votes at hand.

        Raises:
            RunError: it contradicts the lines before.
        """
        if isinstance(entry, dict):
            entry = converted(entry)
        if isinstance(entry, RangeLine):
            self._range(entry)
        elif isinstance(entry, RecordLine):
            return self._record(entry)
        else:
            self._other(entry)
        return None

    def add(self, record: Record) -> None:
        """Take a finished input in whole."""
        self.records[record.key] = record if self.keep else _FORGOTTEN
        self._indices.add(record.index)
        self.sealed = False

    def _other(self, entry: dict[str, Any]) -> None:
        try:
            match entry["is"]:
                case "session":
                    self.begun.append(_selection(entry[ASKED]) if ASKED in entry else None)
                    self.sessions.append({k: v for k, v in entry.items() if k not in ("is", ASKED)})
                case "restart":
                    self.open.pop(entry["key"], None)
                    self.drawn_in.pop(entry["key"], None)
                case "seal":
                    self.seals.append(_selection(entry))
                    self.sealed = True
                case other:
                    raise RunError(f"a line is a {str(other)[:40]!r}, which this version does not know")
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise malformed(entry.get("is", "nameless"), error) from None

    def _range(self, line: RangeLine) -> None:
        key, stage, n, votes = line.key, line.stage, line.n, self._votes(line)
        if key in self.records:
            raise RunError(f"input {key} is finished, but more of its draws follow")
        if n < 1 or not self.tally.holds(votes, n):
            raise RunError(f"{n} draws of input {key} cannot give the votes {list(votes)}")
        stages = self.open.get(key)
        before = stages.get(stage) if stages else None
        if stages:
            first = (before or next(iter(stages.values())))[0]  # the others have as many as the first
            if first.votes.slots != votes.slots:
                raise RunError(f"input {key} has votes for {first.votes.slots} and for {votes.slots} classes")
        expected = before[-1].first + before[-1].n if before else 0
        if line.first != expected:
            raise RunError(
                f"draws of {stage!r} of input {key} should go on at {expected}, but a range begins at {line.first}"
            )
        drawn = Range(line.first, n, votes, line.seconds)
        if before:
            before.append(drawn)
        elif stages:
            stages[stage] = [drawn]
        else:
            self.open[key], self.drawn_in[key] = {stage: [drawn]}, len(self.sessions) - 1

    def _votes(self, line: RangeLine) -> Votes:
        votes, slots = line.votes, self.slots
        if isinstance(votes, list):
            return Votes.of(votes)
        try:
            if slots is None:
                raise ValueError("votes by class, but the manifest does not say of how many")
            if 0 in votes.values():
                raise ValueError("a vote of 0 is not written")
            return Votes(slots, votes)
        except ValueError as error:
            raise malformed("range", error) from None

    def _record(self, line: RecordLine) -> Record:
        key = line.key
        if key in self.records:
            raise RunError(f"input {key} is finished twice")
        if line.index in self._indices:
            raise RunError(f"input {line.index} has two records")
        stages = self.open.get(key, {})
        votes = tuple(_answers(key, line.requests, stages))
        if line.skipped is not None and (votes or key != skipped_key(line.index)):
            raise RunError(f"input {key} is skipped, but has draws or another input's key")
        asked = line.requests
        draws = void = 0
        for each, (_, n) in zip(votes, asked, strict=True):
            draws, void = draws + n, void + self.tally.void(each, n)
        answers = Answers(asked, draws, void, lambda: votes)
        seconds = line.seconds + sum([drawn.seconds for ranges in stages.values() for drawn in ranges])
        outcome = outcome_of(line.outcome)
        record = Record(key, line.index, line.label, answers, outcome, seconds, line.skipped, self.tally, line.clean)
        if self.keep and self.fetch is not None:
            self.add(replace(record, answers=Answers(asked, draws, void, self.fetched(key))))
        else:
            self.add(record)
        self.open.pop(key, None)
        self.drawn_in.pop(key, None)
        return record

    def fetched(self, key: str) -> Callable[[], Sequence[Votes]]:
        """What fetches the votes of a finished input when they are looked at."""
        fetch = self.fetch
        assert fetch is not None, "a state of a folder"
        return lambda: fetch(key)


_FORGOTTEN = Record("", 0, None, (), Prediction(ABSTAIN, 1.0), 0.0)
"""What stands for a finished input of which the key alone is kept."""


def _selection(table: object) -> Selection:
    said = msgspec.convert(table, SealLine)
    every, start, limit, of = said.every, said.start, said.limit, said.of
    if not (every > 0 and start >= 0 and of and (limit is None or limit > 0)):
        raise RunError(f"a session cannot have been asked for every {every}-th of {of} inputs")
    return Selection(every, start, limit, of)


def range_line(key: str, stage: str, drawn: Range, *, dense: bool = False) -> RangeLine:
    """A range as a journal line; ``dense``: votes of 0 too."""
    votes = Votes.of(drawn.votes)
    return RangeLine(key, stage, drawn.first, drawn.n, list(votes) if dense else dict(votes.counts), drawn.seconds)


def skipped_key(index: int) -> str:
    """The key of an input whose picture could not be read: it has none of its own.

    >>> skipped_key(7)
    'skipped-7'
    """
    return f"skipped-{index}"


def record_line(
    key: str,
    index: int,
    label: int | None,
    requests: Sequence[tuple[str, int]],
    outcome: Outcome,
    seconds: float = 0.0,
    skipped: str | None = None,
    clean: int | None = None,
) -> RecordLine:
    """The closing line of an input: what was asked for, the outcome as printed, seconds no range accounts for.

    Of an input whose picture could not be read, ``skipped`` says why; ``clean`` is its class without noise.
    """
    return RecordLine(key, index, label, tuple(requests), outcome_line(outcome), seconds, skipped, clean)


def _answers(key: str, requests: Sequence[tuple[str, int]], stages: dict[str, list[Range]]) -> Iterator[Votes]:
    """The votes of the requests of an input, from the ranges that answer them; every draw used once."""
    left = {stage: iter(ranges) for stage, ranges in stages.items()}
    for stage, n in requests:
        got, votes = 0, None
        while got < n:
            drawn = next(left.get(stage, iter(())), None)
            if drawn is None:
                raise RunError(f"input {key} is closed, but {n - got} of {n} draws of {stage!r} are missing")
            got += drawn.n
            votes = drawn.votes if votes is None else votes + drawn.votes
        if got > n or votes is None:
            raise RunError(f"input {key}: a range of {stage!r} straddles the request of {n} draws")
        yield votes
    for stage, rest in left.items():
        if next(rest, None) is not None:
            raise RunError(f"input {key} is closed, but has more draws of {stage!r} than were asked for")

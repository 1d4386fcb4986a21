"""What a journal says, line by line: sessions, ranges of draws, finished records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from noiseproof.errors import RunError
from noiseproof.store.whole import Selection
from noiseproof.tallies import CLASS_VOTES, Tally
from noiseproof.types import Answer, Certificate, Decision, Outcome, Prediction, Record

_T = TypeVar("_T")
ASKED = "asked"
"""Of a session line: which inputs it was asked for."""

_OUTCOMES = {"certificate": Certificate, "prediction": Prediction, "decision": Decision}


@dataclass(frozen=True)
class Range:
    """A range of draws of one stage of one input, with its votes."""

    first: int
    n: int
    votes: tuple[int, ...]
    seconds: float


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

    def apply(self, entry: dict[str, Any]) -> None:
        """Take one line in.

        Raises:
            RunError: it contradicts the lines before.
        """
        try:
            match entry["is"]:
                case "session":
                    self.begun.append(_selection(entry[ASKED]) if ASKED in entry else None)
                    self.sessions.append({k: v for k, v in entry.items() if k not in ("is", ASKED)})
                case "range":
                    self._range(entry)
                case "restart":
                    self.open.pop(entry["key"], None)
                    self.drawn_in.pop(entry["key"], None)
                case "record":
                    self._record(entry)
                case "seal":
                    self._seal(entry)
                case other:
                    raise RunError(f"a line is a {str(other)[:40]!r}, which this version does not know")
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise RunError(
                f"a {str(entry.get('is', 'nameless'))[:40]!r} line is malformed ({repr(error)[:200]})"
            ) from None

    def _range(self, entry: dict[str, Any]) -> None:
        key, stage = _is(str, entry["key"]), _is(str, entry["stage"])
        votes = tuple(_count(vote) for vote in _is(list, entry["votes"]))
        drawn = Range(_count(entry["first"]), _count(entry["n"]), votes, _number(entry["seconds"]))
        if key in self.records:
            raise RunError(f"input {key} is finished, but more of its draws follow")
        if drawn.n < 1 or not self.tally.holds(drawn.votes, drawn.n):
            raise RunError(f"{drawn.n} draws of input {key} cannot give the votes {list(drawn.votes)}")
        stages = self.open.get(key, {})
        for other in (ranges[0] for ranges in stages.values()):
            if len(other.votes) != len(drawn.votes):
                raise RunError(f"input {key} has votes for {len(other.votes)} and for {len(drawn.votes)} classes")
        before = stages.get(stage)
        expected = before[-1].first + before[-1].n if before else 0
        if drawn.first != expected:
            raise RunError(
                f"draws of {stage!r} of input {key} should go on at {expected}, but a range begins at {drawn.first}"
            )
        self.open.setdefault(key, {}).setdefault(stage, []).append(drawn)
        self.drawn_in.setdefault(key, len(self.sessions) - 1)

    def _record(self, entry: dict[str, Any]) -> None:
        key = _is(str, entry["key"])
        if key in self.records:
            raise RunError(f"input {key} is finished twice")
        if (index := _count(entry["index"])) in self._indices:
            raise RunError(f"input {index} has two records")
        stages = self.open.get(key, {})
        answers = tuple(_answers(key, entry["requests"], stages))
        outcome = _is(dict, entry["outcome"]) | {}
        skipped = None if "skipped" not in entry else _is(str, entry["skipped"])
        if skipped is not None and (answers or key != skipped_key(_count(entry["index"]))):
            raise RunError(f"input {key} is skipped, but has draws or another input's key")
        self.records[key] = Record(
            key=key,
            index=_count(entry["index"]),
            label=None if entry["label"] is None else _count(entry["label"]),
            answers=answers,
            outcome=_outcome(outcome),
            seconds=_number(entry.get("seconds", 0.0))
            + sum(drawn.seconds for ranges in stages.values() for drawn in ranges),
            skipped=skipped,
            tally=self.tally,
            clean=None if (clean := entry.get("clean")) is None else _count(clean),
        )
        self.open.pop(key, None)
        self.drawn_in.pop(key, None)
        self._indices.add(index)
        self.sealed = False

    def _seal(self, entry: dict[str, Any]) -> None:
        self.seals.append(_selection(entry))
        self.sealed = True


def _selection(table: dict[str, Any]) -> Selection:
    every, start, limit, of = (
        None if name == "limit" and table[name] is None else _count(table[name])
        for name in ("every", "start", "limit", "of")
    )
    if not (every and every > 0 and start is not None and start >= 0 and of and (limit is None or limit > 0)):
        raise RunError(f"a session cannot have been asked for every {every}-th of {of} inputs")
    return Selection(every, start, limit, of)


def _outcome(table: dict[str, Any]) -> Outcome:
    made: type[Outcome] = _OUTCOMES[_is(str, table.pop("type"))]
    for name, value in table.items():
        if name in ("answer", "norm"):
            _is(str, value)
        elif name == "prediction":
            _count(value)
        else:
            _number(value)
    return made(**table)


def _is(kind: type[_T], value: object) -> _T:
    if not isinstance(value, kind):
        raise TypeError(f"{str(value)[:40]!r} is no {kind.__name__}")
    return value


def _count(value: object) -> int:
    """An integer as a journal has them: no text, no fraction, no truth value, and room for it in 64 bits."""
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 1 << 63:
        raise TypeError(f"{str(value)[:40]!r} is no count")
    return value


def _number(value: object) -> float:
    if isinstance(value, float):
        return value  # whether it may be infinite or none is for verify to say
    return _count(value)


def range_entry(key: str, stage: str, drawn: Range) -> dict[str, Any]:
    """A range as a journal line."""
    return {
        "is": "range",
        "key": key,
        "stage": stage,
        "first": drawn.first,
        "n": drawn.n,
        "votes": list(drawn.votes),
        "seconds": drawn.seconds,
    }


def skipped_key(index: int) -> str:
    """The key of an input whose picture could not be read: it has none of its own.

    >>> skipped_key(7)
    'skipped-7'
    """
    return f"skipped-{index}"


def record_entry(
    key: str,
    index: int,
    label: int | None,
    requests: list[tuple[str, int]],
    outcome: Outcome,
    seconds: float | None = None,
    skipped: str | None = None,
    clean: int | None = None,
) -> dict[str, Any]:
    """The closing line of an input: what was asked for, the outcome as printed, seconds no range accounts for.

    Of an input whose picture could not be read, ``skipped`` says why; ``clean`` is its class without noise.
    """
    entry = {
        "is": "record",
        "key": key,
        "index": index,
        "label": label,
        "requests": [list(request) for request in requests],
        "outcome": {"type": type(outcome).__name__.lower()} | asdict(outcome),
    }
    more = {"seconds": seconds, "skipped": skipped, "clean": clean}
    return entry | {name: value for name, value in more.items() if value is not None}


def _answers(key: str, requests: list[list[Any]], stages: dict[str, list[Range]]) -> Iterator[Answer]:
    """The ranges of an input put together to the requests they answer; every draw used once."""
    left = {stage: iter(ranges) for stage, ranges in stages.items()}
    for stage, n in _is(list, requests):
        _count(n)
        got, votes = 0, None
        while got < n:
            drawn = next(left.get(stage, iter(())), None)
            if drawn is None:
                raise RunError(f"input {key} is closed, but {n - got} of {n} draws of {stage!r} are missing")
            got += drawn.n
            votes = drawn.votes if votes is None else tuple(map(sum, zip(votes, drawn.votes, strict=True)))
        if got > n or votes is None:
            raise RunError(f"input {key}: a range of {stage!r} straddles the request of {n} draws")
        yield Answer(stage, n, votes)
    for stage, rest in left.items():
        if next(rest, None) is not None:
            raise RunError(f"input {key} is closed, but has more draws of {stage!r} than were asked for")

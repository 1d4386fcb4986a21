"""Whether a run is whole: the inputs that it was asked for against those that are there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from noiseproof.store.state import State

_LONG = 19
"""Digits that no count has."""


@dataclass(frozen=True)
class Selection:
    """Inputs of a data set that a session was asked for.

    Attributes:
        every: each so-manyth ...
        start: ... from this index on ...
        limit: ... and at most so many; None for all.
        of: inputs the data set has.

    >>> list(Selection(every=2, start=1, limit=3, of=10).indices)
    [1, 3, 5]
    """

    every: int
    start: int
    limit: int | None
    of: int

    @property
    def indices(self) -> range:
        """In order."""
        whole = range(self.start, self.of, self.every)
        return whole if self.limit is None else whole[: self.limit]


@dataclass(frozen=True)
class Whole:
    """What a run's seals say of it.

    Attributes:
        asked: inputs that were asked for, in all sessions that came to their end.
        missing: indices of those that have no record.
        beyond: indices of records that no sealed session asked for.
        out_of_turn: indices of records that count as a later of equal pictures than those that are there.
        selections: the different ones, in the order of the sessions.
        sealed: whether a session came to its end after the last record.
        unfinished: of a run that no session has sealed, how far it is, where that is known: "1 of 40 inputs".
    """

    asked: int
    missing: tuple[int, ...]
    beyond: tuple[int, ...]
    out_of_turn: tuple[int, ...]
    selections: tuple[Selection, ...]
    sealed: bool
    unfinished: str = ""

    @property
    def text(self) -> str:
        """In a clause; empty where a run is sealed, whole and of one selection."""
        said = []
        if not self.sealed:
            said.append(
                f"unfinished, {self.unfinished}: it is under way, or was cut off"
                if self.unfinished
                else "not sealed: it is under way, was cut off, or was made before runs were sealed"
            )
        if self.missing:
            there = self.asked - len(self.missing)
            said.append(f"{there:,} of {self.asked:,} inputs asked for are there (missing: {_first(self.missing)})")
        if self.sealed and self.beyond:
            said.append(f"{len(self.beyond):,} inputs that no finished session asked for ({_first(self.beyond)})")
        if self.out_of_turn:
            said.append(
                f"{len(self.out_of_turn):,} inputs drawn as a later one of equal pictures, on noise that may have been "
                f"chosen, while the earlier ones are not there ({_first(self.out_of_turn)})"
            )
        if len(self.selections) > 1:
            said.append(f"inputs of {len(self.selections)} selections, which are not one sample of the data")
        return "; ".join(said)


def wholeness(state: State) -> Whole:
    """Hold the records of a run against the selections its seals name."""
    selections = tuple(dict.fromkeys(state.seals))
    asked = {index for selection in selections for index in selection.indices}
    there = {record.index for record in state.records.values()}
    missing, beyond = tuple(sorted(asked - there)), tuple(sorted(there - asked))
    unfinished = ""
    if not state.sealed and state.begun and None not in state.begun:
        wanted = {index for selection in state.begun if selection for index in selection.indices}
        unfinished = f"{len(there & wanted):,} of {len(wanted):,} inputs"
    return Whole(len(asked), missing, beyond, _out_of_turn(state), _not_within(selections), state.sealed, unfinished)


def _out_of_turn(state: State) -> tuple[int, ...]:
    """Equal pictures count up from 0: a number whose predecessor is not there is a choice among noises."""
    found = []
    for key, record in state.records.items():
        picture, hyphen, number = key.rpartition("-")
        if not hyphen or record.skipped is not None or number == "0":
            continue
        plain = number.isascii() and number.isdecimal() and number[0] != "0" and len(number) < _LONG
        before = f"{picture}-{int(number) - 1}" if plain else ""
        if before not in state.records and before not in state.open:
            found.append(record.index)
    return tuple(sorted(found))


def seal_entry(selection: Selection) -> dict[str, Any]:
    """The line that ends a session: which inputs it was asked for, of how many."""
    return {"is": "seal", **asdict(selection)}


def _not_within(selections: tuple[Selection, ...]) -> tuple[Selection, ...]:
    """Those that are no part of another: a run that was extended along one selection is of one."""
    return tuple(
        one
        for one in selections
        if not any(other != one and set(one.indices) <= set(other.indices) for other in selections)
    )


def _first(indices: Iterable[int]) -> str:
    some = list(indices)
    return ", ".join(map(str, some[:5])) + (f" and {len(some) - 5:,} more" if len(some) > 5 else "")

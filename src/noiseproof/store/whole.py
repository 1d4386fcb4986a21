"""Whether a run is whole: the inputs that it was asked for against those that are there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from noiseproof.store.state import State


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
        selections: the different ones, in the order of the sessions.
        sealed: whether a session came to its end after the last record.
    """

    asked: int
    missing: tuple[int, ...]
    beyond: tuple[int, ...]
    selections: tuple[Selection, ...]
    sealed: bool

    @property
    def text(self) -> str:
        """In a clause; empty where a run is sealed, whole and of one selection."""
        unsealed = (
            "" if self.sealed else "not sealed: it is under way, was cut off, or was made before runs were sealed"
        )
        return "; ".join(filter(None, ("" if self.sealed else unsealed, self.gaps)))

    @property
    def gaps(self) -> str:
        """Likewise, but silent about a run that no session has sealed."""
        said = []
        if self.missing:
            there = self.asked - len(self.missing)
            said.append(f"{there:,} of {self.asked:,} inputs asked for are there (missing: {_first(self.missing)})")
        if self.sealed and self.beyond:
            said.append(f"{len(self.beyond):,} inputs that no finished session asked for ({_first(self.beyond)})")
        if len(self.selections) > 1:
            said.append(f"inputs of {len(self.selections)} selections, which are not one sample of the data")
        return "; ".join(said)


def wholeness(state: State) -> Whole:
    """Hold the records of a run against the selections its seals name."""
    selections = tuple(dict.fromkeys(state.seals))
    asked = {index for selection in selections for index in selection.indices}
    there = {record.index for record in state.records.values()}
    return Whole(
        len(asked), tuple(sorted(asked - there)), tuple(sorted(there - asked)), _not_within(selections), state.sealed
    )


def seal_entry(selection: Selection) -> dict[str, Any]:
    """The line that ends a session: which inputs it was asked for, of how many."""
    return {
        "is": "seal",
        "every": selection.every,
        "start": selection.start,
        "limit": selection.limit,
        "of": selection.of,
    }


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

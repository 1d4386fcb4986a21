"""The counts of an input as they are kept: of a thousand classes the handful that have any."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Votes(Sequence[int]):
    """Counts of a tally, one a slot, of which those above 0 alone take room. It reads like the tuple of all of them.

    >>> votes = Votes(5, {1: 3, 4: 2})
    >>> list(votes), len(votes), sum(votes), votes == (0, 3, 0, 0, 2)
    ([0, 3, 0, 0, 2], 5, 5, True)

    Attributes:
        slots: how many counts there are.
        counts: slot -> count, of those that are not 0.
    """

    __slots__ = ("counts", "slots")

    def __init__(self, slots: int, counts: Mapping[int, int]) -> None:
        """Counts of so many slots; those not named are 0.

        Raises:
            ValueError: a slot that is none.
        """
        self.slots = slots
        self.counts = counts
        if counts and not (min(counts) >= 0 and max(counts) < slots):
            raise ValueError(f"votes must be for the slots 0..{slots - 1}, got some for {min(counts)}..{max(counts)}")

    @classmethod
    def of(cls, dense: NDArray[np.int64] | Sequence[int]) -> Votes:
        """Those of a vector with an entry a slot."""
        if isinstance(dense, Votes):
            return dense
        if isinstance(dense, Sequence):
            return cls(len(dense), {slot: count for slot, count in enumerate(dense) if count})
        slots = dense.nonzero()[0]
        return cls(len(dense), dict(zip(slots.tolist(), dense[slots].tolist(), strict=True)))

    @classmethod
    def sum(cls, several: Sequence[Votes]) -> Votes:
        """The counts of several together, one at least, of the same slots.

        >>> Votes.sum([Votes(5, {1: 3}), Votes(5, {1: 1, 4: 2})])
        (0, 4, 0, 0, 2)
        """
        together = dict(several[0].counts)
        for votes in several[1:]:
            for slot, count in votes.counts.items():
                together[slot] = together.get(slot, 0) + count
        return cls(several[0].slots, together)

    def argmax(self) -> int:
        """The first slot of those with the largest count."""
        most = max(self.counts.values(), default=0)
        if most <= 0:  # those that are not named may be the largest
            return int(self.array().argmax())
        return min([slot for slot, count in self.counts.items() if count == most])

    @property
    def total(self) -> int:
        """Their sum."""
        return sum(self.counts.values())

    def array(self) -> NDArray[np.int64]:
        """All of them: int64 ``[slots]``, a copy."""
        import numpy as np  # whoever lists tallies needs none

        dense = np.zeros(self.slots, dtype=np.int64)
        for slot, count in self.counts.items():
            dense[slot] = count
        return dense

    def __array__(self, dtype: object = None, copy: bool | None = None) -> NDArray[np.int64]:
        return self.array()

    def __add__(self, other: Votes) -> Votes:
        """The counts of both together."""
        if self.slots != other.slots:
            raise ValueError(f"votes of {self.slots} and of {other.slots} slots do not add")
        more = self.counts.get
        return Votes(self.slots, {**self.counts, **{slot: n + more(slot, 0) for slot, n in other.counts.items()}})

    def __len__(self) -> int:
        return self.slots

    def __iter__(self) -> Iterator[int]:
        dense = [0] * self.slots
        for slot, count in self.counts.items():
            dense[slot] = count
        return iter(dense)

    @overload
    def __getitem__(self, at: int) -> int: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[int, ...]: ...
    def __getitem__(self, at: int | slice) -> int | tuple[int, ...]:
        if isinstance(at, slice):
            return tuple(self)[at]
        return self.counts.get(range(self.slots)[at], 0)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Votes):
            return self.slots == other.slots and self.counts == other.counts
        return isinstance(other, Sequence) and len(other) == self.slots and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))

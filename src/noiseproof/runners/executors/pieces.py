"""What a crew hands over, to whom, and what it owes the engine for it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from noiseproof.errors import ModelError

if TYPE_CHECKING:
    from noiseproof.engine import Segment
    from noiseproof.runners.executors.fleet import Hello
    from noiseproof.tallies import Tally
    from noiseproof.types import Counts


@dataclass(eq=False)
class Actor:
    """One of a crew."""

    handle: Hashable
    hello: Hello | None = None
    draws: bool = False
    aside: bool = False  # it holds its place, so that no other is started there, and draws nothing
    gone: bool = False
    failed: int = 0  # in a row
    calls: list[Hashable] = field(default_factory=list)  # in the order in which it takes them

    @property
    def node(self) -> str:
        """Its machine."""
        return self.hello.node if self.hello else "a machine"


@dataclass(eq=False)
class Handful:
    """What an actor is handed at once: some of the segments of a batch."""

    batch: CrewBatch
    places: list[int]
    tries: list[tuple[Actor, str]] = field(default_factory=list)
    since: float = 0.0
    calls: set[Hashable] = field(default_factory=set)
    done: bool = False
    counts: Counts | None = None
    clean_of: dict[Hashable, list[str]] = field(default_factory=dict)  # keys whose class a call was asked for, too
    drawn_on: str = ""

    @property
    def failed_with(self) -> set[Actor]:
        """Who is still there of those that failed with it."""
        return {actor for actor, _ in self.tries if not actor.gone}

    @property
    def segments(self) -> list[Segment]:
        """What is drawn."""
        return [self.batch.segments[place] for place in self.places]

    @property
    def rows(self) -> int:
        """How many draws that are."""
        return sum(segment.n for segment in self.segments)

    def compared(self, counts: Counts, node: str) -> bool:
        """Hold counts that came a second time against the first: a test of determinism that costs nothing.

        Returns:
            Whether there were any to compare.

        Raises:
            ModelError: they differ.
        """
        if self.counts is None:
            return False
        if not np.array_equal(self.counts, counts):
            first = self.segments[0]
            raise ModelError(
                f"the same draws (input key {first.words.key}, {first.words.stage!r}, from {first.first} on) voted "
                f"differently on {self.drawn_on} and on {node}, so which is right cannot be told: the base "
                "classifier is no function of each row, or a machine is broken; see noiseproof doctor"
            )
        return True


class CrewBatch:
    """A batch of the engine under way."""

    def __init__(self, wait: Callable[[CrewBatch], None], segments: list[Segment], tally: Tally) -> None:
        """One that ``wait`` waits for."""
        self.segments, self.tally = segments, tally
        self.counts: list[Counts | None] = [None] * len(segments)
        self.left = len(segments)
        self._wait = wait

    def result(self) -> Counts:
        """Wait for it; a segment that is left out has counts of -1.

        Raises:
            ModelError: actors contradict each other, or too much is left out.
        """
        self._wait(self)
        return np.stack([each for each in self.counts if each is not None])

    def take(self, places: list[int], counts: Counts) -> None:
        """Take counts of some of its segments."""
        for place, votes in zip(places, counts, strict=True):
            self.counts[place] = votes
        self.left -= len(places)

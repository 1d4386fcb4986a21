"""Draws for inputs that come one by one, each with noise of its own, in batches that they share."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from noiseproof.engine.lane import Drawn, Finished, Lane
from noiseproof.tallies import CLASS_VOTES

if TYPE_CHECKING:
    from noiseproof.engine.backend import Backend, Pending, Segment
    from noiseproof.engine.engine import Engine
    from noiseproof.engine.lane import Task
    from noiseproof.procedures import Procedure

    Told = Callable[[Drawn | Finished | Exception], None]

KEEP_EVERY = 0.1
"""Seconds after which votes that came in are told of: somebody looks at them."""


@dataclass(eq=False)
class Awaited:
    """An input that is being served.

    Attributes:
        lane: what is asked about it.
        told: is called with what happens to it, in the thread that draws: it must not wait.
        left: whether nobody waits for it any more.
    """

    lane: Lane
    told: Told
    left: bool = False

    def leave(self) -> None:
        """Draw no more for it; what is under way comes to nothing."""
        self.left = True


class SharedDraws:
    """A thread that draws for whoever comes; ``with`` starts and ends it.

    Each batch is divided evenly among those who wait, so a request of 100,000 draws does not hold up one of 100. Counts
    are those that an engine alone would give: a draw is a function of its own words.
    """

    def __init__(self, backend: Backend) -> None:
        """Draws by this backend, which is closed elsewhere."""
        self._backend = backend
        self._new: list[Awaited] = []
        self._ended = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._serve, name="noiseproof-shared", daemon=True)
        self._clock = 0.0

    def __enter__(self) -> SharedDraws:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Draw no more for anybody."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join()

    def add(self, engine: Engine, procedure: Procedure, task: Task, told: Told) -> Awaited:
        """Serve an input from now on.

        Args:
            engine: whose words are drawn; of the same backend.
            procedure: what is asked; one that counts class votes.
            task: the input.
            told: see ``Awaited``. It hears of ranges in their order and of the end, or of an error, which is the end.

        Raises:
            ValueError: the procedure cannot succeed with this noise.
        """
        assert procedure.tally == CLASS_VOTES, "a batch is counted by one tally"
        wanted = Awaited(engine.lane(procedure, task, keep_every=KEEP_EVERY), told)
        with self._changed:
            self._new.append(wanted)
            self._changed.notify()
        return wanted

    def _serve(self) -> None:
        served: list[Awaited] = []
        under_way: deque[tuple[list[tuple[Awaited, int]], Pending]] = deque()
        self._clock = time.monotonic()
        while True:
            with self._changed:
                while not (self._new or served or under_way or self._ended):
                    self._changed.wait()
                    self._clock = time.monotonic()
                served, self._new = [*served, *self._new], []
                ended = self._ended
            served = [each for each in served if not (each.left or each.lane.done) and not ended]
            unissued = sum(each.lane.unissued for each in served)
            full = unissued >= self._backend.batch_size
            # as in the engine: what is under way may ask for more, and a batch that is not full waits for it
            if len(under_way) < self._backend.depth and unissued and (full or not under_way):
                served = [*served[1:], *served[:1]]  # nobody comes first always
                parts = self._pack(served)
                pending = self._backend.submit([segment for _, segment in parts], CLASS_VOTES)
                under_way.append(([(each, segment.n) for each, segment in parts], pending))
            elif under_way:
                self._receive(*under_way.popleft())
            elif ended:
                return

    def _pack(self, served: Sequence[Awaited]) -> list[tuple[Awaited, Segment]]:
        asking = [each for each in served if each.lane.unissued][: self._backend.most_segments]
        shares = even_shares([each.lane.unissued for each in asking], self._backend.batch_size)
        return [(each, each.lane.issue(n)) for each, n in zip(asking, shares, strict=True) if n]

    def _receive(self, parts: list[tuple[Awaited, int]], pending: Pending) -> None:
        try:
            counts = pending.result()
        except Exception as error:  # noqa: BLE001  # of a model; those of other batches go on
            for wanted, _ in parts:
                if not wanted.lane.done:  # a batch behind it may fail too
                    wanted.lane.done = True
                    wanted.told(error)
            return
        now = time.monotonic()
        each, self._clock = max(0.0, now - self._clock) / sum(n for _, n in parts), now
        for (wanted, n), votes in zip(parts, counts, strict=True):
            if wanted.left:
                continue
            wanted.lane.receive(n, votes, each * n)
            for event in wanted.lane.events():
                wanted.told(event)


def even_shares(wanted: Sequence[int], rows: int) -> list[int]:
    """Rows for each of those who want some: alike, but nobody gets more than is wanted; the first have what is odd.

    >>> even_shares([900, 10, 900], 128), even_shares([5, 5], 128), even_shares([9, 9, 9], 2)
    ([60, 10, 58], [5, 5], [1, 1, 0])
    """
    shares = [0] * len(wanted)
    open_ones = [i for i, n in enumerate(wanted) if n]
    while rows and open_ones:
        each, odd = divmod(rows, len(open_ones))
        for place, i in enumerate(open_ones):
            given = min(wanted[i] - shares[i], each + (place < odd))
            shares[i] += given
            rows -= given
        open_ones = [i for i in open_ones if shares[i] < wanted[i]]
    return shares

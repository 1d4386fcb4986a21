"""Who is drawn for, who waits, and who is told to come again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import ceil
from time import monotonic

import anyio

from noiseproof.service.refused import RefusedError

_REMEMBERED = 16
"""Requests after which it is mostly forgotten how long one took."""


class Places:
    """So many at once, so many who wait, in the order in which they came."""

    def __init__(self, at_once: int, waiting: int) -> None:
        """All places are free."""
        self.at_once, self.most_waiting = at_once, waiting
        self.under_way = self.waiting = 0
        self._seconds = 1.0  # that a place is held, about
        self._free = anyio.Semaphore(at_once)

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        """A place for what happens inside, as soon as there is one.

        Raises:
            RefusedError: too many wait already; it says when they will have been served, about.
        """
        if self.waiting + self.under_way >= self.at_once + self.most_waiting:
            after = min(60, max(1, ceil(self._seconds * (self.waiting + self.under_way) / self.at_once)))
            raise RefusedError(
                429,
                f"as many requests are under way ({self.under_way}) or wait ({self.waiting}) as may",
                f"come again in {after} s",
                retry_after=after,
            )
        self.waiting += 1
        try:
            await self._free.acquire()
        finally:
            self.waiting -= 1
        self.under_way += 1
        began = monotonic()
        try:
            yield
        finally:
            self._seconds += (monotonic() - began - self._seconds) / _REMEMBERED
            self.under_way -= 1
            self._free.release()

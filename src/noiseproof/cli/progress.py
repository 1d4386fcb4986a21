"""Progress on stderr: a bar on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from math import floor, inf
from types import TracebackType
from typing import Self

from noiseproof.progress import Progress, duration

_EVERY = 5.0  # seconds between lines where there is no terminal


class ProgressBar:
    """Shows how far something is, with rate and time left."""

    def __init__(self, title: str) -> None:
        """A bar with a title; nothing is shown before something is told."""
        self.told: Progress | None = None
        """The last that was told."""
        self._title = title
        self._terminal = sys.stderr.isatty()
        self._last = time.monotonic()
        self._shown = ""
        if self._terminal:
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn
            from rich.progress import Progress as Bar

            self._bar = Bar(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[count]}"),
                TextColumn("{task.fields[note]}"),
                console=Console(stderr=True),
            )
            self._task = self._bar.add_task(title, total=None, count="", note="")

    def show(self, progress: Progress) -> None:
        """Show how far it is; what a long call may be given as its ``progress``."""
        self.told = progress
        left = "" if progress.seconds_left == inf else f"{duration(progress.seconds_left)} left"
        note = ", ".join(filter(None, (progress.note, left)))
        count = f"{_count(progress.done)} of {progress.total:,.0f} {progress.unit}"
        if self._terminal:
            self._bar.update(self._task, completed=progress.done, total=progress.total, count=count, note=note)
            return
        text = ", ".join(filter(None, (f"{self._title}: {count}", note)))
        now = time.monotonic()
        if now - self._last >= _EVERY and text != self._shown:
            print(text, file=sys.stderr, flush=True)
            self._last, self._shown = now, text

    def __enter__(self) -> Self:
        if self._terminal:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._terminal:
            self._bar.stop()


def _count(done: float) -> str:
    """So many units; of a part of one a digit, never more than is done.

    >>> _count(1234), _count(2.99), _count(3.0)
    ('1,234', '2.9', '3')
    """
    return f"{done:,.0f}" if done == int(done) else f"{floor(done * 10) / 10:,.1f}"

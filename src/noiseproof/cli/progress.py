"""Progress on stderr: a bar on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

_EVERY = 5.0  # seconds between lines where there is no terminal


class ProgressBar:
    """Shows how far something is, with rate and time left."""

    def __init__(self, title: str, unit: str) -> None:
        """A bar with a title that counts units; nothing is shown before the first update."""
        self._title, self._unit = title, unit
        self._terminal = sys.stderr.isatty()
        self._last = time.monotonic()
        self._shown = ""
        if self._terminal:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn(unit),
                TextColumn("{task.fields[note]}"),
                console=Console(stderr=True),
            )
            self._task = self._bar.add_task(title, total=None, note="")

    def update(self, done: float, total: float, *, note: str = "", seconds_left: float | None = None) -> None:
        """Show that ``done`` of ``total`` is done."""
        if seconds_left is not None and seconds_left != float("inf"):
            note = f"{note}, {duration(seconds_left)} left" if note else f"{duration(seconds_left)} left"
        if self._terminal:
            self._bar.update(self._task, completed=done, total=total, note=note)
            return
        text = f"{self._title}: {done:,.0f} of {total:,.0f} {self._unit}" + (f", {note}" if note else "")
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


def duration(seconds: float) -> str:
    """Seconds as people say them.

    >>> duration(4.2), duration(75), duration(8000)
    ('4 s', '1 min 15 s', '2 h 13 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"

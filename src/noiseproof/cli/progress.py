"""Progress on stderr: a bar on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from math import inf
from types import TracebackType
from typing import Self

from noiseproof.progress import Progress, duration

_EVERY = 5.0  # seconds between lines where there is no terminal


class ProgressBar:
    """Shows how far something is, with rate and time left."""

    def __init__(self, title: str) -> None:
        """A bar with a title; nothing is shown before something is told."""
        self._title = title
        self._terminal = sys.stderr.isatty()
        self._last = time.monotonic()
        self._shown = ""
        if self._terminal:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
            from rich.progress import Progress as Bar

            self._bar = Bar(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[unit]}"),
                TextColumn("{task.fields[note]}"),
                console=Console(stderr=True),
            )
            self._task = self._bar.add_task(title, total=None, unit="", note="")

    def show(self, progress: Progress) -> None:
        """Show how far it is; what a long call may be given as its ``progress``."""
        left = "" if progress.seconds_left == inf else f"{duration(progress.seconds_left)} left"
        note = ", ".join(filter(None, (progress.note, left)))
        done, total, unit = int(progress.done), progress.total, progress.unit
        if self._terminal:
            self._bar.update(self._task, completed=progress.done, total=total, unit=unit, note=note)
            return
        text = ", ".join(filter(None, (f"{self._title}: {done:,} of {total:,.0f} {unit}", note)))
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

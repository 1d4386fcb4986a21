"""How far something is: what every long call tells its ``progress``, and a bar that shows it."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from html import escape
from math import floor, inf
from types import TracebackType
from typing import Any, Self

_EVERY = 5.0
"""Seconds between lines where there is neither a terminal nor a notebook."""

UNFINISHED = 75
"""The exit status of a run that a signal ended before its end: EX_TEMPFAIL of sysexits.h, try again later."""


@dataclass(frozen=True)
class Progress:
    """A moment of a long call.

    Attributes:
        done: units done, those of earlier starts included; a part of one counts as a fraction.
        total: units wanted.
        unit: what is counted, in the plural.
        note: what else is to be said, such as "3 broken"; empty where nothing is.
        seconds_left: at the speed so far; infinite where it is not known.
    """

    done: float
    total: float
    unit: str
    note: str = ""
    seconds_left: float = inf


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


class ProgressBar:
    """Shows how far something is, with rate and time left: in a terminal, in a notebook, else a line now and then.

    >>> with ProgressBar("certify") as bar:  # noiseproof.run(..., progress=bar.show)
    ...     bar.show(Progress(3, 9, "inputs"))
    """

    def __init__(self, title: str) -> None:
        """A bar with a title; nothing is shown before something is told."""
        self.told: Progress | None = None
        """The last that was told."""
        self._title = title
        self._terminal = sys.stderr.isatty()
        self._notebook = _in_notebook()
        self._cell: Any = None
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
        if self._notebook:
            self._show_in_notebook(text, progress)
            return
        now = time.monotonic()
        if now - self._last >= _EVERY and text != self._shown:
            print(text, file=sys.stderr, flush=True)  # noqa: T201  # what it is for
            self._last, self._shown = now, text

    def _show_in_notebook(self, text: str, progress: Progress) -> None:
        from IPython.display import display  # type: ignore[import-not-found,unused-ignore]  # there, since we are in it

        html = f'<progress value="{progress.done}" max="{progress.total}"></progress> {escape(text)}'
        said = {"text/plain": text, "text/html": html}
        if self._cell is None:
            self._cell = display(said, raw=True, display_id=True)
        else:
            self._cell.update(said, raw=True)

    def __enter__(self) -> Self:
        if self._terminal:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._terminal:
            self._bar.stop()


def _in_notebook() -> bool:
    """Whether this is the kernel of a notebook, which shows HTML."""
    python = sys.modules.get("IPython")
    shell = None if python is None else python.get_ipython()
    return getattr(shell, "kernel", None) is not None


def _count(done: float) -> str:
    """So many units; of a part of one a digit, never more than is done.

    >>> _count(1234), _count(2.99), _count(3.0)
    ('1,234', '2.9', '3')
    """
    return f"{done:,.0f}" if done == int(done) else f"{floor(done * 10) / 10:,.1f}"

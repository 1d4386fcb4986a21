"""What fits on a terminal: lines and tables end between words there; elsewhere they stay whole."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap


def width() -> int | None:
    """The columns of the terminal that the standard output is; None where it is none."""
    return shutil.get_terminal_size().columns if sys.stdout is not None and sys.stdout.isatty() else None


def fold(text: str, columns: int | None = None) -> str:
    """The text with every line that is too long broken between words, what follows below its last column.

    Args:
        text: of several lines; columns stand two spaces apart or more.
        columns: that a line may have; by default those of the terminal, none where there is none.

    >>> print(fold("ok    clipping  inputs below 0 and above 1 are not clipped", 40))
    ok    clipping  inputs below 0 and above
                    1 are not clipped
    """
    columns = columns or width()
    return text if columns is None else "\n".join(_folded(line, columns) for line in text.splitlines())


def _folded(line: str, columns: int) -> str:
    starts = [found.end() for found in re.finditer(r" {2,}", line) if found.end() <= columns * 2 // 3]
    return "\n".join(
        textwrap.wrap(
            line,
            columns,
            subsequent_indent=" " * max(starts, default=0),
            break_long_words=False,
            break_on_hyphens=False,
        )
    )

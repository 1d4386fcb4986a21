"""What fits on a terminal: lines and tables end between words there; elsewhere they stay whole."""

from __future__ import annotations

import html
import re
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence

ROWS = 10
"""Of a table in a notebook."""


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


def as_html(text: str, columns: Mapping[str, Sequence[object]] | None = None, rows: int = 0) -> str:
    """What a notebook shows: a text as it is, and the first rows of a table below it.

    Args:
        text: on one line or several.
        columns: of the table, by name; so many entries of each as are to be seen.
        rows: that there are in all.

    >>> as_html("a < b")
    '<pre>a &lt; b</pre>'
    >>> as_html("a", {"r": [0.123456]}, 3)
    '<pre>a</pre><table><tr><th>r</th></tr><tr><td>0.1235</td></tr></table><pre>... and 2 more</pre>'
    """
    shown = f"<pre>{html.escape(text)}</pre>"
    if not columns:
        return shown
    table = zip(*columns.values(), strict=True)
    head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
    lines = ["".join(f"<td>{html.escape(_cell(cell))}</td>" for cell in row) for row in table]
    more = f"<pre>... and {rows - len(lines):,} more</pre>" if rows > len(lines) else ""
    return f"{shown}<table>{''.join(f'<tr>{line}</tr>' for line in (head, *lines))}</table>{more}"


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)

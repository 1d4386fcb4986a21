"""The pages of the viewer, the same for a server and for static files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from noiseproof.reports.page.render import render
from noiseproof.viewer.rows import RUNNING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from noiseproof.reports.page.page import Page
    from noiseproof.viewer.index import Index
    from noiseproof.viewer.rows import RunRow

STATIC = Path(__file__).parent / "static"
MOST_ROWS = 1000
"""Rows that stand in the table itself, for a browser without scripts."""
MOST_COMPARED = 8
"""Runs on one page."""


def table_page(
    rows: Sequence[RunRow],
    *,
    title: str,
    radii: Sequence[float],
    live: bool,
    compared: Mapping[str, str] | None = None,
) -> str:
    """The table of all runs.

    Args:
        rows: by name.
        title: what was looked at.
        radii: of the rows' certified accuracy.
        live: whether a server hands it out, which can be asked for what changes and for comparisons.
        compared: addresses of pages of several runs, by what they are called.
    """
    facts = {"rows": [row.plain() for row in rows], "radii": list(radii), "live": live}
    return render(
        "runs.html",
        folder=STATIC,
        script="runs.js",
        connects=live,
        title=title,
        rows=rows[:MOST_ROWS],
        left_out=max(0, len(rows) - MOST_ROWS),
        radii=list(radii),
        at=radii.index(0.5) if 0.5 in radii else len(radii) // 2,
        address=address,
        live=live,
        compared=compared or {},
        data=json.dumps(facts).replace("<", "\\u003c"),
    )


def address(name: str) -> str:
    """The address of a run's page, from the table's.

    >>> address("a/b c?")
    'run/a/b%20c%3F.html'
    """
    return f"run/{quote(name)}.html"


def run_page(index: Index, names: Sequence[str], back: str, *, served: bool) -> Page:
    """The page of one run, with the attacks on it that lie below the same folder, or of several side by side.

    Args:
        index: knows their folders.
        names: of rows.
        back: the address of the table.
        served: whether a server hands it out.

    Raises:
        ValueError: no name, or one that is not in the index.
    """
    from noiseproof.reports.page import page_of
    from noiseproof.reports.page.render import Served

    rows = [index.row(name) for name in names]
    if not rows or None in rows:
        raise ValueError("runs must be among those of the table")
    hashes = {row.meaning for row in rows if row is not None and row.meaning}
    attacks = [row.name for row in index.rows()[1] if row.about in hashes and row.name not in names]
    paths = [path for name in (*dict.fromkeys(names), *attacks) if (path := index.path(name)) is not None]
    live = ""
    if served and len(names) == 1 and rows[0] is not None and rows[0].state == RUNNING:
        live = f"{back}live/{quote(names[0])}"
    return page_of(paths, radii=index.radii, served=Served(back, live))

"""The viewer as static files, for any web server or for a folder that is opened from disk."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from noiseproof.errors import RunError
from noiseproof.progress import Progress
from noiseproof.reports.files import make_folder
from noiseproof.store.manifest import write_text
from noiseproof.viewer.index import Index
from noiseproof.viewer.pages import MOST_COMPARED, run_page, table_page
from noiseproof.viewer.rows import FAILED, RunRow

LIST = "runs.json"
"""The rows of the table; also what shows that a folder is one of these."""


def site(
    folder: str | Path,
    *,
    out: str | Path,
    radii: Sequence[float],
    progress: Callable[[Progress], None] | None = None,
) -> tuple[Path, tuple[str, ...]]:
    """Write the table of all runs below a folder, and a page for each, as files that link to one another.

    Runs on the same data have a page together, where they are no more than a server lays side by side.

    Args:
        folder: with run folders below.
        out: where to; a folder that is new, empty or such a site already.
        radii: at which certified accuracy is told.
        progress: called after every page.

    Returns:
        The table's file, and what is wrong with runs, each with its name.

    Raises:
        RunError: no such folder, no run in it, or ``out`` cannot be written or holds other files.
    """
    index, out = Index(Path(folder), radii), Path(out)
    if out.exists() and not out.is_dir():
        raise RunError(f"{out} is a file; choose a folder as --out")
    if out.exists() and any(out.iterdir()) and not (out / LIST).exists():
        raise RunError(f"{out} holds other files and is not such a site; choose another --out")
    index.find()
    index.look()
    while index.verify_one():
        pass
    _, rows, _ = index.rows()
    if not rows:
        raise RunError(f"{folder} has no run folders below it; give one that has")
    make_folder(out)
    write_text(out / LIST, json.dumps([row.plain() for row in rows], indent=1) + "\n")
    for number, row in enumerate(rows):
        page = out / "run" / f"{row.name}.html"
        make_folder(page.parent)
        write_text(
            page, run_page(index, [row.name], os.path.relpath(out / "index.html", page.parent), served=False).html
        )
        if progress is not None:
            progress(Progress(number + 1, len(rows), "pages"))
    compared = {}
    for number, (data, names) in enumerate(comparable(rows).items()):
        page = out / "compare" / f"{number + 1}.html"
        make_folder(page.parent)
        write_text(page, run_page(index, names, "../index.html", served=False).html)
        compared[f"{len(names)} runs on {data}"] = f"compare/{page.name}"
    table = table_page(rows, title=index.folder.name, radii=index.radii, live=False, compared=compared)
    write_text(out / "index.html", table)
    return out / "index.html", tuple(f"{row.name}: {row.said}" for row in rows if row.state == "failed")


def comparable(rows: Sequence[RunRow]) -> dict[str, list[str]]:
    """The names of runs that certified inputs of the same data, by its name: two or more, and few enough."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if row.certified is not None and row.data and row.state != FAILED:
            found.setdefault(row.data, []).append(row.name)
    return {data: names for data, names in found.items() if 2 <= len(names) <= MOST_COMPARED}

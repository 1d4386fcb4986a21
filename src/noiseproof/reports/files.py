"""Where a report's files go."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from noiseproof.errors import RunError
from noiseproof.store.manifest import write_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noiseproof.reports.tables import Table


def make_folder(out: str | Path) -> Path:
    """The folder, made where it is not there yet.

    Raises:
        RunError: it cannot be made.
    """
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot make the folder {folder}: {error.strerror}; choose another --out") from None
    return folder


def write_tables(tables: Sequence[Table], folder: Path, stem: str) -> tuple[Path, ...]:
    """Write tables one below the other as ``stem.txt``, ``stem.md`` and ``stem.tex``; returns the paths.

    Raises:
        RunError: the folder cannot be written.
    """
    laid_out = {
        ".txt": [table.text() for table in tables],
        ".md": [table.markdown() for table in tables],
        ".tex": [table.latex() for table in tables],
    }
    paths = tuple(folder / f"{stem}{suffix}" for suffix in laid_out)
    for path, texts in zip(paths, laid_out.values(), strict=True):
        write_text(path, "\n\n".join(texts) + "\n")
    return paths

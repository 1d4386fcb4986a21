"""Where a report's files go."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from noiseproof.errors import RunError
from noiseproof.reports.figures import save_figure
from noiseproof.screen import as_html
from noiseproof.store.manifest import write_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from noiseproof.reports.tables import Table


@dataclass(frozen=True)
class Written:
    """What a report says and where it was written.

    Attributes:
        text: the tables, for a terminal.
        files: what was written.
    """

    text: str
    files: tuple[Path, ...]

    def __repr__(self) -> str:
        """In a line."""
        return f"<{type(self).__name__}: {', '.join(map(str, self.files))}>"

    def _repr_html_(self) -> str:
        """For notebooks: the text, and the first picture."""
        picture = next((path for path in self.files if path.suffix == ".png" and path.exists()), None)
        data = "" if picture is None else base64.b64encode(picture.read_bytes()).decode()
        shown = f'<img width="640" src="data:image/png;base64,{data}">' if data else ""
        return f"{as_html(self.text)}{shown}"


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


def write_findings(tables: Sequence[Table], figure: Figure, out: str | Path, stem: str) -> Written:
    """Write tables as ``write_tables`` does, and their figure as ``stem.png`` and ``stem.pdf``.

    Raises:
        RunError: the folder cannot be made or written.
    """
    folder = make_folder(out)
    files = write_tables(tables, folder, stem)
    figures = tuple(save_figure(figure, folder / f"{stem}{suffix}") for suffix in (".png", ".pdf"))
    return Written("\n\n".join(table.screen() for table in tables), (*files, *figures))

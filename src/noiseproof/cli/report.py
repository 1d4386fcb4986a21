"""``noiseproof report`` and ``noiseproof compare``: tables and figures of runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from noiseproof.cli.records import AnyLook, Folder, PicturesElsewhere, ReportRadii

if TYPE_CHECKING:
    from noiseproof.reports.files import Written


def report(
    runs: list[Path],
    /,
    pictures: PicturesElsewhere,
    look: AnyLook,
    *,
    out: Path | None = None,
    html: Path | None = None,
    plot: Path | None = None,
    radii: ReportRadii = None,
) -> int:
    """Certified accuracy with its band, from stored counts: tables and curves, or a page; exits 1 if a run on it fails.

    Args:
        runs: Run folders of one verb, or NAME=FOLDER; for --html, of any verb.
        out: Folder for tables as text, Markdown, LaTeX, and the figure as PNG, PDF.
        html: One page with everything, to be opened from disk: curves, pictures, cost, promise.
        plot: A file for the figure alone, .png, .pdf or .svg.
    """
    from noiseproof.reports.report import report as write_report

    written = write_report(runs, radii=radii, out=out, html=html, plot=plot, look=look, elsewhere=pictures)
    _print(written)
    for said in written.wrong:
        print(f"noiseproof: {said}", file=sys.stderr)
    return 1 if written.wrong else 0


def compare(runs: list[Path], /, look: AnyLook, *, out: Folder, radii: ReportRadii = None) -> None:
    """Methods side by side on the same inputs: curves, exact paired tests, what each training cost.

    Args:
        runs: Run folders of certify or import, two or more, or NAME=FOLDER.
    """
    from noiseproof.reports.compare import compare as write_comparison

    _print(write_comparison(runs, radii=radii, out=out, look=look))


def _print(written: Written) -> None:
    if written.text:
        print(written.text)
    print("written: " + ", ".join(map(str, written.files)))

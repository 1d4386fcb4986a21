"""``noiseproof report`` and ``noiseproof compare``: tables and figures of runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from noiseproof.cli.records import Folder, PicturesElsewhere, Radii

if TYPE_CHECKING:
    from noiseproof.reports.compare import Comparison
    from noiseproof.reports.report import Report


def report(
    runs: list[Path],
    /,
    pictures: PicturesElsewhere,
    *,
    out: Path | None = None,
    html: Path | None = None,
    radii: Radii = "0:1.5:0.25",
) -> int:
    """Certified accuracy with its band, from stored counts: tables and curves, or a page; exits 1 if a run on it fails.

    Args:
        runs: Run folders of certify; for --html, of any verb.
        out: Folder for tables as text, Markdown, LaTeX, and the curves as PNG, PDF.
        html: One page with everything, to be opened from disk: curves, pictures, cost, promise.
    """
    from noiseproof.reports.report import report as write_report

    written = write_report(runs, radii=radii, out=out, html=html, elsewhere=pictures)
    _print(written)
    for said in written.wrong:
        print(f"noiseproof: {said}", file=sys.stderr)
    return 1 if written.wrong else 0


def compare(runs: list[Path], /, *, out: Folder, radii: Radii = "0:1.5:0.25") -> None:
    """Methods side by side on the same inputs: curves, exact paired tests, what each training cost.

    Args:
        runs: Run folders of certify or import, two or more.
    """
    from noiseproof.reports.compare import compare as write_comparison

    _print(write_comparison(runs, radii=radii, out=out))


def _print(written: Report | Comparison) -> None:
    if written.text:
        print(written.text)
    print("written: " + ", ".join(map(str, written.files)))

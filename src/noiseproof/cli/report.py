"""``noiseproof report`` and ``noiseproof compare``: tables and figures of runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from noiseproof.cli.records import Folder, Radii

if TYPE_CHECKING:
    from noiseproof.reports.compare import Comparison
    from noiseproof.reports.report import Report


def report(runs: list[Path], /, *, out: Folder, radii: Radii = "0:1.5:0.25") -> None:
    """Certified accuracy with its band, from stored counts: tables as text, Markdown, LaTeX; curves as PNG, PDF.

    Args:
        runs: Run folders of certify.
    """
    from noiseproof.reports.report import report as write_report

    _print(write_report(runs, radii=radii, out=out))


def compare(runs: list[Path], /, *, out: Folder, radii: Radii = "0:1.5:0.25") -> None:
    """Methods side by side on the same inputs: curves, exact paired tests, what each training cost.

    Args:
        runs: Run folders of certify or import, two or more.
    """
    from noiseproof.reports.compare import compare as write_comparison

    _print(write_comparison(runs, radii=radii, out=out))


def _print(written: Report | Comparison) -> None:
    print(written.text)
    print("written: " + ", ".join(map(str, written.files)))

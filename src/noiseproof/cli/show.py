"""``noiseproof show``."""

from __future__ import annotations

from pathlib import Path

from noiseproof.screen import fold


def show(run: Path, /) -> None:
    """A run's settings, progress and fingerprints.

    Args:
        run: Run folder.
    """
    from noiseproof.reports.show import show as show_run

    print(fold(show_run(run)))

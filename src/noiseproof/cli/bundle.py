"""``noiseproof bundle``."""

from __future__ import annotations

from pathlib import Path


def bundle(run: Path, /, *, out: Path) -> None:
    """A run as one zip file that checks itself without noiseproof and without torch; the run is verified first.

    Args:
        run: Run folder of certify, predict or decide.
        out: The file; replaced whole.
    """
    from noiseproof.reports.bundle import bundle as write_bundle

    print(f"written: {write_bundle(run, out=out)}")

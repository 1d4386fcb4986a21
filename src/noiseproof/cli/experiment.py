"""``noiseproof experiment``."""

from __future__ import annotations

from pathlib import Path

from noiseproof.asked.look import SCREEN
from noiseproof.cli.records import AnyLook
from noiseproof.screen import fold


def experiment(
    name: str | None = None,
    runs: list[Path] | None = None,
    /,
    look: AnyLook = SCREEN,
    *,
    out: Path | None = None,
    radii: str | None = None,
    units: int = 1,
) -> None:
    """A figure and tables of the paper from finished runs; nothing is drawn anew. Without a name: which there are.

    Args:
        name: Of the experiment.
        runs: Run folders, or NAME=FOLDER.
        out: Folder for what is written.
        radii: START:STOP:STEP (both ends in) or a,b,c, in --units.
        units: 1: input units, pixels in [0, 1]; 255: 8-bit steps.
    """
    from noiseproof.reports.experiments import EXPERIMENTS
    from noiseproof.reports.experiments import experiment as write_experiment

    if name is None:
        for known in EXPERIMENTS.names():
            print(fold(f"{known:16}{EXPERIMENTS[known].takes}: {EXPERIMENTS[known].about}"))
        return
    if out is None:
        raise ValueError("--out must be given: a folder for the tables and the figure")
    written = write_experiment(name, runs or [], out=out, radii=radii, units=units, look=look)
    print(written.text)
    print("written: " + ", ".join(map(str, written.files)))

"""``noiseproof import``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from noiseproof.cli.records import Alpha, Out


def import_(
    file: Path,
    /,
    *,
    out: Out,
    sigma: float | None = None,
    n: int = 100_000,
    n0: int | None = None,
    alpha: Alpha = 0.001,
    format: Literal["tsv", "topk"] = "tsv",
) -> None:
    """Another tool's result file as a run folder that says what is known of its numbers.

    Args:
        file: The file.
        out: Run folder.
        sigma: As stated; read from a name like sigma_0.25.tsv if left out.
        n: Draws an input, as stated.
        n0: Selection draws, as stated (100 if left out); topk has none.
        alpha: Failure probability per input, as stated.
        format: tsv has printed radii; topk class counts and the label, which certify.
    """
    from noiseproof.store.exchange import import_run

    run = import_run(file, out=out, sigma=sigma, n=n, n0=n0, alpha=alpha, format=format)
    said = (
        "certified from their counts, every class at alpha/num_classes: noiseproof verify replays them"
        if run.manifest.has_counts
        else "radii as printed, not verified: noiseproof audit says what their rows allow to be said"
    )
    print(f"{out}: {len(run.records):,} inputs from {file}, {said}")

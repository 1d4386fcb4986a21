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
    n: int,
    alpha: Alpha,
    sigma: float | None = None,
    n0: int | None = None,
    format: Literal["tsv", "topk", "npy", "ablations"] = "tsv",
    norm: str = "l2",
    noise: str | None = None,
    labels: Path | None = None,
    stride: int | None = None,
) -> None:
    """Another tool's result file as a run folder that says what is known of its numbers.

    Args:
        file: The file; of npy, and where ablations are several, the folder.
        out: Run folder.
        n: Draws an input, as stated; no form says it.
        alpha: Failure probability per input, as stated; 0 where the noise was enumerated.
        sigma: As stated; read from a name like sigma_0.25.tsv or noise_0.25.tsv if left out.
        n0: Selection draws, as stated (100 if left out); topk has none.
        format: tsv has printed radii; topk class counts and the label, which certify; npy a folder with radius_l1.npy
            and the like; ablations the files of a smoothed vision transformer.
        norm: What radii are measured in, where not L2 in input units: l1, linf, or words.
        noise: The noise in words, where it is not Gaussian in input units.
        labels: Of npy without labels.npy: .npy, or text with one label a line.
        stride: Of ablations: pixels from one to the next.
    """
    from noiseproof.store.exchange import import_run

    run = import_run(
        file,
        out=out,
        n=n,
        alpha=alpha,
        sigma=sigma,
        n0=n0,
        format=format,
        norm=norm,
        noise=noise,
        labels=labels,
        stride=stride,
    )
    said = (
        "certified from their counts, every class at alpha/num_classes: noiseproof verify replays them"
        if run.manifest.has_counts
        else "nothing to verify"
        if noise is not None
        else "radii as printed, not verified: noiseproof audit says what their rows allow to be said"
    )
    print(f"{out}: {len(run.records):,} inputs from {file}, {said}")

"""``noiseproof check``."""

from __future__ import annotations

from pathlib import Path

from noiseproof.cli.records import Alpha, AnyCompute, AnyNoise, AnySubject, Out, Seed

_STATUS = {"at least": 0, "below": 1, "undecided": 3}


def check(
    noise: AnyNoise,
    subject: AnySubject,
    compute: AnyCompute,
    *,
    radius: float,
    at_least: float,
    out: Out,
    error: float = 0.01,
    alpha: Alpha = 0.001,
    n_max: int = 10_000,
    seed: Seed = 0,
    junit: Path | None = None,
    markdown: Path | None = None,
) -> int:
    """Is certified accuracy at a radius at least so much? Exits 0 if it is, 1 if below, 3 where it cannot be told.

    Inputs are taken in random order, and no more than it takes; at most --limit.

    Args:
        radius: In input units.
        at_least: The share asked about, such as .6.
        error: Probability of a wrong verdict.
        n_max: Draws of an input at most.
        junit: File for JUnit XML.
        markdown: File for a summary.
    """
    from noiseproof.progress import ProgressBar
    from noiseproof.runners.check import check as run_check
    from noiseproof.store.manifest import check_place, write_text

    check_place(junit, "--junit")
    check_place(markdown, "--markdown")
    with ProgressBar("check") as bar:
        found = run_check(
            noise,
            subject,
            compute,
            radius=radius,
            at_least=at_least,
            out=out,
            error=error,
            alpha=alpha,
            n_max=n_max,
            seed=seed,
            progress=bar.show,
        )
    print(found.text)
    for path, text in ((junit, found.junit), (markdown, found.markdown)):
        if path is not None:
            write_text(path, text())
            print(f"written: {path}")
    return _STATUS[found.verdict]

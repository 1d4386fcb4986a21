"""``noiseproof.run``: any procedure, under any noise, on inputs of a data set, into a run folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from noiseproof.asked import Asked, Compute, Subject
from noiseproof.asked.kinds import check_kinds
from noiseproof.runners.resolve import resolve

if TYPE_CHECKING:
    from noiseproof.noises import Noise
    from noiseproof.noises.words import Generator
    from noiseproof.procedures import Procedure
    from noiseproof.progress import Progress
    from noiseproof.store import Run


def run(
    procedure: Procedure,
    noise: Noise,
    subject: Subject,
    compute: Compute | None = None,
    *,
    out: str | Path,
    seed: int = 0,
    rng: Generator = "philox",
    budget: int | None = None,
    common_noise: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Run:
    """Ask a procedure about inputs of a data set; the same call again resumes, with more inputs it extends.

    Args:
        procedure: what is asked of every input: ``Certify(n=10_000)``, ``Decide(radius=0.5)``, ``Predict()``, ...
        noise: what is added, ``Gaussian(sigma=0.25)``.
        subject: the model and the inputs.
        compute: where to compute; by default this machine's GPU or all cores of its CPU.
        out: the run folder.
        seed: of the noise.
        rng: "philox", or "chacha20", keyed by the operating system; the key is stored with the run.
        budget: of a procedure that may end early: draws for all inputs together, given to those nearest to a decision.
        common_noise: the same noise for every model and setting of a seed, so that differences between runs are none of
            the noise; else the noise is bound to model, procedure and noise, and nobody can have known it before.
        progress: called now and then.

    Returns:
        The run: its records hold counts and outcomes.

    Raises:
        ValueError: an argument is out of range.
        NoiseproofError: model, data or run folder cannot be used.
    """
    check_kinds({"out": out} | ({} if progress is None else {"progress": progress}))
    asked = Asked(
        procedure=procedure,
        noise=noise,
        subject=subject,
        compute=compute or Compute(),
        seed=seed,
        rng=rng,
        budget=budget,
        common_noise=common_noise,
    )
    return resolve(asked).run(Path(out), progress)

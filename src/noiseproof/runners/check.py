"""``noiseproof.check``: is certified accuracy on a data set at least so much? With as few inputs as it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from noiseproof.arguments import real
from noiseproof.asked import Asked, Compute, Subject
from noiseproof.asked.kinds import check_kinds
from noiseproof.procedures import Decide
from noiseproof.reports.check import AccuracyCheck
from noiseproof.runners.resolve import resolve
from noiseproof.stats.share import share_test

if TYPE_CHECKING:
    from noiseproof.noises import Noise
    from noiseproof.progress import Progress


def check(
    noise: Noise,
    subject: Subject,
    compute: Compute | None = None,
    *,
    radius: float,
    at_least: float,
    out: str | Path,
    error: float = 0.01,
    alpha: float = 0.001,
    n_max: int = 10_000,
    seed: int = 0,
    progress: Callable[[Progress], None] | None = None,
) -> AccuracyCheck:
    """Tell whether a share of a data set's inputs is certified at a radius, by DECIDE on them in random order.

    It stops as soon as the share is known to be at least, or below, what is asked. "at least" is about the smoothed
    classifier: right and robust on that share of the inputs; "below" is about what ``Decide`` can certify of them with
    ``n_max`` draws an input. The same call again goes on in the same run folder.

    Args:
        noise: what is added.
        subject: the model and the inputs; with a limit, so many inputs are looked at at most.
        compute: where to compute.
        radius: in input units in the norm of the noise.
        at_least: the share asked about, in (0, 1].
        out: the run folder of ``Decide``.
        error: probability of a wrong verdict, in (0, 1).
        alpha: failure probability of one certificate, in (0, 1).
        n_max: draws of an input at most.
        seed: of the noise and of the order of the inputs.
        progress: called now and then.

    Raises:
        ValueError: an argument is out of range.
        NoiseproofError: model, data or run folder cannot be used.
    """
    check_kinds({"noise": noise, "subject": subject, "out": out})
    procedure = Decide(radius=radius, alpha=alpha, n_max=n_max, label_aware=True)
    asked = Asked(
        procedure=procedure,
        noise=noise,
        subject=replace(subject, limit=None),
        compute=compute or Compute(),
        seed=seed,
    )
    job = resolve(asked)
    everything = [*job.indices, *job.skipped]  # an unreadable picture is one that is not certified
    test = share_test(len(everything), real("at_least", at_least), alpha, real("error", error), subject.limit)
    order = [int(index) for index in np.random.default_rng(seed).permutation(everything)]
    for look, size in enumerate(test.looks):
        taken = set(order[:size])
        readable = [index for index in order[:size] if index not in job.skipped] or job.indices[:1]
        run = replace(job, indices=readable).run(Path(out), progress)
        records = [record for record in run.records if record.index in taken]
        certified = sum(not record.outcome.abstained for record in records)
        verdict = test.verdict(certified, look) if len(records) == size else "undecided"  # stopped before its end
        if verdict != "undecided" or len(records) < size:
            break
    return AccuracyCheck(
        verdict,
        test.at_least,
        procedure.radius,
        run.norm,
        certified,
        len(records),
        test.population,
        float(error),
        sum(record.draws for record in records),
        sum(record.seconds for record in records),
        Path(out),
        run.manifest.unit,
    )

"""Attack a run's certified inputs with one attack, at and beyond their radii, and judge what comes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noiseproof.arguments import integer
from noiseproof.attacks import PGD, Attack
from noiseproof.errors import RunError, UnsupportedError
from noiseproof.procedures import Predict
from noiseproof.reports.attack import AttackReport, write_attack
from noiseproof.runners.adversary import Adversary, Attempt
from noiseproof.runners.certified import certified_job, certified_run, claim_of
from noiseproof.store import Manifest
from noiseproof.store.attacks import KIND, AttackFolder, read_attack
from noiseproof.version import __version__

if TYPE_CHECKING:
    from noiseproof.data import DataSet
    from noiseproof.progress import Progress
    from noiseproof.runners.job import Job
    from noiseproof.runners.local import Model

DEFAULT_AT = (1.0, 1.5, 2.0)


def attack(
    run: str | Path,
    *,
    out: str | Path,
    at: Sequence[float] = DEFAULT_AT,
    limit: int | None = None,
    method: Attack | None = None,
    n: int = 1000,
    alpha: float = 0.001,
    seed: int = 0,
    model: Model | None = None,
    data: str | DataSet | None = None,
    root: str | Path | None = None,
    device: str = "auto",
    batch_size: int | None = None,
    workers: int | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> AttackReport:
    """Attack a run's certified inputs at multiples of their certified radii R; judge on fresh noise.

    An input is broken where PREDICT, on noise whose seed comes from the operating system after the attack, returns
    another class than the certified one; abstaining is not a break. Within R that contradicts the certificate, and
    counts only if a second judgement, of ten times the draws, says so again.
    The same call again resumes; more multiples or inputs extend.

    Args:
        run: a run folder of certify or decide, with Gaussian noise.
        out: folder for the journal, ``table.txt``, ``table.md``, ``attack.png`` and the broken points.
        at: distances, in units of each input's R; > 0.
        limit: how many certified inputs at most, the first ones.
        method: the attack; ``PGD()`` by default.
        n: draws of a judgement.
        alpha: its failure probability.
        seed: of the attack's own noise.
        model: the certified model, where the run's settings do not lead to it.
        data: the data set, likewise.
        root: where data sets lie; by default as in the run.
        device: "auto", "cpu", "cuda", ...
        batch_size: rows a forward pass.
        workers: batches judged at once; the attack itself runs on one core of a CPU.
        progress: called now and then.

    Raises:
        ValueError: an argument is out of range.
        RunError: not a run of certify or decide, nothing in it is certified, or ``out`` cannot be used.
        ModelError: the model is not the certified one.
        UnsupportedError: the run's noise is not Gaussian, or the base classifier has no gradients.
    """
    method, judged_by, seed = method or PGD(), Predict(n=n, alpha=alpha), integer("seed", seed)
    multiples, limit = checked_multiples(at), None if limit is None else integer("limit", limit, least=1)
    certified = certified_run(Path(run))
    wanted = [(record, claim) for record in certified.records if (claim := claim_of(record)) is not None][:limit]
    if not wanted:
        raise RunError(f"{run} has no certified input to attack; certify more of them")
    asked = certified_job(certified, judged_by, model, data, root, device, batch_size, workers)
    manifest = Manifest(
        KIND,
        {
            "run": certified.manifest.meaning_hash,
            "model": certified.manifest.meaning["model"],
            "attack": method.config() | {"seed": seed},
            "judge": judged_by.config(),
        },
        __version__,
    )
    settings = started_with(asked, run, multiples, limit, seed, root, device, batch_size, workers)
    settings |= {name: value for name, value in method.config().items() if name != "name"}
    attempts = [
        Attempt(record, claim.prediction, claim.radius, method, multiple, multiple * claim.radius)
        for record, claim in wanted
        for multiple in multiples
    ]
    with AttackFolder(Path(out), manifest) as folder, Adversary(asked) as adversary:
        if not adversary.has_gradient(wanted[0][0]):
            raise UnsupportedError(
                f"{asked.model.source} has no gradients for PGD; noiseproof falsify also searches by scores alone"
            )
        adversary.attack(attempts, seed, folder, settings, progress)
    return write_attack(
        read_attack(Path(out)).points,
        Path(out),
        n=judged_by.n,
        alpha=judged_by.alpha,
        certificate_alpha=certified.procedure.alpha,
    )


def checked_multiples(at: Sequence[float]) -> tuple[float, ...]:
    """The distances asked for, in order.

    Raises:
        ValueError: one is none, or there is none.
    """
    multiples = tuple(sorted({float(multiple) for multiple in at}))
    if not multiples or not all(0 < multiple < float("inf") for multiple in multiples):
        raise ValueError(f"at must be multiples of the radius, > 0 and finite, got {list(at)}")
    return multiples


def started_with(
    asked: Job,
    run: str | Path,
    at: tuple[float, ...],
    limit: int | None,
    seed: int,
    root: str | Path | None,
    device: str,
    batch_size: int | None,
    workers: int | None,
) -> dict[str, Any]:
    """What an attack was started with, to be kept beside its points; what was not given is left out."""
    settings = {
        "run": str(run),
        "at": ",".join(map(repr, at)),
        "limit": limit,
        **{name: value for name, value in asked.procedure.config().items() if name != "name"},
        "seed": seed,
        "model": asked.settings["model"],
        "root": None if root is None else str(root),
        "device": device,
        "batch_size": batch_size,
        "workers": workers,
    }
    return {name: value for name, value in settings.items() if value is not None}

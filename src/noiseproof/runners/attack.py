"""Attack a run's certified inputs with one attack, at and beyond their radii, and judge what comes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from noiseproof.arguments import integer
from noiseproof.attacks import PGD, Attack
from noiseproof.errors import RunError, UnsupportedError
from noiseproof.procedures import Predict
from noiseproof.reports.attack import attack_table, contradiction_text, draw_attack
from noiseproof.runners.campaign import AttackProgress, Campaign, Shot
from noiseproof.runners.certified import certified_job, certified_run, claim_of
from noiseproof.store import Manifest
from noiseproof.store.attacks import KIND, Attacked, AttackFolder, read_attack
from noiseproof.store.manifest import write_text
from noiseproof.version import __version__

if TYPE_CHECKING:
    from noiseproof.data import DataSet
    from noiseproof.runners.local import Model

DEFAULT_AT = (1.0, 1.5, 2.0)


@dataclass(frozen=True)
class AttackReport:
    """What an attack found.

    Attributes:
        points: every judged point of the folder.
        text: the table, for a terminal.
        contradiction: what to say of certificates that were broken within their radius; empty where none was.
        files: what was written.
    """

    points: tuple[Attacked, ...]
    text: str
    contradiction: str
    files: tuple[Path, ...]


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
    progress: Callable[[AttackProgress], None] | None = None,
) -> AttackReport:
    """Attack a run's certified inputs at multiples of their certified radii R; judge on fresh noise.

    An input is broken where PREDICT, on noise whose seed comes from the operating system after the attack, returns
    another class than the certified one; abstaining is not a break. Within R that contradicts the certificate, and
    counts only if a second judgement, of ten times the draws, says so again.
    The same call again resumes; more multiples or inputs extend.

    Args:
        run: a run folder of certify or decide.
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
        UnsupportedError: attacks on the run's noise cannot be judged, or the base classifier has no gradients.
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
    settings = {
        "run": str(run),
        "at": ",".join(map(repr, multiples)),
        "limit": limit,
        **{name: value for name, value in method.config().items() if name != "name"},
        "n": judged_by.n,
        "alpha": judged_by.alpha,
        "seed": seed,
        "model": asked.settings["model"],
        "root": None if root is None else str(root),
        "device": device,
        "batch_size": batch_size,
        "workers": workers,
    }
    shots = [
        Shot(record, claim.prediction, claim.radius, method, multiple, multiple * claim.radius)
        for record, claim in wanted
        for multiple in multiples
    ]
    settings = {name: value for name, value in settings.items() if value is not None}
    with AttackFolder(Path(out), manifest) as folder, Campaign(asked) as campaign:
        if not campaign.has_gradient(wanted[0][0]):
            raise UnsupportedError(
                f"{asked.model.source} has no gradients for PGD; noiseproof falsify also searches by scores alone"
            )
        campaign.serve(shots, seed, folder, settings, progress)
    return _report(Path(out), certified.procedure.alpha, judged_by)


def checked_multiples(at: Sequence[float]) -> tuple[float, ...]:
    """The distances asked for, in order.

    Raises:
        ValueError: one is none, or there is none.
    """
    multiples = tuple(sorted({float(multiple) for multiple in at}))
    if not multiples or not all(0 < multiple < float("inf") for multiple in multiples):
        raise ValueError(f"at must be multiples of the radius, > 0 and finite, got {list(at)}")
    return multiples


def _report(out: Path, certificate_alpha: float, judged_by: Predict) -> AttackReport:
    points = read_attack(out).points
    table = attack_table(points, n=judged_by.n, alpha=judged_by.alpha)
    contradiction = contradiction_text(points, certificate_alpha=certificate_alpha, judge_alpha=judged_by.alpha)
    text, markdown, figure = out / "table.txt", out / "table.md", out / "attack.png"
    write_text(text, "\n\n".join(filter(None, [table.text(), contradiction])) + "\n")
    write_text(markdown, "\n\n".join(filter(None, [table.markdown(), contradiction])) + "\n")
    draw_attack(points, figure)
    return AttackReport(points, table.text(), contradiction, (text, markdown, figure))

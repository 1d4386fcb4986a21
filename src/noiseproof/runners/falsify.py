"""The falsifier: every attack there is on a run's inputs, and the sandwich in which the truth lies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from noiseproof.arguments import integer
from noiseproof.asked import Compute, Elsewhere
from noiseproof.asked.kinds import check_kinds
from noiseproof.asked.look import SCREEN, Look
from noiseproof.attacks import ATTACKS
from noiseproof.errors import RunError
from noiseproof.procedures import Predict
from noiseproof.reports.falsify import FalsifyReport, write_falsify
from noiseproof.runners.adversary import Adversary, Attempt, chosen, found_settings, manifest_of
from noiseproof.runners.attack import check_attacks, checked_multiples
from noiseproof.runners.certified import certified_input, certified_job, certified_run, claim_of
from noiseproof.store.attacks import KIND_FALSIFY, AttackFolder, read_attack
from noiseproof.store.given import RunLike, path_of
from noiseproof.types import Record

if TYPE_CHECKING:
    from noiseproof.attacks import Attack
    from noiseproof.progress import Progress

DEFAULT_AT = (0.5, 0.9, 1.0, 1.5, 2.0)


def falsify(
    run: RunLike,
    judge: Predict | None = None,
    elsewhere: Elsewhere | None = None,
    compute: Compute | None = None,
    *,
    out: str | Path | None = None,
    at: Sequence[float] = DEFAULT_AT,
    limit: int | None = None,
    attacks: Sequence[Attack] = ATTACKS,
    seed: int = 0,
    look: Look = SCREEN,
    progress: Callable[[Progress], None] | None = None,
) -> FalsifyReport:
    """Try to show that a run's certificates are false: all attacks, inside the certified balls and beyond.

    A break is judged as in ``attack``; within a certified radius it is a contradiction. Inputs of which nothing is
    certified are attacked too, for the upper slice of the sandwich. Attacks that need gradients are left out where
    the base classifier has none. The same call again resumes; more multiples or inputs extend.

    Args:
        run: a run of certify or decide, or its folder.
        judge: what judges a point; ``Predict(n=1000, alpha=0.001)`` by default.
        elsewhere: where model and data lie now, where the run's settings do not lead to them.
        compute: where to compute; the attacks themselves run on one core of a CPU.
        out: folder for the journal, the report, the figure and what broke; by default RUN-falsify, beside the run.
        at: distances, in units of each input's certified radius R; > 0.
        limit: how many inputs of the run at most, the first ones.
        attacks: what to try, in this order.
        seed: of the attacks' own noise.
        look: of the figure.
        progress: called now and then.

    Raises:
        ValueError: an argument is out of range.
        RunError: not a run of certify or decide, nothing in it is certified, or ``out`` cannot be used.
        ModelError: the model is not the certified one.
        UnsupportedError: attacks on the run's noise cannot be judged.
    """
    beside = path_of(run).absolute()
    out = beside.with_name(f"{beside.name}-falsify") if out is None else Path(out)
    judge, seed, multiples = judge or Predict(), integer("seed", seed), checked_multiples(at)
    elsewhere, compute = elsewhere or Elsewhere(), compute or Compute()
    check_kinds({"judge": judge, "elsewhere": elsewhere, "compute": compute, "look": look})
    check_attacks("attacks", attacks)
    limit = None if limit is None else integer("limit", limit, least=1)
    labels = [each.label for each in attacks]
    if not labels or len(set(labels)) < len(labels):
        raise ValueError(f"attacks must be one or more of different names, got {labels}")
    certified = certified_run(run)
    records = certified.records[:limit]
    if not any(claim_of(record) for record in records):
        few = len(records) < len(certified.records)
        of = f" among its first {len(records)}" if few else ""
        remedy = "give a larger limit (--limit)" if few else "certify more of them"
        raise RunError(f"{certified.path} has no certified input to attack{of}; {remedy}")
    job = certified_job(certified, judge, elsewhere, compute)
    meaning = {"attacks": {each.label: each.config() for each in attacks}, "seed": seed}
    manifest = manifest_of(KIND_FALSIFY, certified, meaning, judge)
    settings = chosen(certified.path, multiples, limit, seed) | found_settings(job, compute)
    with AttackFolder(out, manifest) as folder, Adversary(job) as adversary:
        usable, left_out = list(attacks), list[str]()
        if any(each.needs_gradient for each in usable) and not adversary.has_gradient(records[0]):
            usable = [each for each in attacks if not each.needs_gradient]
            left_out = [each.label for each in attacks if each.needs_gradient]
        attempts = list(_attempts(records, usable, multiples, job.noise.sigma))
        adversary.attack(attempts, seed, folder, settings, progress, once_broken=False)
    wanted = {record.key for record in records}
    points = tuple(point for point in read_attack(out, KIND_FALSIFY).points if point.key in wanted)
    order = {name: i for i, name in enumerate(labels)}
    points = tuple(sorted(points, key=lambda point: order[point.attack]))
    return write_falsify(
        records,
        points,
        out,
        look,
        multiples=multiples,
        left_out=left_out,
        n=judge.n,
        alpha=judge.alpha,
        certificate_alpha=certified.procedure.alpha,
        sigma=job.noise.sigma,
        clean=partial(certified_input, job),
        unit=certified.manifest.unit,
    )


def _attempts(
    records: Sequence[Record], attacks: Sequence[Attack], multiples: tuple[float, ...], sigma: float
) -> list[Attempt]:
    """What to try, the attacks in order, each from the nearest distance on."""
    attempts: list[Attempt] = []
    # what nothing is certified of has no ball: one attack, the first that looks beyond a ball
    beyond = [each for each in attacks if each.distances != "radius"]
    for attack in attacks:
        at = {"each": multiples, "largest": multiples[-1:], "radius": (1.0,)}[attack.distances]
        for multiple in at:
            for record in records:
                claim = claim_of(record)
                if claim is None:
                    if attack is beyond[0] and record.outcome.abstained and record.label is not None:
                        attempts.append(Attempt(record, record.label, 0.0, attack, multiple, multiple * sigma))
                    continue
                # the smallest perturbation is looked for as far as the noise reaches
                most = max(claim.radius, sigma) if attack.distances == "largest" else claim.radius
                attempts.append(Attempt(record, claim.prediction, claim.radius, attack, multiple, multiple * most))
    return attempts

"""Attack a run's certified inputs with one attack, at and beyond their radii, and judge what comes out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from noiseproof.arguments import integer, real
from noiseproof.asked import Compute, Elsewhere
from noiseproof.asked.kinds import check_kinds
from noiseproof.asked.look import SCREEN, Look
from noiseproof.asked.options import asked_of
from noiseproof.attacks import PGD, Attack
from noiseproof.errors import RunError, UnsupportedError
from noiseproof.procedures import Predict
from noiseproof.reports.attack import AttackReport, write_attack
from noiseproof.runners.adversary import Adversary, Attempt, chosen, found_settings, manifest_of
from noiseproof.runners.certified import certified_job, certified_run, claim_of
from noiseproof.store.attacks import KIND, AttackFolder, read_attack

if TYPE_CHECKING:
    from noiseproof.progress import Progress
    from noiseproof.store.given import RunLike

DEFAULT_AT = (1.0, 1.5, 2.0)


def attack(
    run: RunLike,
    method: Attack | None = None,
    judge: Predict | None = None,
    elsewhere: Elsewhere | None = None,
    compute: Compute | None = None,
    *,
    out: str | Path,
    at: Sequence[float] = DEFAULT_AT,
    limit: int | None = None,
    seed: int = 0,
    look: Look = SCREEN,
    progress: Callable[[Progress], None] | None = None,
) -> AttackReport:
    """Attack a run's certified inputs at multiples of their certified radii R; judge on fresh noise.

    An input is broken where PREDICT, on noise whose seed comes from the operating system after the attack, returns
    another class than the certified one; abstaining is not a break. Within R that contradicts the certificate, and
    counts only if a second judgement, of ten times the draws, says so again.
    The same call again resumes; more multiples or inputs extend.

    Args:
        run: a run of certify or decide, or its folder.
        method: the attack; ``PGD()`` by default.
        judge: what judges a point; ``Predict(n=1000, alpha=0.001)`` by default.
        elsewhere: where model and data lie now, where the run's settings do not lead to them.
        compute: where to compute; the attack itself runs on one core of a CPU.
        out: folder for the journal, ``table.txt``, ``table.md``, ``attack.png``, ``attack.pdf`` and the broken points.
        at: distances, in units of each input's R; > 0.
        limit: how many certified inputs at most, the first ones.
        seed: of the attack's own noise.
        look: of the figure.
        progress: called now and then.

    Raises:
        ValueError: an argument is out of range.
        RunError: not a run of certify or decide, nothing in it is certified, or ``out`` cannot be used.
        ModelError: the model is not the certified one.
        UnsupportedError: attacks on the run's noise cannot be judged, or the base classifier has no gradients.
    """
    method, judge, seed = method or PGD(), judge or Predict(), integer("seed", seed)
    elsewhere, compute = elsewhere or Elsewhere(), compute or Compute()
    check_kinds({"judge": judge, "elsewhere": elsewhere, "compute": compute, "look": look})
    check_attacks("method", (method,))
    multiples, limit = checked_multiples(at), None if limit is None else integer("limit", limit, least=1)
    certified = certified_run(run)
    wanted = [(record, claim) for record in certified.records if (claim := claim_of(record)) is not None][:limit]
    if not wanted:
        raise RunError(f"{certified.path} has no certified input to attack; certify more of them")
    job = certified_job(certified, judge, elsewhere, compute)
    meaning = {"attack": method.config() | {"seed": seed}}
    manifest = manifest_of(KIND, certified, meaning, judge)
    settings = chosen(certified.path, multiples, limit, seed) | asked_of(method) | found_settings(job, compute)
    attempts = [
        Attempt(record, claim.prediction, claim.radius, method, multiple, multiple * claim.radius)
        for record, claim in wanted
        for multiple in multiples
    ]
    with AttackFolder(Path(out), manifest) as folder, Adversary(job) as adversary:
        if not adversary.has_gradient(wanted[0][0]):
            raise UnsupportedError(
                f"{job.model.source} has no gradients for PGD; noiseproof falsify also searches by scores alone"
            )
        adversary.attack(attempts, seed, folder, settings, progress)
    return write_attack(
        read_attack(Path(out)).points,
        Path(out),
        look,
        n=judge.n,
        alpha=judge.alpha,
        certificate_alpha=certified.procedure.alpha,
        data=job.data.name,
    )


def check_attacks(name: str, given: object) -> None:
    """Refuse what is no attack.

    Raises:
        ValueError: says what to write instead.
    """
    for each in given if isinstance(given, Iterable) and not isinstance(given, str) else (given,):
        if not isinstance(each, Attack):
            text = f"{name} must be made of attacks such as noiseproof.attacks.PGD(steps=20), got {each!r}"
            raise ValueError(text)  # noqa: TRY004  # one kind of error for every argument


def checked_multiples(at: float | Sequence[float]) -> tuple[float, ...]:
    """The distances asked for, in order.

    Raises:
        ValueError: one is none, or there is none.
    """
    given = (at,) if isinstance(at, int | float | str) else tuple(at)
    multiples = tuple(sorted({real("at", each) for each in given}))
    if not multiples or not all(0 < multiple < float("inf") for multiple in multiples):
        raise ValueError(f"at must be multiples of the radius, > 0 and finite, got {list(given)}")
    return multiples

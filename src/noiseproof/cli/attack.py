"""``noiseproof attack`` and ``noiseproof falsify``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from noiseproof.cli.flags import Spread
from noiseproof.cli.records import AnyLook, FoundElsewhere, JudgedOn, numbers
from noiseproof.procedures import Predict

if TYPE_CHECKING:
    from noiseproof.reports.attack import AttackReport
    from noiseproof.reports.falsify import FalsifyReport

Judge = Annotated[Predict, Spread("Judge")]
At = Annotated[str, "Distances: multiples of each input's certified radius."]
Seed = Annotated[int, "Of the attack's noise; judgements take theirs from the operating system."]


def attack(
    run: Path,
    /,
    elsewhere: FoundElsewhere,
    compute: JudgedOn,
    judge: Judge,
    look: AnyLook,
    *,
    out: Path,
    at: At = "1,1.5,2",
    limit: int | None = None,
    steps: int = 20,
    draws: int = 64,
    step: float | None = None,
    fresh: bool = False,
    clip: bool = True,
    seed: Seed = 0,
) -> int:
    """Attack a run's certified inputs, at and beyond their radii. Exits 1 if one breaks within its radius.

    Args:
        run: Run folder of certify or decide.
        out: Folder; the same line again resumes in it.
        limit: The first so many certified inputs.
        steps: Gradient steps of the attack.
        draws: Noisy copies each gradient is taken over.
        step: L2 length of a step; by default 2 distance / steps.
        fresh: New noise in every step, not one kept.
        clip: Stay in [0, 1], as pictures do.
    """
    multiples = numbers("at", at)
    from noiseproof.attacks import PGD
    from noiseproof.progress import ProgressBar
    from noiseproof.runners.attack import attack as attack_run

    method = PGD(steps=steps, draws=draws, step=step, fresh=fresh, clip=clip)
    with ProgressBar("attack") as bar:
        found = attack_run(
            run, method, judge, elsewhere, compute, at=multiples, limit=limit, seed=seed, out=out, look=look,
            progress=bar.show,
        )  # fmt: skip
    return _say(found)


def falsify(
    run: Path,
    /,
    elsewhere: FoundElsewhere,
    compute: JudgedOn,
    judge: Judge,
    look: AnyLook,
    *,
    out: Path | None = None,
    at: At = "0.5,0.9,1,1.5,2",
    limit: int | None = None,
    seed: Seed = 0,
) -> int:
    """Try to show that certificates are false, by all attacks there are. Exits 1 if one breaks within its radius.

    Args:
        run: Run folder of certify or decide.
        out: Folder, by default RUN-falsify; resumes in it.
        limit: The first so many inputs of the run.
    """
    multiples = numbers("at", at)
    from noiseproof.progress import ProgressBar
    from noiseproof.runners.falsify import falsify as falsify_run

    with ProgressBar("falsify") as bar:
        found = falsify_run(
            run, judge, elsewhere, compute, at=multiples, limit=limit, seed=seed, out=out, look=look, progress=bar.show
        )
    return _say(found)


def _say(found: AttackReport | FalsifyReport) -> int:
    print(found.text)
    print("written: " + ", ".join(str(path) for path in found.files))
    if found.contradiction:
        print(f"noiseproof: {found.contradiction}", file=sys.stderr)
    return 1 if found.contradiction else 0

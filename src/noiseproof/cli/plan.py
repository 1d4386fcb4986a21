"""``noiseproof plan``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from noiseproof.asked import PARTLY, Subject
from noiseproof.asked.options import line
from noiseproof.cli.flags import Spread
from noiseproof.cli.records import Alpha, AnyCompute, Rng, Seed
from noiseproof.noises import NOISES, Noise


def plan(
    noise: Annotated[Noise | None, Spread("Noise", NOISES, "noise", NOISES), "Family of the noise; its flags follow."],
    subject: Annotated[Subject | None, Spread("Subject", without=PARTLY)],
    compute: AnyCompute,
    *,
    radius: float | None = None,
    radii: str | None = None,
    acr: bool = False,
    n: int | None = None,
    alpha: Alpha = 0.001,
    pilot: int = 20,
    pilot_draws: int | None = None,
    seconds: float = 3.0,
    within: str | None = None,
    devices: int = 1,
    out: Path | None = None,
    compare: tuple[Path, Path] | None = None,
    seed: Seed = 0,
    rng: Rng = "philox",
) -> None:
    """Say what n buys which radius, and what a run will cost here, before it is made; compare it afterwards.

    Without --model and --data: what n buys.

    Args:
        radius: Target: is this L2 radius certified?
        radii: Target: the largest of START:STOP:STEP (or a,b,c).
        acr: Target: every input's full radius, as it is where none is given.
        n: Draws of an input at most; by default 100000, more where the radius needs more.
        pilot: Inputs that are tried.
        pilot_draws: Draws of each of them; by default 200, or up to 1000.
        seconds: Time the draws for so long at least.
        within: Say how many devices finish in 90s, 30m, 2h, 1.5d.
        devices: Devices that share the inputs.
        out: File to keep the plan in, .json.
        compare: Hold a kept plan against the run that followed: FILE.json RUN.
    """
    if compare is not None:
        _compare(*compare, alone=noise is None and subject is None)
        return
    if noise is None:
        raise ValueError("--sigma must be given (or --compare FILE.json RUN)")
    if devices < 1:
        raise ValueError(f"devices must be >= 1, got {devices}")
    if pilot < 1:
        raise ValueError(f"pilot must be >= 1, got {pilot}")
    time_left = None if within is None else _seconds(within)

    from noiseproof.analysis.plan import Target, draws_for
    from noiseproof.procedures.radii import parse_radii
    from noiseproof.reports.plan import plan_text, radii_text

    target = Target.of(radius, None if radii is None else parse_radii(radii), acr=acr)
    draws_for(target, noise, alpha, n)  # refuses before anything is printed
    unit = ""
    if subject is not None:
        from noiseproof.runners.resolve import data_of

        subject = replace(subject, data=data_of(subject))
        unit = subject.data.scaling.unit if subject.data.scaling is not None else ""
    print(radii_text(noise, alpha=alpha, radii=target.radii, unit=unit))
    if subject is None:
        if out is not None:
            raise ValueError("--out keeps what a run will cost; give --model and --data too")
        print("next: give --model and --data (and a target) to see what it will cost")
        return

    from noiseproof.progress import ProgressBar
    from noiseproof.runners.plan import plan as make
    from noiseproof.store.manifest import check_place, write_text

    check_place(out, "--out")
    with ProgressBar("plan") as bar:
        made = make(
            noise, subject, compute, target=target, n=n, alpha=alpha, pilot=pilot, pilot_draws=pilot_draws,
            seconds=seconds, seed=seed, rng=rng, progress=bar.show,
        )  # fmt: skip
    if out is not None:
        write_text(out, made.text())
    print("\n" + plan_text(made, devices=devices, within=time_left))
    if out is not None:
        print(f"written: {out}; after the run: {line('plan', {'compare': [str(out), 'RUN']})}")


def _compare(stored: Path, run: Path, *, alone: bool) -> None:
    if not alone:
        raise ValueError("--compare takes a kept plan and a run folder; leave --sigma, --model and --data out")
    from noiseproof.analysis.plan import read_plan
    from noiseproof.analysis.plan_outcome import plan_outcome
    from noiseproof.reports.plan import outcome_text
    from noiseproof.store.run import read_run

    made = read_plan(stored)
    print(outcome_text(made, plan_outcome(made, read_run(run))))


def _seconds(text: str) -> float:
    """A time such as 90s, 30m, 2h or 1.5d, in seconds."""
    units = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
    number = text.strip().rstrip("smindh")
    unit = text.strip()[len(number) :]
    try:
        found = float(number) * units[unit]
    except (ValueError, KeyError):
        raise ValueError(f"within must be a time such as 90s, 30m, 2h or 1.5d, got {text!r}") from None
    if not 0 < found < float("inf"):
        raise ValueError(f"within must be > 0, got {text!r}")
    return found

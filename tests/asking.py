"""Runs asked for in one flat list of settings, so that a test names what it is about and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

from noiseproof.asked import Asked, Compute, Elsewhere, Subject, Training
from noiseproof.noises import Gaussian
from noiseproof.procedures import (
    Anytime,
    Certify,
    Curve,
    Decide,
    Predict,
    Procedure,
    Sequential,
    SequentialPredict,
)


def taken(record: type, settings: dict[str, Any]) -> Any:
    """The record that these settings make; they are taken out of the table."""
    names = [each.name for each in fields(record)]
    return record(**{name: settings.pop(name) for name in names if name in settings})


def asked(procedure: Procedure, **settings: Any) -> Asked:
    noise, subject, compute = (taken(record, settings) for record in (Gaussian, Subject, Compute))
    return Asked(procedure=procedure, noise=noise, subject=subject, compute=compute, **settings)


def job(procedure: Procedure, **settings: Any) -> Any:
    from noiseproof.runners.resolve import resolve

    return resolve(asked(procedure, **settings))


def certify(*, procedure: str = "certify", **settings: Any) -> Any:
    made = (
        Curve
        if settings.get("radii") is not None
        else {"certify": Certify, "sequential": Sequential, "curve": Curve}[procedure]
    )
    return _run(made, settings)


def decide(*, test: str = "group-sequential", **settings: Any) -> Any:
    return _run({"group-sequential": Decide, "anytime": Anytime}[test], settings)


def predict(*, procedure: str = "predict", **settings: Any) -> Any:
    return _run({"predict": Predict, "sequential": SequentialPredict}[procedure], settings)


def _run(made: type[Procedure], given: dict[str, Any]) -> Any:
    import noiseproof

    settings = {name: value for name, value in given.items() if value is not None or name == "grid"}
    out, progress = settings.pop("out"), settings.pop("progress", None)
    said = asked(taken(made, settings), **settings)
    return noiseproof.run(
        said.procedure, said.noise, said.subject, said.compute, out=out, progress=progress,
        seed=said.seed, rng=said.rng, budget=said.budget, common_noise=said.common_noise,
    )  # fmt: skip


def train(*, out: Any, progress: Callable[..., None] | None = None, **settings: Any) -> Any:
    import noiseproof

    return noiseproof.train(Training(**settings), out=out, progress=progress)


def doctor(**settings: Any) -> Any:
    import noiseproof

    noise = taken(Gaussian, settings) if "sigma" in settings else None
    subject, compute = taken(Subject, settings), taken(Compute, settings)
    return noiseproof.doctor(subject, noise, compute, **settings)


def bench(**settings: Any) -> Any:
    from noiseproof.runners.bench import bench as measure

    settings.setdefault("sigma", 0.5)
    settings.setdefault("data", None)
    subject, noise, compute = (taken(record, settings) for record in (Subject, Gaussian, Compute))
    return measure(subject, noise, compute, **settings)


def attack(run: Any, *, method: Any = None, **settings: Any) -> Any:
    from noiseproof import attack as attack_run

    judge, elsewhere, compute = (taken(record, settings) for record in (Predict, Elsewhere, Compute))
    return attack_run(run, method, judge, elsewhere, compute, **settings)


def falsify(run: Any, **settings: Any) -> Any:
    from noiseproof import falsify as falsify_run

    judge, elsewhere, compute = (taken(record, settings) for record in (Predict, Elsewhere, Compute))
    return falsify_run(run, judge, elsewhere, compute, **settings)


def redraw(run: Any, count: int, *, progress: Callable[..., None] | None = None, **settings: Any) -> Any:
    from noiseproof.runners.redraw import redraw as redraw_run

    elsewhere, compute = taken(Elsewhere, settings), taken(Compute, settings)
    return redraw_run(run, count, elsewhere, compute, progress=progress, **settings)


def plan(**settings: Any) -> Any:
    from noiseproof.analysis.plan import Target
    from noiseproof.runners.plan import plan as make

    target = Target.of(settings.pop("radius", None), settings.pop("radii", None), acr=settings.pop("acr", False))
    subject, noise, compute = (taken(record, settings) for record in (Subject, Gaussian, Compute))
    return make(noise, subject, compute, target=target, **settings)

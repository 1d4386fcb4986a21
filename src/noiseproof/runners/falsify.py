"""The falsifier: every attack there is on a run's inputs, and the sandwich in which the truth lies."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from noiseproof.analysis.sandwich import Sandwich, sandwich
from noiseproof.arguments import integer
from noiseproof.attacks import ATTACKS
from noiseproof.errors import RunError
from noiseproof.procedures import Predict
from noiseproof.reports.attack import contradiction_text
from noiseproof.reports.falsify import (
    attack_rows,
    contradiction_record,
    distance_table,
    draw_sandwich,
    sandwich_radii,
    sandwich_table,
)
from noiseproof.runners.attack import checked_multiples
from noiseproof.runners.campaign import AttackProgress, Campaign, Shot
from noiseproof.runners.certified import certified_input, certified_job, certified_run, claim_of
from noiseproof.store import Manifest
from noiseproof.store.attacks import KIND_FALSIFY, Attacked, AttackFolder, broken_place, read_attack
from noiseproof.store.manifest import write_text
from noiseproof.types import Record
from noiseproof.version import __version__

if TYPE_CHECKING:
    from noiseproof.attacks import Attack
    from noiseproof.data import DataSet
    from noiseproof.runners.job import Job
    from noiseproof.runners.local import Model

DEFAULT_AT = (0.5, 0.9, 1.0, 1.5, 2.0)


@dataclass(frozen=True)
class FalsifyReport:
    """What the falsifier found.

    Attributes:
        points: every judged point of the folder.
        sandwich: certified and empirical accuracy of the inputs that were attacked.
        text: the tables, for a terminal.
        contradiction: what to say of certificates that were broken within their radius; empty where none was.
        files: what was written.
    """

    points: tuple[Attacked, ...]
    sandwich: Sandwich
    text: str
    contradiction: str
    files: tuple[Path, ...]


def falsify(
    run: str | Path,
    *,
    out: str | Path | None = None,
    at: Sequence[float] = DEFAULT_AT,
    limit: int | None = None,
    attacks: Sequence[Attack] = ATTACKS,
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
) -> FalsifyReport:
    """Try to show that a run's certificates are false: all attacks, inside the certified balls and beyond.

    A break is judged as in ``attack``; within a certified radius it is a contradiction. Inputs of which nothing is
    certified are attacked too, for the upper slice of the sandwich. Attacks that need gradients are left out where
    the base classifier has none. The same call again resumes; more multiples or inputs extend.

    Args:
        run: a run folder of certify or decide.
        out: folder for the journal, the report, the figure and what broke; by default RUN-falsify, beside the run.
        at: distances, in units of each input's certified radius R; > 0.
        limit: how many inputs of the run at most, the first ones.
        attacks: what to try, in this order.
        n: draws of a judgement.
        alpha: its failure probability.
        seed: of the attacks' own noise.
        model: the certified model, where the run's settings do not lead to it.
        data: the data set, likewise.
        root: where data sets lie; by default as in the run.
        device: "auto", "cpu", "cuda", ...
        batch_size: rows a forward pass.
        workers: batches judged at once; the attacks themselves run on one core of a CPU.
        progress: called now and then.

    Raises:
        ValueError: an argument is out of range.
        RunError: not a run of certify or decide, nothing in it is certified, or ``out`` cannot be used.
        ModelError: the model is not the certified one.
        UnsupportedError: attacks on the run's noise cannot be judged.
    """
    path = Path(run)
    out = path.absolute().with_name(f"{path.absolute().name}-falsify") if out is None else Path(out)
    judged_by, seed, multiples = Predict(n=n, alpha=alpha), integer("seed", seed), checked_multiples(at)
    limit = None if limit is None else integer("limit", limit, least=1)
    labels = [each.label for each in attacks]
    if not labels or len(set(labels)) < len(labels):
        raise ValueError(f"attacks must be one or more of different names, got {labels}")
    certified = certified_run(path)
    records = certified.records[:limit]
    if not any(claim_of(record) for record in records):
        raise RunError(f"{run} has no certified input to attack; certify more of them")
    asked = certified_job(certified, judged_by, model, data, root, device, batch_size, workers)
    manifest = Manifest(
        KIND_FALSIFY,
        {
            "run": certified.manifest.meaning_hash,
            "model": certified.manifest.meaning["model"],
            "attacks": {each.label: each.config() for each in attacks},
            "seed": seed,
            "judge": judged_by.config(),
        },
        __version__,
    )
    settings = {
        "run": str(run),
        "at": ",".join(map(repr, multiples)),
        "limit": limit,
        "n": judged_by.n,
        "alpha": judged_by.alpha,
        "seed": seed,
        "model": asked.settings["model"],
        "root": None if root is None else str(root),
        "device": device,
        "batch_size": batch_size,
        "workers": workers,
    }
    settings = {name: value for name, value in settings.items() if value is not None}
    with AttackFolder(out, manifest) as folder, Campaign(asked) as campaign:
        usable, left_out = list(attacks), list[str]()
        if any(each.needs_gradient for each in usable) and not campaign.has_gradient(records[0]):
            usable = [each for each in attacks if not each.needs_gradient]
            left_out = [each.label for each in attacks if each.needs_gradient]
        shots = list(_shots(records, usable, multiples, asked.noise.sigma))
        campaign.serve(shots, seed, folder, settings, progress, once_broken=False)
    wanted = {record.key for record in records}
    points = tuple(point for point in read_attack(out, KIND_FALSIFY).points if point.key in wanted)
    order = {name: i for i, name in enumerate(labels)}
    points = tuple(sorted(points, key=lambda point: order[point.attack]))
    return _report(out, asked, records, points, multiples, left_out, certified.procedure.alpha, asked.noise.sigma)


def _shots(
    records: Sequence[Record], attacks: Sequence[Attack], multiples: tuple[float, ...], sigma: float
) -> list[Shot]:
    """What to shoot, the attacks in order, each from the nearest distance on."""
    shots: list[Shot] = []
    # what nothing is certified of has no ball: one attack, the first that looks beyond a ball
    beyond = [each for each in attacks if each.distances != "radius"]
    for attack in attacks:
        at = {"each": multiples, "largest": multiples[-1:], "radius": (1.0,)}[attack.distances]
        for multiple in at:
            for record in records:
                claim = claim_of(record)
                if claim is None:
                    if attack is beyond[0] and record.outcome.abstained and record.label is not None:
                        shots.append(Shot(record, record.label, 0.0, attack, multiple, multiple * sigma))
                    continue
                # the smallest perturbation is looked for as far as the noise reaches
                most = max(claim.radius, sigma) if attack.distances == "largest" else claim.radius
                shots.append(Shot(record, claim.prediction, claim.radius, attack, multiple, multiple * most))
    return shots


def _report(
    out: Path,
    asked: Job,
    records: Sequence[Record],
    points: tuple[Attacked, ...],
    multiples: tuple[float, ...],
    left_out: list[str],
    certificate_alpha: float,
    sigma: float,
) -> FalsifyReport:
    assert isinstance(asked.procedure, Predict)
    judged_by = asked.procedure
    found = sandwich(records, points)
    radii = sandwich_radii(found, sigma)
    tables = [
        distance_table(points, multiples, n=judged_by.n, alpha=judged_by.alpha),
        attack_rows(points),
        sandwich_table(found, radii),
    ]
    notes = []
    if left_out:
        notes.append(f"The base classifier has no gradients: {', '.join(left_out)} left out.")
    contradiction = contradiction_text(points, certificate_alpha=certificate_alpha, judge_alpha=judged_by.alpha)
    notes.append(contradiction or "No certificate was contradicted.")
    text, markdown, plain = out / "report.txt", out / "report.md", out / "report.json"
    said = "\n\n".join([*(table.text() for table in tables), *notes])
    write_text(text, said + "\n")
    write_text(
        markdown,
        "\n\n".join(["# Falsifier", *(table.markdown() for table in tables), "![sandwich](sandwich.png)", *notes])
        + "\n",
    )
    contradictions, kept = _keep_contradictions(out, asked, records, points)
    write_text(
        plain,
        _json(
            {
                "inputs": len(records),
                "broken": [dict(zip(tables[0].header, row, strict=True)) for row in tables[0].rows],
                "attacks": [dict(zip(tables[1].header, row, strict=True)) for row in tables[1].rows],
                "left out": left_out,
                "sandwich": {
                    "radii": list(radii),
                    "certified": found.lower(radii).tolist(),
                    "empirical": found.upper(radii).tolist(),
                },
                "points": [asdict(point) | {"broken": point.broken} for point in points],
                "contradictions": contradictions,
            }
        ),
    )
    figures = [draw_sandwich(found, out / f"sandwich.{suffix}") for suffix in ("png", "pdf")]
    return FalsifyReport(points, found, said, contradiction, (text, markdown, plain, *figures, *kept))


def _keep_contradictions(
    out: Path, asked: Job, records: Sequence[Record], points: Sequence[Attacked]
) -> tuple[list[dict[str, Any]], list[Path]]:
    """Input, perturbation, keys and counts of each, as JSON and as arrays."""
    by_key = {record.key: record for record in records}
    said, files = [], []
    for point in points:
        if not point.contradicts:
            continue
        clean = certified_input(asked, by_key[point.key])
        moved = np.load(out / broken_place(point, KIND_FALSIFY))
        one = contradiction_record(point, by_key[point.key], clean, moved)
        place = out / "contradictions" / broken_place(point, KIND_FALSIFY).stem
        try:
            place.parent.mkdir(exist_ok=True)
            np.savez(place.with_name(f"{place.name}.npz"), input=clean, found=moved, perturbation=moved - clean)
        except OSError as error:
            raise RunError(f"cannot write {place}: {error.strerror}; make room and run the same line again") from None
        write_text(place.with_name(f"{place.name}.json"), _json(one))
        files += [place.with_name(f"{place.name}.json"), place.with_name(f"{place.name}.npz")]
        said.append(one)
    return said, files


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=1, allow_nan=False) + "\n"

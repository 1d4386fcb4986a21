"""What the falsifier found: breaks at each distance, each attack's share in them, and the sandwich."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from noiseproof.analysis.sandwich import sandwich
from noiseproof.asked.look import SCREEN, Look
from noiseproof.errors import RunError
from noiseproof.reports.attack import AttackReport, contradiction_text, interval
from noiseproof.reports.figures import check_suffix, save_figure
from noiseproof.reports.look import COLOURS, DASHES, new_axes, place_legend
from noiseproof.reports.tables import Table
from noiseproof.reports.units import INPUT_UNITS, Units
from noiseproof.store.attacks import KIND_FALSIFY, broken_place
from noiseproof.store.manifest import write_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from noiseproof.analysis.sandwich import Sandwich
    from noiseproof.store.attacks import Attacked
    from noiseproof.types import Record


@dataclass(frozen=True, repr=False)
class FalsifyReport(AttackReport):
    """What the falsifier found.

    Attributes:
        sandwich: certified and empirical accuracy of the inputs that were attacked.
    """

    sandwich: Sandwich


def distance_table(points: Sequence[Attacked], multiples: Sequence[float], *, n: int, alpha: float) -> Table:
    """One row a distance: certified inputs attacked, and those that any attack broke there or nearer.

    Args:
        points: judged points.
        multiples: of the radius.
        n: draws of a judgement.
        alpha: its failure probability.

    Raises:
        ValueError: no point about a certified input.
    """
    nearest = _nearest(points)
    if not nearest:
        raise ValueError("points must be about one certified input at least, got none")
    m, rows = len(nearest), []
    for multiple in multiples:
        broken = sum(distance <= multiple for distance in nearest.values())
        lower, upper = interval(broken, m)
        rows.append((f"{multiple:g} R", f"{m}", f"{broken}", f"{broken / m:.1%}", f"{lower:.1%} to {upper:.1%}"))
    return Table(
        header=("distance", "certified inputs", "broken", "share broken", "95% interval"),
        rows=tuple(rows),
        caption=(
            "Broken: at this distance or nearer, in units of the input's certified radius R (L2), some attack found a "
            f"point where PREDICT (n = {n}, alpha = {alpha:g}) returns another class on fresh noise; within R only if "
            "it says so twice.",
            "Beyond R a stronger attack may find more; within R none may.",
        ),
    )


def attack_rows(points: Sequence[Attacked]) -> Table:
    """One row an attack: points judged, broken, broken within R, the nearest break in units of R, seconds a point."""
    rows = []
    for name in dict.fromkeys(point.attack for point in points):
        mine = [point for point in points if point.attack == name]
        broken = [point for point in mine if point.broken]
        near = [point.distance / point.radius for point in broken if point.radius > 0]
        rows.append(
            (
                name,
                f"{len(mine)}",
                f"{len(broken)}",
                f"{sum(point.contradicts for point in mine)}",
                f"{np.median(near):.2f} R" if near else "-",
                f"{sum(point.seconds for point in mine) / len(mine):.2f}",
            )
        )
    return Table(
        header=("attack", "points", "broken", "within R", "median distance", "seconds a point"),
        rows=tuple(rows),
        caption=(
            "An attack is not used at distances at which an earlier one broke the input: its count is what it added.",
            "Median distance: of the certified inputs it broke.",
        ),
    )


def sandwich_radii(found: Sandwich, sigma: float) -> tuple[float, ...]:
    """Round radii for a table: steps of sigma / 2 up to where nothing more is known, twelve at most."""
    step = sigma / 2
    while found.reach / step > 11:
        step *= 2
    return tuple(i * step for i in range(ceil(found.reach / step) + 1))


def sandwich_table(found: Sandwich, radii: Sequence[float], units: Units = INPUT_UNITS) -> Table:
    """One row a radius: certified accuracy, empirical accuracy, and the gap in which the truth lies."""
    return Table(
        header=("radius", "certified", "empirical", "gap"),
        rows=tuple(
            (f"{r:g}", f"{low:.1%}", f"{high:.1%}", f"{high - low:.1%}")
            for r, low, high in zip(radii, found.lower(radii), found.upper(radii), strict=True)
        ),
        caption=(
            f"Shares of {found.m} inputs, L2 radius ({units.name}).",
            "Certified: right and certified at least this far. Empirical: no attack found another class within it.",
            "The smoothed classifier's true robust accuracy on these inputs lies between the two.",
        ),
    )


def draw_sandwich(found: Sandwich, path: str | Path, look: Look = SCREEN, units: Units = INPUT_UNITS) -> Path:
    """The figure of ``sandwich_figure``, written by ``save_figure``."""
    check_suffix(path)  # before the work
    return save_figure(sandwich_figure(found, look, units), path)


def sandwich_figure(found: Sandwich, look: Look = SCREEN, units: Units = INPUT_UNITS) -> Figure:
    """Certified and empirical accuracy against the radius, the room for the truth shaded.

    Args:
        found: the two curves.
        look: title, size, shares shown.
        units: of the radius.
    """
    right = 1.05 * found.reach or 1.0
    steps = np.concatenate([found.certified, found.broken])
    inside = steps[(steps > 0) & (steps < right)]
    corners = [np.nextafter(inside, 0), inside, np.nextafter(inside, np.inf)]
    radii = np.unique(np.concatenate([[0.0, right], *corners]))
    lower, upper = found.lower(radii), found.upper(radii)
    figure, axes = new_axes(f"Robust accuracy of the smoothed classifier ({found.m} inputs)", look)
    axes.fill_between(radii, lower, upper, color="0.88", linewidth=0, label="the truth lies here")
    axes.plot(radii, upper, color=COLOURS[1], linestyle=DASHES[1], linewidth=1.6, label="empirical: no attack broke it")
    axes.plot(radii, lower, color=COLOURS[0], linewidth=1.6, label="certified")
    wrong = lower > upper
    if wrong.any():
        axes.fill_between(
            radii, lower, upper, where=wrong.tolist(), color="#CC0000", alpha=0.5, linewidth=0, label="contradiction"
        )
    axes.set(xlim=(0, right), xlabel=f"L2 radius ({units.name})")
    axes.set(ylim=look.shares, ylabel="share of inputs")
    place_legend(figure, list(zip(*axes.get_legend_handles_labels(), strict=True)), look)
    return figure


def contradiction_record(
    point: Attacked, record: Record, clean: NDArray[np.float64], found: NDArray[np.float64]
) -> dict[str, Any]:
    """A broken certificate for the record: keys, both counts, the input and the perturbation, as plain values."""
    return {
        "input": {"key": record.key, "index": record.index, "label": record.label},
        "certified": {
            "outcome": {"class": point.certified, "radius": point.radius},
            "counts": [{"stage": a.stage, "n": a.n, "votes": list(a.votes)} for a in record.answers],
        },
        "found": {
            "attack": point.attack,
            "class": point.prediction,
            "distance": point.distance,
            "judged with": point.arithmetic,
            "counts": {"n": point.n, "votes": list(point.votes), "seed": point.seed, "p_value": point.p_value},
            "again": None if point.again is None else asdict(point.again),
        },
        "perturbation": {
            "l2": float(np.linalg.norm(found - clean)),
            "linf": float(np.abs(found - clean).max()),
            "coordinates": int(np.count_nonzero(found - clean)),
        },
    }


def write_falsify(
    records: Sequence[Record],
    points: tuple[Attacked, ...],
    folder: Path,
    look: Look = SCREEN,
    *,
    multiples: Sequence[float],
    left_out: Sequence[str],
    n: int,
    alpha: float,
    certificate_alpha: float,
    sigma: float,
    clean: Callable[[Record], NDArray[np.float64]],
    unit: str = "",
) -> FalsifyReport:
    """Write ``report.txt``, ``.md`` and ``.json``, ``sandwich.png`` and ``.pdf``, and what broke within its radius.

    Args:
        records: the inputs that were attacked.
        points: judged points, each about one of them.
        folder: where to, which has the points that broke.
        look: of the figure.
        multiples: of the radius.
        left_out: attacks that could not be used.
        n: draws of a judgement.
        alpha: its failure probability.
        certificate_alpha: failure probability of a certificate.
        sigma: of the noise.
        clean: the picture of a record.
        unit: what radii are measured in, where inputs are no pixels.

    Raises:
        RunError: the folder cannot be written.
    """
    found, units = sandwich(records, points), Units(unit=unit)
    radii = sandwich_radii(found, sigma)
    tables = [
        distance_table(points, multiples, n=n, alpha=alpha),
        attack_rows(points),
        sandwich_table(found, radii, units),
    ]
    contradiction = contradiction_text(points, certificate_alpha=certificate_alpha, judge_alpha=alpha)
    notes = [contradiction or "No certificate was contradicted."]
    if left_out:
        notes.insert(0, f"The base classifier has no gradients: {', '.join(left_out)} left out.")
    text, markdown, plain = folder / "report.txt", folder / "report.md", folder / "report.json"
    write_text(text, "\n\n".join([*(table.text() for table in tables), *notes]) + "\n")
    laid_out = ["# Falsifier", *(table.markdown() for table in tables), "![sandwich](sandwich.png)", *notes]
    write_text(markdown, "\n\n".join(laid_out) + "\n")
    contradictions, kept = _keep_contradictions(folder, records, points, clean)
    everything = {
        "inputs": len(records),
        "broken": [dict(zip(tables[0].header, row, strict=True)) for row in tables[0].rows],
        "attacks": [dict(zip(tables[1].header, row, strict=True)) for row in tables[1].rows],
        "left out": list(left_out),
        "sandwich": {
            "radii": list(radii),
            "certified": found.lower(radii).tolist(),
            "empirical": found.upper(radii).tolist(),
        },
        "points": [asdict(point) | {"broken": point.broken} for point in points],
        "contradictions": contradictions,
    }
    write_text(plain, _json(everything))
    figures = [draw_sandwich(found, folder / f"sandwich.{suffix}", look, units) for suffix in ("png", "pdf")]
    said = "\n\n".join([*(table.screen() for table in tables), *notes])
    return FalsifyReport(said, (text, markdown, plain, *figures, *kept), points, contradiction, found)


def _keep_contradictions(
    folder: Path, records: Sequence[Record], points: Sequence[Attacked], clean: Callable[[Record], NDArray[np.float64]]
) -> tuple[list[dict[str, Any]], list[Path]]:
    """Input, perturbation, keys and counts of each, as JSON and as arrays."""
    by_key = {record.key: record for record in records}
    said, files = [], []
    for point in points:
        if not point.contradicts:
            continue
        x = clean(by_key[point.key])
        moved = np.load(folder / broken_place(point, KIND_FALSIFY))
        one = contradiction_record(point, by_key[point.key], x, moved)
        place = folder / "contradictions" / broken_place(point, KIND_FALSIFY).stem
        try:
            place.parent.mkdir(exist_ok=True)
            np.savez(place.with_name(f"{place.name}.npz"), input=x, found=moved, perturbation=moved - x)
        except OSError as error:
            raise RunError(f"cannot write {place}: {error.strerror}; make room and run the same line again") from None
        write_text(place.with_name(f"{place.name}.json"), _json(one))
        files += [place.with_name(f"{place.name}.json"), place.with_name(f"{place.name}.npz")]
        said.append(one)
    return said, files


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=1, allow_nan=False) + "\n"


def _nearest(points: Sequence[Attacked]) -> dict[str, float]:
    """Of each certified input, the nearest break in units of R; inf where there is none."""
    nearest: dict[str, float] = {}
    for point in points:
        if point.radius > 0:
            here = _multiple(point) if point.broken else np.inf
            nearest[point.key] = min(here, nearest.get(point.key, np.inf))
    return nearest


def _multiple(point: Attacked) -> float:
    """The distance of a point in units of R; not above 1 if it is within R, whatever the division rounds to."""
    return min(point.distance / point.radius, 1.0) if point.distance <= point.radius else point.distance / point.radius

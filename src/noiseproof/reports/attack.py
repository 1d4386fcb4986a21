"""What an attack found: the share of certified inputs broken at each distance, as a table and a figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from noiseproof.asked.look import SCREEN, Look
from noiseproof.reports.figures import check_suffix, save_figure
from noiseproof.reports.files import Written
from noiseproof.reports.look import COLOURS, new_axes, place_legend
from noiseproof.reports.tables import Table
from noiseproof.stats import clopper_pearson_lower, clopper_pearson_upper
from noiseproof.store.manifest import write_text
from noiseproof.types import ABSTAIN

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

    from noiseproof.store.attacks import Attacked

PUBLISHED = {1.5: 0.17, 2.0: 0.53}
"""Share broken at a multiple of R in Cohen et al. 2019, section 4.3 (ImageNet, sigma .25, right answers only)."""

PUBLISHED_ON = "imagenet"
"""In the name of a data set: of others the published shares say nothing."""

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Broken:
    """How an attack did at one distance.

    Attributes:
        multiple: the distance allowed, in units of each input's certified radius.
        attacked: inputs.
        broken: those of another class there, confidently.
        abstained: those PREDICT could not say of; they are not broken.
        lower: exact (Clopper-Pearson) lower end of the 95% confidence interval of the share broken.
        upper: its upper end.
    """

    multiple: float
    attacked: int
    broken: int
    abstained: int
    lower: float
    upper: float

    @property
    def share(self) -> float:
        """Broken inputs of those attacked."""
        return self.broken / self.attacked


def interval(count: int, of: int) -> tuple[float, float]:
    """The exact (Clopper-Pearson) 95% confidence interval of a share."""
    side = (1 - CONFIDENCE) / 2
    return clopper_pearson_lower(count, of, side), clopper_pearson_upper(count, of, side)


def broken_shares(points: Sequence[Attacked]) -> tuple[Broken, ...]:
    """The judged points counted, a multiple an entry, in order."""
    found = []
    for multiple in sorted({point.multiple for point in points}):
        here = [point for point in points if point.multiple == multiple]
        broken, attacked = sum(point.broken for point in here), len(here)
        abstained = sum(point.prediction == ABSTAIN for point in here)
        found.append(Broken(multiple, attacked, broken, abstained, *interval(broken, attacked)))
    return tuple(found)


@dataclass(frozen=True, repr=False)
class AttackReport(Written):
    """What an attack found.

    Attributes:
        points: every judged point of the folder.
        contradiction: what to say of certificates that were broken within their radius; empty where none was.
    """

    points: tuple[Attacked, ...]
    contradiction: str


def attack_table(points: Sequence[Attacked], *, n: int, alpha: float, data: str) -> Table:
    """One row a distance: inputs attacked, broken and abstained, the share broken and its interval.

    Args:
        points: judged points.
        n: draws of a judgement.
        alpha: its failure probability.
        data: name of the data set; beside ImageNet stand the published shares.

    Raises:
        ValueError: no points.
    """
    if not points:
        raise ValueError("points must be at least one, got none; attack a run with certified inputs")
    published = PUBLISHED_ON in data
    rows = tuple(
        (
            f"{at.multiple:g} R",
            f"{at.attacked}",
            f"{at.broken}",
            f"{at.abstained}",
            f"{at.share:.1%}",
            f"{at.lower:.1%} to {at.upper:.1%}",
            *([f"{PUBLISHED[at.multiple]:.0%}" if at.multiple in PUBLISHED else "-"] if published else []),
        )
        for at in broken_shares(points)
    )
    return Table(
        header=(
            "distance",
            "attacked",
            "broken",
            "abstained",
            "share broken",
            "95% interval",
            *["published"] * published,
        ),
        rows=rows,
        caption=(
            "Distance: the most the attack may move an input, in units of its certified radius R (L2).",
            f"Broken: on fresh noise the smoothed classifier returns another class (PREDICT, n = {n}, "
            f"alpha = {alpha:g}).",
            "A share is what this attack found: a stronger one may find more beyond R, none may within R.",
            "Interval: exact (Clopper-Pearson), for inputs like these.",
            *[
                "Published: Cohen et al. 2019, section 4.3, on correctly classified ImageNet inputs at sigma 0.25: "
                "another model and n."
            ]
            * published,
        ),
    )


def contradiction_text(points: Sequence[Attacked], *, certificate_alpha: float, judge_alpha: float) -> str:
    """The alarm, or nothing: certified inputs that were broken within their certified radius.

    Args:
        points: judged points.
        certificate_alpha: failure probability of a certificate.
        judge_alpha: failure probability of a judgement.
    """
    wrong = [point for point in points if point.contradicts]
    if not wrong:
        return ""
    inside = [point for point in points if 0 < point.radius >= point.distance]
    # a break within a radius is judged twice, on noise of two seeds
    chance = len({point.key for point in inside}) * certificate_alpha
    chance += sum(point.tried for point in inside) * judge_alpha**2
    lines = [
        f"CONTRADICTION: {len(wrong)} of {len(inside)} points within a certified radius are of another class.",
        *(f"  {contradiction_line(point)}" for point in wrong),
        f"Chance explains {chance:.2g} on average at most; more means that certificates are false, by a base "
        "classifier that breaks its contract or by a fault in noiseproof.",
    ]
    return "\n".join(lines)


def contradiction_line(point: Attacked) -> str:
    """One broken certificate: what was certified, what was found where, and what was voted there."""
    again = "" if point.again is None else f"; again {list(point.again.votes)}, seed {point.again.seed}"
    return (
        f"input {point.index}: certified {point.certified} within {point.radius:.6f}, "
        f"but {point.prediction} at distance {point.distance:.6g} ({point.attack}, {point.multiple:g} R allowed, "
        f"p = {point.p_value:.1e}, votes {list(point.votes)}, judging seed {point.seed}{again})"
    )


def draw_attack(points: Sequence[Attacked], path: str | Path, look: Look = SCREEN, *, data: str) -> Path:
    """The figure of ``attack_figure``, written by ``save_figure``."""
    check_suffix(path)  # before the work
    return save_figure(attack_figure(points, look, data=data), path)


def attack_figure(points: Sequence[Attacked], look: Look = SCREEN, *, data: str) -> Figure:
    """The share broken against the distance in units of R, with its interval; on ImageNet beside the published shares.

    Args:
        points: judged points.
        look: title, size, shares shown.
        data: name of the data set.

    Raises:
        ValueError: no points.
    """
    if not points:
        raise ValueError("points must be at least one, got none; attack a run with certified inputs")
    shares = broken_shares(points)
    at = [one.multiple for one in shares]
    figure, axes = new_axes("Attack on the smoothed classifier", look, width=5.2, height=3.7)
    right = max(2.2, 1.1 * max(at))
    axes.axvspan(0, 1, color="0.9", linewidth=0, label="certified: nothing may break")
    spread = [[one.share - one.lower for one in shares], [one.upper - one.share for one in shares]]
    inputs = max(one.attacked for one in shares)
    axes.errorbar(
        at,
        [one.share for one in shares],
        yerr=spread,
        fmt="o",
        color=COLOURS[0],
        capsize=3,
        clip_on=False,  # a share of 0 stands on the axis
        zorder=3,
        label=f"this attack ({inputs} inputs, 95% interval)",
    )
    if PUBLISHED_ON in data:
        axes.plot(list(PUBLISHED), list(PUBLISHED.values()), "x", color=COLOURS[1], label="Cohen et al. 2019")
    axes.set(xlim=(0, right), xlabel="distance allowed, in units of the certified radius R (L2)")
    axes.set(ylim=look.shares, ylabel="share of certified inputs broken")
    entries = list(zip(*axes.get_legend_handles_labels(), strict=True))
    place_legend(figure, entries[::-1], look)  # error bars come last there
    return figure


def write_attack(
    points: tuple[Attacked, ...],
    folder: Path,
    look: Look = SCREEN,
    *,
    n: int,
    alpha: float,
    certificate_alpha: float,
    data: str,
) -> AttackReport:
    """Write ``table.txt``, ``.md``, ``attack.png``, ``.pdf`` into a folder; see ``attack_table``, ``draw_attack``.

    Raises:
        RunError: the folder cannot be written.
    """
    table = attack_table(points, n=n, alpha=alpha, data=data)
    contradiction = contradiction_text(points, certificate_alpha=certificate_alpha, judge_alpha=alpha)
    text, markdown = folder / "table.txt", folder / "table.md"
    write_text(text, "\n\n".join(filter(None, [table.text(), contradiction])) + "\n")
    write_text(markdown, "\n\n".join(filter(None, [table.markdown(), contradiction])) + "\n")
    figures = [draw_attack(points, folder / f"attack.{suffix}", look, data=data) for suffix in ("png", "pdf")]
    return AttackReport(table.screen(), (text, markdown, *figures), points, contradiction)

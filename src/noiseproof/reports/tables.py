"""Runs as tables, for a terminal, Markdown and LaTeX; every table says what its numbers are worth."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from noiseproof.reports.units import INPUT_UNITS
from noiseproof.screen import fold, width

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from noiseproof.analysis import Summary
    from noiseproof.reports.units import Units

NORM_NAMES = {"l0": "L0", "l1": "L1", "l2": "L2", "linf": "Linf"}
SCALED = "scaled "
"""Before a norm of inputs that are in units of their spread; see ``Run.norm``."""


@dataclass(frozen=True)
class Table:
    """A table that is not yet laid out: the first column is text, the others are numbers.

    Attributes:
        header: names of the columns.
        rows: one text a cell.
        caption: what the numbers are, one sentence an entry.
        marked: (row, column) of the cells that stand out: a star in text, bold elsewhere.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: tuple[str, ...]
    marked: frozenset[tuple[int, int]] = frozenset()

    def text(self, width: int | None = None) -> str:
        """Columns aligned for a terminal, the caption below.

        Args:
            width: that a line may have: columns beyond it stand in further blocks, each behind the first column.
        """
        starred = {column for _, column in self.marked}
        cells = (
            self.header,
            *(
                tuple(
                    cell + ("*" if (i, j) in self.marked else " " if j in starred else "") for j, cell in enumerate(row)
                )
                for i, row in enumerate(self.rows)
            ),
        )
        widths = [max(len(row[i]) for row in cells) for i in range(len(self.header))]
        blocks = []
        for columns in _blocks(widths, width):
            lines = [
                "  ".join(row[i].rjust(widths[i]) if i else row[i].ljust(widths[i]) for i in columns) for row in cells
            ]
            rule = "-" * len(lines[0])
            blocks += [lines[0], rule, *lines[1:], rule]
        caption = self.caption if width is None else [fold(each, width) for each in self.caption]
        return "\n".join([*blocks, *caption])

    def screen(self) -> str:
        """The text, as wide as the terminal where there is one."""
        return self.text(width())

    def markdown(self) -> str:
        """A Markdown table, the caption below as one paragraph."""
        rule = ["---", *["---:"] * (len(self.header) - 1)]
        cells = (self.header, *self._bold("**{}**".format, _escaped))
        rows = ["| " + " | ".join(row) + " |" for row in cells]
        return "\n".join([rows[0], "| " + " | ".join(rule) + " |", *rows[1:], "", " ".join(self.caption)])

    def latex(self) -> str:
        """A LaTeX table in the style of booktabs, which it needs; every character of a cell is escaped."""
        header, *rows = (
            " & ".join(row) + r" \\"
            for row in (tuple(map(latex_escaped, self.header)), *self._bold(r"\textbf{{{}}}".format, latex_escaped))
        )
        body = [r"\toprule", header, r"\midrule", *rows, r"\bottomrule"]
        return "\n".join(
            [
                "% \\usepackage{booktabs}",
                r"\begin{table}",
                r"\centering",
                rf"\begin{{tabular}}{{l{'r' * (len(self.header) - 1)}}}",
                *body,
                r"\end{tabular}",
                rf"\caption{{{latex_escaped(' '.join(self.caption))}}}",
                r"\end{table}",
            ]
        )

    def _bold(self, bold: Callable[[str], str], escape: Callable[[str], str]) -> list[tuple[str, ...]]:
        return [
            tuple(bold(escape(cell)) if (i, j) in self.marked else escape(cell) for j, cell in enumerate(row))
            for i, row in enumerate(self.rows)
        ]


def accuracy_table(summaries: Sequence[Summary], *, units: Units = INPUT_UNITS) -> Table:
    """One row a run: certified accuracy at each radius, its band, natural accuracy, abstentions, ACR, median, m.

    Args:
        summaries: runs with the same radii, norm and band.
        units: to print radii in.

    Raises:
        ValueError: no runs, or runs that cannot stand in one table.
    """
    names = run_names(summaries)
    first = summaries[0]
    units = replace(units, unit=first.unit)
    for name, other in zip(names, summaries, strict=True):
        for what in ("radii", "norm", "unit", "delta"):
            if getattr(other, what) != getattr(first, what):
                raise ValueError(
                    f"runs of one table must have the same {what}, got {getattr(first, what)} in {names[0]!r} "
                    f"and {getattr(other, what)} in {name!r}"
                )
    rows = (
        (
            name,
            *(_percent(share) for share in summary.certified),
            f"{'±' if summary.shared_draws is None else '-'}{percent_up(summary.band)}",
            "-" if summary.natural is None else _percent(summary.natural),
            _percent(summary.abstention),
            units.value(summary.acr),
            units.value(summary.median),
            f"{summary.m}",
        )
        for name, summary in zip(names, summaries, strict=True)
    )
    return Table(
        header=(
            "run",
            *(f"r={units.number(radius)}" for radius in first.radii),
            "band",
            "natural",
            "abstained",
            "ACR",
            "median",
            "m",
        ),
        rows=tuple(rows),
        caption=(
            f"Certified accuracy in % of all m inputs at {radius_name(first.norm, units.name, 'r')}.",
            *_settings(names, summaries),
            *_arithmetic(names, summaries),
            f"band: with probability {1 - first.delta:.10g} the certified accuracy that this procedure has on the "
            "population that the inputs were drawn from lies within it at all radii at once (DKW). Robust accuracy "
            "lies above its lower end, up to the false certificates, and may lie above its upper end.",
            *_shared(names, summaries),
            _natural(names, summaries),
            "ACR, median: average and median certified radius over all inputs, wrong or abstained counts 0.",
        ),
    )


def guarantees_table(summary: Summary, *, units: Units = INPUT_UNITS) -> Table:
    """One row a radius of one run: what the measured share proves about these inputs and about the population.

    Args:
        summary: of one run.
        units: to print radii in.
    """
    units = replace(units, unit=summary.unit)
    rows = (
        (
            units.number(radius),
            _percent(certified),
            f"{percent_down(max(0.0, certified - summary.band))} to "
            f"{percent_up(min(1.0, certified + summary.band_up))}",
            percent_down(fixed),
            percent_down(bernstein),
            percent_down(population),
            percent_down(at_any_m),
        )
        for radius, certified, fixed, bernstein, population, at_any_m in zip(
            summary.radii,
            summary.certified,
            summary.fixed_set_lower,
            summary.bernstein_lower,
            summary.population_lower,
            summary.population_lower_at_any_m,
            strict=True,
        )
    )
    sure = f"{1 - summary.rho:.10g}"
    budget = summary.budget_sentence
    return Table(
        header=("radius", "certified", "band", "these inputs >=", "(Bernstein)", "population >=", "at any m"),
        rows=tuple(rows),
        caption=(
            f"Certified accuracy in % of {summary.m} inputs at {radius_name(summary.norm, units.name)}, and "
            "the robust accuracy that follows from it at least.",
            *_settings(run_names([summary]), [summary]),
            f"these inputs: with probability {sure} over the noise, at all radii at once; "
            f"{budget} (noise independent between inputs).",
            f"(Bernstein): the same in the form of Cohen et al. 2019. "
            f"population: with probability {sure}, for one radius chosen beforehand; "
            f"band: certified accuracy of the population, with probability {1 - summary.delta:.10g}, at all radii at "
            "once (DKW); its upper end is no bound on robust accuracy.",
            f"All but the last column is for a number of inputs that was fixed before the first draw. Of a run that is "
            f"extended while it is looked at: at most {summary.budget_at_any_m} false certificates, and the population "
            f"at any m, each with probability {sure} at every m at once; and its certified accuracy within "
            f"±{percent_up(summary.band_at_any_m)} points, with probability {1 - summary.delta:.10g} at all radii and "
            "every m at once.",
            *_shared(run_names([summary]), [summary]),
        ),
    )


def _blocks(widths: Sequence[int], most: int | None) -> list[list[int]]:
    """Which columns stand side by side.

    >>> _blocks([5, 5, 5, 5], None), _blocks([5, 5, 5, 5], 20), _blocks([5, 90, 5], 20)
    ([[0, 1, 2, 3]], [[0, 1, 2], [0, 3]], [[0, 1], [0, 2]])
    """
    blocks = [[0]]
    for i in range(1, len(widths)):
        wide = sum(widths[j] + 2 for j in blocks[-1]) + widths[i]
        if most is not None and wide > most and len(blocks[-1]) > 1:
            blocks.append([0])
        blocks[-1].append(i)
    return blocks


def norm_name(norm: str) -> str:
    """The norm as a reader writes it.

    >>> norm_name("l2")
    'L2'
    """
    scaled = SCALED if norm.startswith(SCALED) else ""
    return scaled + NORM_NAMES.get(norm.removeprefix(SCALED), norm.removeprefix(SCALED))


def radius_name(norm: str, units: str, symbol: str = "") -> str:
    """What a radius is measured in, as captions and axes say it; a norm in words is its own unit.

    >>> radius_name("l2", "pixels in [0, 1]", "r"), radius_name("degrees of rotation", "pixels in [0, 1]")
    ('L2 radius r (pixels in [0, 1])', 'radius (degrees of rotation)')
    """
    known = norm_name(norm).removeprefix(SCALED) in NORM_NAMES.values()
    return " ".join(filter(None, (norm_name(norm) if known else "", "radius", symbol, f"({units if known else norm})")))


def run_names(summaries: Sequence[Summary]) -> tuple[str, ...]:
    """What to call each run: its name, or its number where it has none.

    Args:
        summaries: at least one run.

    Raises:
        ValueError: no runs.
    """
    if not summaries:
        raise ValueError("summaries must not be empty: name at least one run")
    return tuple(summary.name or f"run {number}" for number, summary in enumerate(summaries, start=1))


def _natural(names: Sequence[str], summaries: Sequence[Summary]) -> str:
    """What stands in the column, and of which runs nothing does."""
    silent = [name for name, summary in zip(names, summaries, strict=True) if summary.natural is None]
    of = f" of {', '.join(silent)}" if len(silent) < len(summaries) else ""
    return "natural: accuracy of the base classifier on the clean inputs, without noise" + (
        f"; -: not recorded{of}." if silent else "."
    )


def _arithmetic(names: Sequence[str], summaries: Sequence[Summary]) -> tuple[str, ...]:
    """What the noise was made of: one statement where it is the same for all."""
    said = [summary.arithmetic or "not stated" for summary in summaries]
    if not any(summary.arithmetic for summary in summaries):
        return ()
    if len(set(said)) == 1:
        return (f"Noise: {said[0]}.",)
    return (f"Noise: {', '.join(f'{each} ({name})' for name, each in zip(names, said, strict=True))}.",)


def _shared(names: Sequence[str], summaries: Sequence[Summary]) -> tuple[str, ...]:
    """That inputs shared their draws, and what it means for the band."""
    return tuple(
        f"{name}: a budget of {summary.shared_draws:,} draws for all inputs together, the nearest to a decision first. "
        "With draws of its own an input may certify more: the band bounds from below only."
        for name, summary in zip(names, summaries, strict=True)
        if summary.shared_draws is not None
    )


def _settings(names: Sequence[str], summaries: Sequence[Summary]) -> tuple[str, ...]:
    said = [_setting(summary) for summary in summaries]
    if len(set(said)) == 1:
        return (f"{said[0]}.",)
    return tuple(f"{name}: {setting}." for name, setting in zip(names, said, strict=True))


def _setting(summary: Summary) -> str:
    costs = f"n0 = {summary.n0}, n = {summary.n}" if summary.n else "n0 and n unknown"
    if not summary.even:
        costs = f"n0 <= {summary.n0}, n <= {summary.n}, mean draws {summary.draws / summary.m:.0f} per input"
    notes = [summary.note] if summary.note else []
    if summary.skipped:
        notes.append(f"{summary.skipped} of the {summary.m} pictures could not be read and count as abstained")
    return "; ".join([f"{costs}, alpha = {summary.alpha:g}", *notes])


def _percent(share: float) -> str:
    return f"{share * 100:.1f}"


def percent_down(share: float) -> str:
    """A lower bound in percent, which is not printed above itself: 48.19 % is "48.1"."""
    return f"{math.floor(share * 1000) / 10:.1f}"


def percent_up(share: float) -> str:
    """An upper bound, or a width, in percent, which is not printed below itself: 48.11 % is "48.2"."""
    return f"{math.ceil(share * 1000) / 10:.1f}"


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|")


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\ensuremath{<}",
    ">": r"\ensuremath{>}",
    "|": r"\textbar{}",
    "±": r"\ensuremath{\pm}",
    ">=": r"\ensuremath{\geq}",
    "<=": r"\ensuremath{\leq}",
} | {character: "\\" + character for character in "&%$#_{}"}
_LATEX_CHARACTERS = re.compile("|".join(map(re.escape, sorted(_LATEX, key=len, reverse=True))))


def latex_escaped(text: str) -> str:
    r"""The text as LaTeX prints it, character for character.

    >>> latex_escaped("50 % of a_b, r >= 0.25")
    '50 \\% of a\\_b, r \\ensuremath{\\geq} 0.25'
    """
    return _LATEX_CHARACTERS.sub(lambda found: _LATEX[found.group()], text)

"""What all figures share: colours that everyone can tell apart, axes, legends that fit."""

from __future__ import annotations

import textwrap
from itertools import pairwise
from math import ceil
from typing import TYPE_CHECKING

from noiseproof.asked.look import SCREEN, Look

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"),
    *("#882255", "#332288", "#661100", "#DDCC77", "#A65628"),
)
"""Colour-blind readers can tell them apart: Okabe & Ito 2008 without its yellow, and five that differ from those."""

DASHES = ("-", "--", "-.", (0, (5, 1.5, 1, 1.5, 1, 1.5)))
MARKERS = ("", "o", "s", "^", "D", "v", "P", "X", "<", ">", "*", "p")
"""Of the curves of one figure in their order, for who sees no colours."""

HANDLE = 3.2
"""Letters: how long a line of a legend is; a dash and a dot show beside the mark."""


def colour(number: int) -> str:
    """Of the so-manyth curve."""
    return COLOURS[number % len(COLOURS)]


def dashes(number: int) -> str | tuple[int, tuple[float, ...]]:
    """Of the so-manyth curve; where colours come again, others."""
    return DASHES[(number + number // len(COLOURS)) % len(DASHES)]


def marker(number: int, of: int) -> str:
    """Of the so-manyth curve; of a curve that stands alone none."""
    return MARKERS[number % len(MARKERS)] if of > 1 else ""


def new_axes(title: str, look: Look = SCREEN, *, width: float = 6.4, height: float = 3.9) -> tuple[Figure, Axes]:
    """A figure with one pair of axes, as all of ours look; inches, the height without a legend."""
    from matplotlib.figure import Figure

    broad = look.inches(width)
    figure = Figure(figsize=(broad, height * broad / width), dpi=200, layout="constrained")
    axes = figure.add_subplot()
    dress(axes, look.titled(title), look, broad)
    more = axes.get_title().count("\n") * 1.35 * (look.letters + 1) / 72
    figure.set_figheight(figure.get_figheight() + more)
    return figure, axes


def dress(axes: Axes, title: str, look: Look, inches: float) -> None:
    """A grid, no box, letters of the look's size; the title on as many lines as it takes."""
    axes.set_title(wrapped(title, inches - 0.6, look.letters + 1), fontsize=look.letters + 1)
    axes.xaxis.label.set_fontsize(look.letters)
    axes.yaxis.label.set_fontsize(look.letters)
    axes.tick_params(labelsize=look.letters - 1)
    axes.grid(visible=True, color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def place_legend(
    figure: Figure, entries: Sequence[tuple[Artist, str]], look: Look = SCREEN, *, note: str = "", columns: int = 2
) -> None:
    """A legend below the axes, in as many columns as there is room for; the figure grows by its height.

    Labels of axes are broken where they would be longer than their axis.

    Args:
        figure: with axes.
        entries: what is drawn and its name, from the top.
        look: of the figure.
        note: above the entries.
        columns: at most.
    """
    for axes in figure.axes:
        axes.set_ylabel(wrapped(axes.get_ylabel(), figure.get_figheight() - 0.7, look.letters))
        axes.set_xlabel(wrapped(axes.get_xlabel(), figure.get_figwidth() - 0.8, look.letters))
        more = axes.get_xlabel().count("\n") * 1.35 * look.letters / 72
        figure.set_figheight(figure.get_figheight() + more)
    room = figure.get_figwidth() - 0.3
    texts = [wrapped(text, room - (HANDLE + 3) * look.small / 72, look.small) for _, text in entries]
    columns = min(columns, len(texts))
    while columns > 1 and _breadth(texts, columns, look.small) > room:
        columns -= 1
    note = wrapped(note, room, look.small)
    lines = note.count("\n") + bool(note)
    lines += ceil(sum(text.count("\n") + 1 for text in texts) / columns)
    figure.set_figheight(figure.get_figheight() + (lines * 1.35 + 0.8) * look.small / 72)
    figure.legend(
        [drawn for drawn, _ in entries],
        texts,
        frameon=False,
        fontsize=look.small,
        loc="outside lower center",
        ncols=columns,
        handlelength=HANDLE,
        title=note or None,
        title_fontsize=look.small,
    )


def _breadth(texts: Sequence[str], columns: int, points: float) -> float:
    """Inches of a legend, which is filled column by column, the first ones with one more."""
    rows, longer = divmod(len(texts), columns)
    broad = [inches_of(text, points) for text in texts]
    starts = [column * rows + min(column, longer) for column in range(columns + 1)]
    return sum(max(broad[a:b]) + (HANDLE + 3) * points / 72 for a, b in pairwise(starts))


def wrapped(text: str, inches: float, points: float) -> str:
    """On as many lines as it takes in this width, of about one length."""
    most = max(len(text), 1)
    lines = textwrap.wrap(text, most)
    while most > 12 and (broad := inches_of("\n".join(lines), points)) > inches:
        most = max(12, min(most - 1, int(most * inches / broad)))
        lines = textwrap.wrap(text, most)
    while most > 12 and len(textwrap.wrap(text, most - 1)) == len(lines):
        most -= 1
    return "\n".join(textwrap.wrap(text, most))


def inches_of(text: str, points: float) -> float:
    """How broad the broadest line of a text is drawn."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(size=points)
    widths = [text_to_path.get_text_width_height_descent(line, font, ismath=False)[0] for line in text.split("\n")]
    return float(max(widths)) / 72

"""What all figures share: colours that everyone can tell apart, axes, legends that fit."""

from __future__ import annotations

import textwrap
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

_LETTER = 0.56
"""Of the size: how broad a letter is on average."""


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

    Args:
        figure: with axes.
        entries: what is drawn and its name, from the top.
        look: of the figure.
        note: above the entries.
        columns: at most.
    """
    room, letter = figure.get_figwidth() - 0.3, _LETTER * look.small / 72
    texts = [wrapped(text, room - 0.5, look.small) for _, text in entries]
    columns = min(columns, len(texts))
    while columns > 1 and _breadth(texts, columns, letter) > room:
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
        title=note or None,
        title_fontsize=look.small,
    )


def _breadth(texts: Sequence[str], columns: int, letter: float) -> float:
    """Inches of a legend, which is filled column by column."""
    rows = ceil(len(texts) / columns)
    lengths = [max(len(line) for line in text.split("\n")) for text in texts]
    return sum(max(lengths[at : at + rows]) * letter + 0.6 for at in range(0, len(texts), rows))


def wrapped(text: str, inches: float, points: float) -> str:
    """On as many lines as it takes in this width."""
    most = max(12, int(inches * 72 / (_LETTER * points)))
    return "\n".join(textwrap.wrap(text, most))

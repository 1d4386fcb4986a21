"""Certified pictures on one page: the picture, what the classifier sees of it, its votes, and what they certify."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from noiseproof.reports.figures import save_figure
from noiseproof.reports.look import COLOURS
from noiseproof.reports.noise_images import CLIPPED, noisy_picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from noiseproof.noises import Noise
    from noiseproof.types import Pixels

_CELL = 224
"""Pixels of a picture on the page, at least."""
_GAP, _LINE, _BARS, _NAMES, _SAID = 12, 26, 210, 170, 360
_LONGEST = 24  # letters of a class name beside its bar


@dataclass(frozen=True)
class PanelRow:
    """One picture and what is known of it.

    Attributes:
        name: of the picture and its true class, such as "7: jeep".
        pixels: uint8 [3 or 1, H, W].
        votes: the classes with most votes, by name, the most first.
        draws: how many were drawn for them.
        right: the name of the true class, where it is among the votes; its bar is of another colour.
        said: what is certified of it, a line an entry.
        denoised: what a denoiser makes of the first noisy copy, as ``pixels``; None where there is no denoiser.
    """

    name: str
    pixels: Pixels
    votes: tuple[tuple[str, int], ...]
    draws: int
    right: str
    said: tuple[str, ...]
    denoised: Pixels | None = None


def draw_panel(
    rows: Sequence[PanelRow], path: str | Path, *, noise: Noise, notes: Sequence[str] = (), seed: int = 0
) -> Path:
    """Draw a page, a picture a row: clean, two noisy copies, the first of them denoised, bars of votes, what is said.

    The noise is the project's own, of a stage that no certificate rests on; every pixel is a pixel of the page.

    Args:
        rows: pictures of one shape, all with a denoised copy or none.
        path: where to write; .png.
        noise: what is added.
        notes: sentences below.
        seed: of the noise of the first copy; the second has the next one.

    Returns:
        The path.

    Raises:
        ValueError: no rows, different shapes, some with a denoised copy and some without, or another suffix.
        RunError: the file cannot be written.
    """
    target = Path(path)
    if target.suffix.lower() != ".png":
        raise ValueError(f"out must end in .png, got {target.name!r}")
    shapes = {row.pixels.shape for row in rows}
    with_denoised = {row.denoised is not None for row in rows}
    if len(shapes) != 1 or len(with_denoised) != 1:
        raise ValueError(
            f"rows must be at least one, of one shape, and all denoised or none, got {len(rows)} rows of "
            f"{len(shapes)} shapes"
        )
    pictures = [_pictures(row, noise, seed) for row in rows]
    heads = ["clean", f"noise, sigma = {noise.sigma:g}", "other noise"]
    heads += ["the first, denoised"] if True in with_denoised else []
    return _write(target, rows, pictures, heads, [*notes, CLIPPED])


def _pictures(row: PanelRow, noise: Noise, seed: int) -> list[Pixels]:
    noisy = [noisy_picture(row.pixels, noise, 1, each) for each in (seed, seed + 1)]
    shown = [row.pixels, *noisy, *([] if row.denoised is None else [row.denoised])]
    times = -(-_CELL // max(row.pixels.shape[1:]))
    return [np.asarray(pixels.repeat(times, axis=1).repeat(times, axis=2), dtype=np.uint8) for pixels in shown]


def _write(
    target: Path,
    rows: Sequence[PanelRow],
    pictures: Sequence[Sequence[Pixels]],
    heads: Sequence[str],
    notes: Sequence[str],
) -> Path:
    from matplotlib.figure import Figure

    height, width = pictures[0][0].shape[1:]
    across = _GAP + len(heads) * (width + _GAP)
    row_height = _LINE + height + _GAP
    right, bottom = across + _NAMES + _BARS + _GAP + _SAID, _LINE + len(rows) * row_height + len(notes) * _LINE
    canvas = np.full((bottom, right, 3), 255, np.uint8)
    figure = Figure(figsize=(right / 100, bottom / 100), dpi=100)

    def write(x: float, y: float, text: str, align: str = "left", *, bold: bool = False) -> None:
        weight = "bold" if bold else "normal"
        figure.text(
            x / right, 1 - y / bottom, text, fontsize=10, va="center", ha=align, weight=weight, parse_math=False
        )

    for j, head in enumerate(heads):
        write(_GAP + j * (width + _GAP) + width / 2, _LINE / 2, head, "center")
    write(across + _NAMES + _BARS / 2, _LINE / 2, f"votes of {rows[0].draws:,} noisy copies", "center")
    for i, (row, shown) in enumerate(zip(rows, pictures, strict=True)):
        top = _LINE + i * row_height
        write(_GAP, top + _LINE / 2, row.name, bold=True)
        for j, pixels in enumerate(shown):
            left = _GAP + j * (width + _GAP)
            canvas[top + _LINE : top + _LINE + height, left : left + width] = pixels.transpose(1, 2, 0)
        _bars(figure, row, (across + _NAMES, top + _LINE, _BARS, height), (right, bottom))
        for k, line in enumerate(row.said):
            write(across + _NAMES + _BARS + 2 * _GAP, top + _LINE + (k + 0.7) * _LINE, line, bold=k == 0)
    for k, note in enumerate(notes):
        write(_GAP, _LINE + len(rows) * row_height + (k + 0.5) * _LINE, note)
    figure.figimage(canvas, zorder=-1)  # pixel for pixel: an axes would average them, and show less noise
    return save_figure(figure, target)


def _bars(figure: Figure, row: PanelRow, box: tuple[int, int, int, int], page: tuple[int, int]) -> None:
    """Horizontal bars in a box (left, top, width, height) of the page, in pixels."""
    left, top, width, height = box
    axes = figure.add_axes((left / page[0], 1 - (top + height) / page[1], width / page[0], height / page[1]))
    shares = [votes / row.draws for _, votes in row.votes]
    colours = [COLOURS[2] if name == row.right else COLOURS[1] for name, _ in row.votes]
    axes.barh(range(len(shares)), shares, color=colours, height=0.6)
    axes.set_yticks(range(len(shares)), [shortened(name) for name, _ in row.votes], fontsize=9, parse_math=False)
    for y, (_, votes) in enumerate(row.votes):
        off, side, colour = (-0.02, "right", "white") if shares[y] > 0.75 else (0.02, "left", "black")
        axes.text(shares[y] + off, y, f"{votes:,}", va="center", ha=side, color=colour, fontsize=8)
    axes.set_xlim(0, 1)
    axes.set_ylim(4.5, -0.5)
    axes.set_xticks([])
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.tick_params(length=0)


def shortened(name: str) -> str:
    """A class name that fits beside a bar.

    >>> shortened("jeep"), shortened("American Staffordshire terrier")
    ('jeep', 'American Staffordshire …')
    """
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"

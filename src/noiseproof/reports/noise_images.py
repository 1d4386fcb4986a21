"""Pictures under noise, as the classifier sees them: at several strengths, and at several sizes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from noiseproof.noises import Words
from noiseproof.noises.keys import input_key
from noiseproof.reports.figures import save_figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from noiseproof.noises import Noise
    from noiseproof.types import Pixels

CLIPPED = "Noisy pixels beyond [0, 1] are clipped for display only: a classifier sees them as they are."
POOLED = "A picture of s times the size, averaged over s x s pixels, keeps 1/s of its noise."

_GAP = 8
_CELL = 160
"""Pixels of a picture in the figure, at least."""
_MOST = 40_000_000


@dataclass(frozen=True)
class NamedPicture:
    """A picture and what to write beside it.

    Attributes:
        name: such as "index 0: Trouser".
        pixels: uint8 [C, H, W] with C = 1 or 3.
    """

    name: str
    pixels: Pixels


def draw_noise_images(
    pictures: Sequence[NamedPicture],
    path: str | Path,
    *,
    noises: Sequence[Noise | None],
    sizes: Sequence[int] = (1,),
    seed: int = 0,
) -> Path:
    """Draw each picture under each noise, one row for each size; every pixel of it is a pixel of the figure.

    The noise is that of a run, keyed by seed and picture.

    Args:
        pictures: all of one shape.
        path: where to write; .png.
        noises: a column each; None shows the picture itself.
        sizes: by how much to enlarge it, each >= 1: every pixel is repeated before the noise is added.
        seed: of the noise.

    Returns:
        The path.

    Raises:
        ValueError: an argument is out of range, or the figure would be too large.
        RunError: the file cannot be written.

    Source: Cohen et al. 2019, appendix, the figures of noisy pictures and the remark on high resolution.
    """
    target = Path(path)
    if target.suffix.lower() != ".png":
        raise ValueError(f"out must end in .png, got {target.name!r}")
    _check(pictures, noises, sizes)
    rows = [(picture, size) for picture in pictures for size in sizes]
    cell = _cell(pictures[0].pixels.shape, sizes)
    gaps = (len(rows) * _GAP, len(noises) * _GAP)
    if (len(rows) * cell[0] + gaps[0]) * (len(noises) * cell[1] + gaps[1]) > _MOST:
        raise ValueError(
            f"{len(rows)} x {len(noises)} pictures of {cell[0]} x {cell[1]} pixels are too many for one figure; "
            "give fewer of them, or smaller sizes"
        )
    cells = [
        [_enlarged(noisy_picture(picture.pixels, noise, size, seed), cell) for noise in noises]
        for picture, size in rows
    ]
    return _write(target, pictures, noises, sizes, cells)


def noisy_picture(pixels: Pixels, noise: Noise | None, size: int, seed: int) -> Pixels:
    """The enlarged picture under one draw of noise, clipped to 8 bits for display: uint8 [C, size H, size W].

    Args:
        pixels: uint8 [C, H, W].
        noise: what is added, or None.
        size: how often to repeat each pixel in each direction.
        seed: of the noise.
    """
    large = pixels.repeat(size, axis=1).repeat(size, axis=2)
    if noise is None:
        return large
    shown: Pixels = np.rint(255 * noisy_input(large, noise, seed)).clip(0, 255).astype(np.uint8)
    return shown


def noisy_input(pixels: Pixels, noise: Noise, seed: int) -> NDArray[np.float64]:
    """A picture, uint8 [C, H, W], under one draw of noise as a classifier sees it: input units, beyond [0, 1] too."""
    # a stage of its own: no draw shown here is one that a certificate rests on
    words = Words(seed, input_key(pixels), "noise-images")
    noisy: NDArray[np.float64] = noise.perturb(noise.encode(pixels), words, 0, 1)[0] / noise.scale
    return noisy


def _check(pictures: Sequence[NamedPicture], noises: Sequence[Noise | None], sizes: Sequence[int]) -> None:
    if not (pictures and noises and sizes):
        raise ValueError("name at least one picture, one sigma and one size")
    for size in sizes:
        if size < 1:
            raise ValueError(f"size must be >= 1, got {size}")
    shapes = sorted({picture.pixels.shape for picture in pictures})
    if len(shapes) > 1 or len(shapes[0]) != 3 or shapes[0][0] not in (1, 3):
        raise ValueError(f"pictures must be of one shape [1 or 3, H, W], got {', '.join(map(str, shapes))}")


def _cell(shape: tuple[int, ...], sizes: Sequence[int]) -> tuple[int, int]:
    """Height and width of every picture in the figure: whole multiples for every size."""
    common = math.lcm(*sizes)
    times = math.ceil(_CELL / (common * max(shape[1:])))
    return shape[1] * common * times, shape[2] * common * times


def _enlarged(pixels: Pixels, cell: tuple[int, int]) -> Pixels:
    """The picture as [H, W, 3] of the figure's size, by repetition: nothing is averaged, nothing left out."""
    times = cell[0] // pixels.shape[1]
    shown = pixels.repeat(times, axis=1).repeat(times, axis=2).transpose(1, 2, 0)
    return np.broadcast_to(shown, (*cell, 3)).copy()


def _write(
    target: Path,
    pictures: Sequence[NamedPicture],
    noises: Sequence[Noise | None],
    sizes: Sequence[int],
    cells: Sequence[Sequence[Pixels]],
) -> Path:
    from matplotlib.figure import Figure

    height, width = cells[0][0].shape[:2]
    scale = max(1.0, width / _CELL)  # of the letters, with the pictures
    line, left = round(24 * scale), _GAP + max(0, round(620 * scale) - len(noises) * (width + _GAP)) // 2
    notes = [CLIPPED, *([POOLED] if len(sizes) > 1 else [])]
    row = line + height + _GAP
    right = left + len(noises) * (width + _GAP) + left - _GAP
    bottom = line + len(cells) * row + len(notes) * line
    canvas = np.full((bottom, right, 3), 255, np.uint8)
    dpi = 100 * scale
    figure = Figure(figsize=(right / dpi, bottom / dpi), dpi=dpi)

    def write(x: float, y: float, text: str, align: str = "left") -> None:
        figure.text(x / right, 1 - y / bottom, text, fontsize=9, va="center", ha=align)

    for j, noise in enumerate(noises):
        at = left + j * (width + _GAP) + width / 2
        write(at, line / 2, f"sigma = {noise.sigma:g}" if noise else "no noise", "center")
    labels = [(picture, size) for picture in pictures for size in sizes]
    for i, ((picture, size), shown) in enumerate(zip(labels, cells, strict=True)):
        top = line + i * row
        h, w = (size * extent for extent in picture.pixels.shape[1:])
        write(left, top + line / 2, f"{picture.name}, {h} x {w} pixels")
        for j, pixels in enumerate(shown):
            across = left + j * (width + _GAP)
            canvas[top + line : top + line + height, across : across + width] = pixels
    for k, note in enumerate(notes):
        write(left, line + len(cells) * row + (k + 0.5) * line, note)
    figure.figimage(canvas, zorder=-1)  # pixel for pixel: an axes would average them, and show less noise
    return save_figure(figure, target)

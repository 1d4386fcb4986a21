"""``noiseproof noise-images``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from noiseproof.cli import options

if TYPE_CHECKING:
    from collections.abc import Callable

_Number = TypeVar("_Number", int, float)


def noise_images(
    data: options.Data,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The figure, .png.")],
    index: Annotated[str, typer.Option("--index", metavar="I,...", help="Which pictures.")] = "0",
    sigma: Annotated[str, typer.Option("--sigma", metavar="S,...", help="Standard deviations.")] = "0,0.25,0.5,1",
    size: Annotated[str, typer.Option("--size", metavar="K,...", help="Repeat each pixel K x K times.")] = "1",
    seed: options.Seed = 0,
    root: options.Root = None,
    config: options.Config = None,
) -> None:
    """Pictures under noise, as a classifier sees them (clipped for display only): a column a sigma, a row a size."""
    del config  # its settings have become defaults
    indices, sizes = _numbers("index", index, int), _numbers("size", size, int)
    sigmas = _numbers("sigma", sigma, float)
    from noiseproof.data import load
    from noiseproof.noises import Gaussian
    from noiseproof.reports.noise_images import CLIPPED, NamedPicture, draw_noise_images

    found = load(data, split="test", root=root)
    for i in indices:
        if not 0 <= i < len(found):
            raise ValueError(f"index must be in [0, {len(found)}) for {found.name}, got {i}")
    pictures = [NamedPicture(f"{i}: {found.classes[int(found.labels[i])]}", found.pixels(i)) for i in indices]
    noises = [Gaussian(sigma=each) if each else None for each in sigmas]
    written = draw_noise_images(pictures, out, noises=noises, sizes=sizes, seed=seed)
    typer.echo(f"written: {written}\n{CLIPPED}")


def _numbers(name: str, text: str, kind: Callable[[str], _Number]) -> list[_Number]:
    try:
        return [kind(part) for part in text.split(",")]
    except ValueError:
        what = "whole numbers" if kind is int else "numbers"
        raise ValueError(f"{name} must be {what} separated by commas, got {text!r}") from None

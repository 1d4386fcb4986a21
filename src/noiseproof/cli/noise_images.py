"""``noiseproof noise-images``."""

from __future__ import annotations

from pathlib import Path

from noiseproof.cli.records import Data, Root, Seed, integers, numbers


def noise_images(
    *,
    data: Data,
    out: Path,
    index: str = "0",
    sigma: str = "0,0.25,0.5,1",
    size: str = "1",
    seed: Seed = 0,
    root: Root = None,
) -> None:
    """Pictures under noise, as a classifier sees them (clipped for display only): a column a sigma, a row a size.

    Args:
        out: The figure, .png.
        index: Which pictures: I,...
        sigma: Standard deviations: S,...
        size: Repeat each pixel K x K times: K,...
    """
    indices, sizes, sigmas = integers("index", index), integers("size", size), numbers("sigma", sigma)
    from noiseproof.data import load
    from noiseproof.data.dataset import pictures_only
    from noiseproof.noises import Gaussian
    from noiseproof.reports.noise_images import CLIPPED, NamedPicture, draw_noise_images

    found = pictures_only(load(data, split="test", root=root))
    for i in indices:
        if not 0 <= i < len(found):
            raise ValueError(f"index must be in [0, {len(found)}) for {found.name}, got {i}")
    pictures = [NamedPicture(f"{i}: {found.classes[int(found.labels[i])]}", found.pixels(i)) for i in indices]
    noises = [Gaussian(sigma=each) if each else None for each in sigmas]
    written = draw_noise_images(pictures, out, noises=noises, sizes=sizes, seed=seed)
    print(f"written: {written}\n{CLIPPED}")

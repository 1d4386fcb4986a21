"""The table of certified accuracy by sigma and radius, with the best sigma of each radius starred."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from noiseproof.analysis.certified import certified_share
from noiseproof.store.exchange.published import read_published, sigma_in_name

RADII = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5)


@dataclass(frozen=True)
class BestSigmaTable:
    """Certified accuracy as published files state it, radii as printed.

    Attributes:
        sigmas: ascending, one a row.
        radii: in input units (L2), one a column.
        accuracy: shares in [0, 1]: a tuple a row.
    """

    sigmas: tuple[float, ...]
    radii: tuple[float, ...]
    accuracy: tuple[tuple[float, ...], ...]

    @property
    def best(self) -> tuple[int, ...]:
        """The row with the largest share at each radius; the smallest sigma where shares are equal."""
        return tuple(int(row) for row in np.argmax(self.accuracy, axis=0))

    def markdown(self) -> str:
        """The table as the research script writes it, byte for byte."""
        lines = [
            "|  | " + "".join(f"r = {radius:.3} |" for radius in self.radii),
            "| --- | " + " --- |" * len(self.radii),
        ]
        for number, (sigma, shares) in enumerate(zip(self.sigmas, self.accuracy, strict=True)):
            cells = (
                f"{share:.2f}{'<b>*</b>' if best == number else ''} |"
                for share, best in zip(shares, self.best, strict=True)
            )
            lines.append(f"<b> &sigma; = {sigma:.2f} </b>| " + "".join(cells))
        return "\n".join(lines) + "\n"


def best_sigma_table(files: Sequence[str | Path], *, radii: Sequence[float] = RADII) -> BestSigmaTable:
    """Certified accuracy of published files, one a sigma, at radii.

    A row counts at radius r where it predicts its label with a printed radius of at least r. The column ``correct``
    is not used, since it may be a running total.

    Args:
        files: with names such as ``sigma_0.25.tsv``, each with another sigma.
        radii: in input units (L2).

    Raises:
        DataError: a file cannot be read or is of another format.
        ValueError: no files, a name without sigma, or two files of one sigma.

    Source: ``markdown_table_certified_accuracy`` of github.com/locuslab/smoothing.
    """
    if not files:
        raise ValueError("files must not be empty: name at least one")
    paths: dict[float, Path] = {}
    for path in map(Path, files):
        sigma = sigma_in_name(path)
        if sigma is None:
            raise ValueError(f"files must be named by sigma, such as sigma_0.25.tsv, got {path.name!r}; rename it")
        if sigma in paths:
            raise ValueError(f"sigma {sigma:g} must have one file, got {paths[sigma]} and {path}")
        paths[sigma] = path
    accuracy = []
    for sigma in sorted(paths):
        rows = read_published(paths[sigma])
        reached = np.array([row.radius if row.predict == row.label else -1.0 for row in rows])
        accuracy.append(tuple(certified_share(reached, np.array(radii, dtype=np.float64)).tolist()))
    return BestSigmaTable(tuple(sorted(paths)), tuple(radii), tuple(accuracy))

"""The audit of published per-image files: what their rows allow to be said, without counts and without trust."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

from noiseproof.analysis.lattice import Fit, fit_lattice, printed_radii, radius_lattice
from noiseproof.errors import unknown
from noiseproof.store.exchange.published import DIGITS, read_published, sigma_of
from noiseproof.types import ABSTAIN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from noiseproof.store.exchange.published import PublishedRow

ALPHAS = (0.0001, 0.001, 0.01, 0.05)
"""The failure probabilities a file is tried on, besides the stated one."""

DATA_SET_SIZES = (10_000, 50_000, 60_000)
"""Of the test and training sets that are certified: CIFAR-10, MNIST, Fashion-MNIST, ImageNet."""

ROUNDINGS = ("auto", "nearest", "down")


@dataclass(frozen=True)
class FileAudit:
    """What the rows of one published file say about themselves.

    Attributes:
        name: of the file.
        sigma: stated, in input units.
        n: estimation draws, stated.
        alpha: failure probability, stated.
        rows: how many there are.
        expected: how many there should be; None where that cannot be inferred.
        every: the spacing of the indices.
        abstained: rows that predict -1.
        digits: significant digits of the radii.
        rounding: how the radii are taken to be printed: "nearest" or "down".
        fits: one a tried alpha, ascending, under that rounding; over the rows that did not abstain.
        otherwise: the alphas that explain every radius under the other rounding.
        no_radius: rows that predict a class with a radius that is not a positive number.
        impossible_classes: rows whose label or prediction is no class.
        wrong_correct: rows whose column correct does not follow from label and predict.
        running_total: whether that column is a running total of the right rows.
        abstained_with_radius: rows that predict -1 with a radius other than 0.
        duplicates: rows whose index stood in a row before.
    """

    name: str
    sigma: float
    n: int
    alpha: float
    rows: int
    expected: int | None
    every: int
    abstained: int
    digits: int
    rounding: str
    fits: tuple[Fit, ...]
    otherwise: tuple[float, ...]
    no_radius: int
    impossible_classes: int
    wrong_correct: int
    running_total: bool
    abstained_with_radius: int
    duplicates: int

    @property
    def stated(self) -> Fit:
        """The fit at the stated alpha."""
        return next(fit for fit in self.fits if fit.alpha == self.alpha)

    @property
    def likely(self) -> Fit:
        """The fit to read the rounding from: the stated one, unless fewer radii lie off another lattice."""
        return min(self.fits, key=lambda fit: (fit.off, fit.alpha != self.alpha))

    @property
    def fitting(self) -> tuple[float, ...]:
        """The tried alphas that explain every radius."""
        return tuple(fit.alpha for fit in self.fits if fit.off == 0)

    @property
    def faults(self) -> tuple[str, ...]:
        """Why the file does not hold what was claimed, one sentence a reason; empty if it holds.

        Rounding upwards is told but is no fault here: it lies in the file's format, not in the run behind it.
        """
        found = []
        if self.rows != self.expected and self.expected is not None:
            found.append(f"{self.rows} rows of {self.expected}")
        for count, what in (
            (self.duplicates, "repeat an index"),
            (self.impossible_classes, "have a label or prediction that is no class"),
            (self.abstained_with_radius, "predict -1 with a radius"),
            (self.no_radius, "predict a class with a radius that is no positive number"),
        ):
            if count:
                found.append(f"{count} rows {what}")
        if self.running_total:
            found.append("the column correct is a running total")
        elif self.wrong_correct:
            found.append(f"in {self.wrong_correct} rows correct does not follow from label and predict")
        if self.stated.off:
            found.append(self.lattice_sentence)
        return tuple(found)

    @property
    def holds(self) -> bool:
        """Whether the file holds what was claimed."""
        return not self.faults

    @property
    def lattice_sentence(self) -> str:
        """Which alpha the radii were made with, as far as they tell."""
        fitting = self.fitting
        if self.rows == self.abstained + self.no_radius:
            return "no radius is printed, so alpha cannot be told"
        if fitting == (self.alpha,):
            return f"the radii lie on the lattice of alpha = {self.alpha:g}, as stated"
        if self.alpha in fitting:
            others = ", ".join(f"{alpha:g}" for alpha in fitting if alpha != self.alpha)
            return f"alpha cannot be told: the radii lie on the lattice of {self.alpha:g}, as stated, and of {others}"
        if fitting:
            other = "down" if self.rounding == "nearest" else "to nearest"
            return (
                f"the radii lie on the lattice of alpha = {' and of '.join(f'{alpha:g}' for alpha in fitting)}, "
                f"not of {self.alpha:g} as stated"
            ) + (f" (unless they were rounded {other})" if self.alpha in self.otherwise else "")
        best = self.likely
        return (
            f"the radii lie on no lattice that was tried: {self.stated.off} lie off that of alpha = {self.alpha:g} "
            f"as stated, and {best.off} off that of {best.alpha:g}"
            if best.alpha != self.alpha
            else f"the radii lie on no lattice that was tried: {best.off} lie off that of alpha = {best.alpha:g}"
        )

    @property
    def verdict(self) -> str:
        """One sentence on the file."""
        lattice = self.lattice_sentence
        others = [fault for fault in self.faults if fault != lattice]
        return "; ".join([lattice, *others])


def audit(
    files: str | Path | Sequence[str | Path],
    *,
    sigma: float | None = None,
    n: int = 100_000,
    alpha: float = 0.001,
    rows: int | None = None,
    num_classes: int = 10,
    rounding: str = "auto",
) -> tuple[FileAudit, ...]:
    """Hold published per-image files against what they are said to be: CERTIFY with these sigma, n and alpha.

    With n draws a certified radius is one of about n/2 numbers (``radius_lattice``), which depend on alpha. Radii
    that were printed of another alpha's numbers show it, most clearly at the top, where the numbers lie far apart.

    Args:
        files: one or several, as ``read_published`` reads them.
        sigma: of all files, in input units; None takes it from names such as ``sigma_0.25.tsv``.
        n: estimation draws of an input.
        alpha: failure probability of a certificate, in (0, 1).
        rows: how many rows each file should have; None infers it from the spacing of the indices and the smallest
            of ``DATA_SET_SIZES`` that holds them.
        num_classes: labels and predictions are 0..num_classes - 1.
        rounding: how the radii were printed: "nearest" (by the research script), "down" (by ``noiseproof export``),
            or "auto": to nearest, unless that explains the radii at no alpha and rounding down does better.

    Raises:
        DataError: a file cannot be read or is of another format.
        ValueError: an argument is out of range, or no sigma is known.
    """
    files = [files] if isinstance(files, str | Path) else files
    if not files:
        raise ValueError("files must not be empty: name at least one")
    if num_classes < 2:
        raise ValueError(f"num_classes must be >= 2, got {num_classes}")
    if rows is not None and rows < 1:
        raise ValueError(f"rows must be >= 1, got {rows}")
    if rounding not in ROUNDINGS:
        raise ValueError(unknown("rounding", rounding, ROUNDINGS))
    paths = [Path(file) for file in files]
    sigmas = [sigma_of(path, sigma) for path in paths]
    for value in sigmas:
        if not (value > 0 and isfinite(value)):
            raise ValueError(f"sigma must be > 0, got {value}")
    tables = [read_published(path) for path in paths]
    lattices = {tried: radius_lattice(n, tried) for tried in sorted({*ALPHAS, alpha})}
    return tuple(
        audit_rows(
            table,
            lattices,
            name=path.name,
            sigma=value,
            n=n,
            alpha=alpha,
            expected=rows,
            num_classes=num_classes,
            rounding=rounding,
        )
        for path, value, table in zip(paths, sigmas, tables, strict=True)
    )


def audit_rows(
    rows: Sequence[PublishedRow],
    lattices: Mapping[float, NDArray[np.float64]],
    *,
    name: str,
    sigma: float,
    n: int,
    alpha: float,
    expected: int | None = None,
    num_classes: int = 10,
    rounding: str = "auto",
) -> FileAudit:
    """The audit of one file's rows, at least one.

    ``lattices`` are those of ``radius_lattice`` at n draws, for each alpha to try, the stated one among them. The other
    arguments are as for ``audit`` (``expected``: its ``rows``) and among the attributes of ``FileAudit``.
    """
    answered = [row for row in rows if row.predict != ABSTAIN]
    certified = [row for row in answered if isfinite(row.radius) and row.radius > 0]
    printed = printed_radii([row.printed for row in certified], DIGITS)
    nearest, down = (
        tuple(fit_lattice(printed, lattices[tried], sigma, tried, how) for tried in sorted(lattices))
        for how in ("nearest", "down")
    )
    if rounding == "auto":
        rounding = "nearest" if _least_off(nearest) <= _least_off(down) else "down"
    fits, others = (down, nearest) if rounding == "down" else (nearest, down)
    every, inferred = _expected_rows(rows)
    right = [int(row.predict == row.label) for row in rows]
    correct = [row.correct for row in rows]
    return FileAudit(
        name=name,
        sigma=sigma,
        n=n,
        alpha=alpha,
        rows=len(rows),
        expected=inferred if expected is None else expected,
        every=every,
        abstained=len(rows) - len(answered),
        digits=printed.digits,
        rounding=rounding,
        fits=fits,
        otherwise=tuple(fit.alpha for fit in others if fit.off == 0),
        no_radius=len(answered) - len(certified),
        impossible_classes=sum(
            not (0 <= row.label < num_classes and ABSTAIN <= row.predict < num_classes) for row in rows
        ),
        wrong_correct=sum(said != is_right for said, is_right in zip(correct, right, strict=True)),
        running_total=correct != right and correct == list(accumulate(right)),
        abstained_with_radius=sum(row.predict == ABSTAIN and row.radius != 0 for row in rows),
        duplicates=len(rows) - len({row.index for row in rows}),
    )


def _least_off(fits: Sequence[Fit]) -> int:
    return min(fit.off for fit in fits)


def _expected_rows(rows: Sequence[PublishedRow]) -> tuple[int, int | None]:
    """The most common step between indices, and how many rows such steps make of the whole data set."""
    indices = sorted({row.index for row in rows})
    steps = Counter(after - before for before, after in pairwise(indices))
    every = min(steps, key=lambda step: (-steps[step], step), default=1)
    size = next((size for size in DATA_SET_SIZES if indices[-1] < size), None)
    return every, None if size is None else len(range(indices[0] % every, size, every))

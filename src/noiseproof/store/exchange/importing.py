"""Import: another tool's result file as a run folder that says what is known of its numbers, and what is not."""

from __future__ import annotations

import hashlib
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scipy.special import ndtr

from noiseproof.errors import DataError, unknown
from noiseproof.noises import Gaussian
from noiseproof.procedures import Certify, Simultaneous, replay
from noiseproof.store.exchange.published import read_published, sigma_of
from noiseproof.store.exchange.topk import read_topk
from noiseproof.store.manifest import KIND_IMPORT, NO_COUNTS, Manifest
from noiseproof.store.run import RunFolder, read_run
from noiseproof.store.state import Range
from noiseproof.types import ABSTAIN, Answer, Certificate
from noiseproof.version import __version__

if TYPE_CHECKING:
    from noiseproof.procedures import Procedure
    from noiseproof.store.exchange.published import PublishedRow
    from noiseproof.store.exchange.topk import CountedRow
    from noiseproof.store.run import Run

FORMATS = ("tsv", "topk")


def import_run(
    source: str | Path,
    *,
    out: str | Path,
    sigma: float | None = None,
    n: int = 100_000,
    n0: int | None = None,
    alpha: float = 0.001,
    format: str = "tsv",
) -> Run:
    """Turn a published result file into a run folder, for ``report`` and ``show``; the same line again does nothing.

    A ``tsv`` file holds no counts: its radii are taken as printed, its settings as stated here, and ``verify`` has
    nothing to verify. Its column ``correct`` is not taken over: it follows from label and predict.

    A ``topk`` file holds class counts but no selection draws. Its certificates are made here, by SIMULTANEOUS: every
    class is tested at alpha / (number of classes), because the class is selected on the draws that certify it.
    ``verify`` replays them. Inputs are numbered from 0, since the file does not say which they are.

    Args:
        source: the file.
        out: the run folder.
        sigma: of the Gaussian noise in input units; None takes it from a name such as ``sigma_0.25.tsv``.
        n: draws of an input, as stated.
        n0: selection draws of an input, as stated (100 where left out); None for ``topk``.
        alpha: failure probability of a certificate, in (0, 1): as stated, or for ``topk`` as wanted.
        format: "tsv" or "topk".

    Returns:
        The run.

    Raises:
        DataError: the file is not of this format, or a row cannot be a certificate; names the line.
        RunError: the folder holds something else, or cannot be written.
        ValueError: an argument is out of range, or no sigma is known.
    """
    path = Path(source)
    if format not in FORMATS:
        raise ValueError(unknown("format", format, FORMATS))
    if format == "topk" and n0 is not None:
        raise ValueError(f"n0 must be left out for topk, got {n0}: such a file holds no selection draws")
    noise = Gaussian(sigma=sigma_of(path, sigma), grid=None)
    settings = {"source": str(path), "format": format, "sigma": noise.sigma, "n": n, "n0": n0, "alpha": alpha}
    procedure: Procedure
    if format == "tsv":
        procedure = Certify(n0=100 if n0 is None else n0, n=n, alpha=alpha)
        rows = read_published(path)
        certificates = _as_printed(path, rows, noise)
        meaning = _meaning(path, format, noise, procedure) | {
            "counts": NO_COUNTS,
            "claim": "radii as printed in the source; noise and procedure as stated at import; nothing is verified",
        }
        with RunFolder(Path(out), Manifest(KIND_IMPORT, meaning, __version__)) as folder:
            folder.begin({"version": __version__}, settings)
            for row, certificate in zip(rows, certificates, strict=True):
                key = f"index-{row.index}"
                if key not in folder.state.records:
                    folder.add_record(key, row.index, row.label, [], certificate, seconds=row.seconds)
    else:
        procedure = Simultaneous(n=n, alpha=alpha)
        counted = read_topk(path)
        _check_sums(path, counted, n)
        meaning = _meaning(path, format, noise, procedure) | {
            "counts": "as in the source",
            "claim": "the class is selected on the draws that certify it: every class is tested at alpha/num_classes",
            "model": {"num_classes": len(counted[0].votes)},
        }
        with RunFolder(Path(out), Manifest(KIND_IMPORT, meaning, __version__)) as folder:
            folder.begin({"version": __version__}, settings)
            for index, line in enumerate(counted):
                key = f"index-{index}"
                if key in folder.state.records:
                    continue
                if key not in folder.state.open:  # a kill can come between the two lines of an input
                    folder.add_range(key, "estimate", Range(0, n, line.votes, 0.0))
                said = replay(procedure, noise, [Answer("estimate", n, line.votes)])
                folder.add_record(key, index, line.label, [("estimate", n)], said)
    return read_run(Path(out))


def _meaning(path: Path, form: str, noise: Gaussian, procedure: Procedure) -> dict[str, Any]:
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None
    return {
        "source": {"name": path.name, "format": form, "sha256": digest},
        "noise": noise.config(),
        "procedure": procedure.config(),
    }


def _as_printed(path: Path, rows: tuple[PublishedRow, ...], noise: Gaussian) -> list[Certificate]:
    seen: dict[int, int] = {}
    certificates = []
    for number, row in enumerate(rows, start=2):
        if row.index in seen:
            raise DataError(
                f"{path}, line {number}: index {row.index} stood in line {seen[row.index]} already; "
                "noiseproof audit counts such rows"
            )
        seen[row.index] = number
        certified = row.predict >= 0 and row.radius > 0
        if not (isfinite(row.radius) and (certified or (row.predict == ABSTAIN and row.radius == 0))):
            raise DataError(
                f"{path}, line {number}: predict {row.predict} with radius {row.printed[:40]} is neither a certificate "
                "nor an abstention; noiseproof audit counts such rows"
            )
        # What the radius implies at this sigma; of an abstention nothing is known.
        tail = float(ndtr(-row.radius / noise.sigma)) if certified else 1.0
        certificates.append(Certificate(row.predict, row.radius, 1 - tail, tail, noise.norm))
    return certificates


def _check_sums(path: Path, rows: tuple[CountedRow, ...], n: int) -> None:
    for number, row in enumerate(rows, start=1):
        if sum(row.votes) > n:
            raise DataError(
                f"{path}, line {number}: the counts add to {sum(row.votes)}, more than n = {n}; "
                f"give --n {sum(row.votes)}"
            )

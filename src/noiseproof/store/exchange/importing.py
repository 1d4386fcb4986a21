"""Import: another tool's result file as a run folder that says what is known of its numbers, and what is not."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scipy.special import ndtr

from noiseproof.errors import DataError, unknown
from noiseproof.noises import Gaussian
from noiseproof.procedures import Certify, Simultaneous, replay
from noiseproof.procedures.enumerated import Enumerated
from noiseproof.store.exchange.ablations import PATCH, AblatedRow, patch_width, read_ablations
from noiseproof.store.exchange.arrays import read_arrays
from noiseproof.store.exchange.published import read_published, sigma_of
from noiseproof.store.exchange.topk import read_topk
from noiseproof.store.manifest import KIND_IMPORT, NO_COUNTS, STATED, Manifest
from noiseproof.store.run import RunFolder, read_run
from noiseproof.store.state import Range
from noiseproof.types import ABSTAIN, Answer, Certificate
from noiseproof.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable

    from noiseproof.procedures import Procedure
    from noiseproof.store.exchange.published import PublishedRow
    from noiseproof.store.exchange.topk import CountedRow
    from noiseproof.store.run import Run

FORMATS = ("tsv", "topk", "npy", "ablations")

PIXELS = "l2"
"""The norm of the radii of Gaussian noise, in input units: the one for which sigma says what they imply."""

_PRINTED = "radii as printed in the source; noise and procedure as stated at import; nothing is verified"
_DERIVED = "widths derived from the class of each ablated picture in the source; what was ablated as stated at import"


@dataclass(frozen=True)
class _Said:
    """One input of a source without counts."""

    index: int
    label: int
    outcome: Certificate
    seconds: float = 0.0


def import_run(
    source: str | Path,
    *,
    out: str | Path,
    n: int,
    alpha: float,
    sigma: float | None = None,
    n0: int | None = None,
    format: str = "tsv",
    norm: str = PIXELS,
    noise: str | None = None,
    labels: str | Path | None = None,
    stride: int | None = None,
) -> Run:
    """Turn a published result file into a run folder, for ``report`` and ``show``; the same line again does nothing.

    What the file does not say is asked for, never guessed: none of these forms says n or alpha.

    ``tsv`` (the research script of Cohen et al. and its descendants) holds no counts: its radii are taken as printed,
    its settings as stated here, and ``verify`` has nothing to verify. Its column ``correct`` is not taken over: it
    follows from label and predict. ``npy`` is a folder of arrays, ``radius_l1.npy`` and its neighbours, of which the
    same holds. ``ablations`` are the files of a smoothed vision transformer: the class of each ablated picture, from
    which the width of the patch that changes nothing is derived here.

    A ``topk`` file holds class counts but no selection draws. Its certificates are made here, by SIMULTANEOUS: every
    class is tested at alpha / (number of classes), because the class is selected on the draws that certify it.
    ``verify`` replays them. Inputs are numbered from 0 where the file does not say which they are.

    Args:
        source: the file, or the folder.
        out: the run folder.
        n: draws of an input, as stated; where the noise was enumerated, how many values it has.
        alpha: failure probability of a certificate: as stated, or for ``topk`` as wanted. 0 where the noise was
            enumerated.
        sigma: of Gaussian noise in input units; None takes it from a name such as ``sigma_0.25.tsv`` or
            ``noise_0.25.tsv``.
        n0: selection draws of an input, as stated (100 where left out); None for ``topk``, or with alpha 0.
        format: one of ``FORMATS``.
        norm: what the radii are measured in: "l2", "l1", "linf", or in words, as in "degrees of rotation".
        noise: the noise in words, where it is not Gaussian in input units. Then sigma belongs into the words, and a
            row whose radius is no positive number certifies nothing.
        labels: of ``npy`` without ``labels.npy``: a file of them, in the order of the rows.
        stride: of ``ablations``: pixels from one ablated picture to the next.

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
    if format == "ablations":
        norm = PATCH
    _check_stated(format, norm, noise, sigma, n0=n0, labels=labels, stride=stride)
    gaussian = None if noise is not None else Gaussian(sigma=sigma_of(path, sigma), grid=None)
    procedure = _procedure(format, n=n, n0=n0, alpha=alpha)
    meaning: dict[str, Any] = {
        "source": {"name": path.resolve().name, "format": format, "sha256": _digest(path, format, norm)},
        "noise": {"family": STATED, "text": noise, "norm": norm} if gaussian is None else gaussian.config(),
        "procedure": procedure.config(),
    }
    asked: dict[str, Any] = {"source": str(path), "format": format}
    asked |= {"norm": norm, "noise": noise} if gaussian is None else {"sigma": gaussian.sigma}
    asked |= {"n": n, "n0": n0, "alpha": alpha}
    if format == "topk":
        counted = read_topk(path)
        _check_sums(path, counted, n)
        assert gaussian is not None  # _check_stated
        return _with_counts(Path(out), meaning, asked, procedure, gaussian, counted)
    if format == "tsv":
        rows: Iterable[_Said] = _printed(path, read_published(path), gaussian, norm)
    elif format == "npy":
        rows = _of_arrays(path, norm, labels, gaussian)
    else:
        ablated = read_ablations(path)
        rows = _of_ablations(path, ablated, n, stride)
        meaning["noise"]["stride"] = stride
    meaning |= {"counts": NO_COUNTS, "claim": _DERIVED if format == "ablations" else _PRINTED}
    return _without_counts(Path(out), meaning, asked, rows)


def _check_stated(
    form: str,
    norm: str,
    noise: str | None,
    sigma: float | None,
    *,
    n0: int | None,
    labels: str | Path | None,
    stride: int | None,
) -> None:
    """Refuse what does not go together.

    Raises:
        ValueError: see ``import_run``.
    """
    if form == "topk" and n0 is not None:
        raise ValueError(f"n0 must be left out for topk, got {n0}: such a file holds no selection draws")
    if form == "topk" and noise is not None:
        raise ValueError("noise must be left out for topk: its certificates are made here, for Gaussian noise")
    if noise is None and norm != PIXELS:
        raise ValueError(
            f"noise must be given in words with radii in {norm!r}, as in --noise 'uniform splitting, sigma 0.5'"
        )
    if noise is not None and (not noise.strip() or len(noise) > 200):
        raise ValueError(f"noise must be 1 to 200 letters, got {len(noise)}")
    if not norm.strip() or len(norm) > 60:
        raise ValueError(f"norm must be 1 to 60 letters, got {len(norm)}")
    if noise is not None and sigma is not None:
        raise ValueError(f"sigma must be left out where the noise is told in words, got {sigma}; say it there")
    if labels is not None and form != "npy":
        raise ValueError(f"labels go with the format npy, got {labels} with {form}, which has its own")
    if (stride is not None) != (form == "ablations"):
        raise ValueError(
            f"stride must be left out for {form}, got {stride}"
            if stride is not None
            else "stride must be given for ablations, which do not say it: pixels from one ablated picture to the next"
        )


def _procedure(form: str, *, n: int, n0: int | None, alpha: float) -> Procedure:
    if alpha == 0 and form != "topk":
        if n0 is not None:
            raise ValueError(f"n0 must be left out with alpha 0, got {n0}: where all is enumerated none is selected by")
        return Enumerated(n=n)
    if form == "ablations":
        raise ValueError(f"alpha must be 0 for ablations, got {alpha}: every one of them was asked for")
    if form == "topk":
        return Simultaneous(n=n, alpha=alpha)
    return Certify(n0=100 if n0 is None else n0, n=n, alpha=alpha)


def _digest(path: Path, form: str, norm: str) -> str:
    """SHA-256 of the source; of a folder, of its files by name."""
    parts = {
        "npy": (f"radius_{norm}.npy", "predicted_labels.npy", "preds.npy", "prob_lb.npy", "labels.npy"),
        "ablations": ("*.pth",),
    }.get(form, ())
    files = sorted(found for part in parts for found in path.glob(part)) if path.is_dir() else [path]
    digest = hashlib.sha256()
    try:
        for file in files:
            if file is not path:
                digest.update(f"{file.name}\0{file.stat().st_size}\0".encode())
            digest.update(file.read_bytes())
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None
    return digest.hexdigest()


def _without_counts(out: Path, meaning: dict[str, Any], asked: dict[str, Any], rows: Iterable[_Said]) -> Run:
    with RunFolder(out, Manifest(KIND_IMPORT, meaning, __version__)) as folder:
        folder.begin({"version": __version__}, asked)
        for row in rows:
            key = f"index-{row.index}"
            if key not in folder.state.records:
                folder.add_record(key, row.index, row.label, [], row.outcome, seconds=row.seconds)
    return read_run(out)


def _with_counts(
    out: Path,
    meaning: dict[str, Any],
    asked: dict[str, Any],
    procedure: Procedure,
    noise: Gaussian,
    counted: tuple[CountedRow, ...],
) -> Run:
    meaning |= {
        "counts": "as in the source",
        "claim": "the class is selected on the draws that certify it: every class is tested at alpha/num_classes",
        "model": {"num_classes": len(counted[0].votes)},
    }
    n = procedure.most_draws
    with RunFolder(out, Manifest(KIND_IMPORT, meaning, __version__)) as folder:
        folder.begin({"version": __version__}, asked)
        for index, line in enumerate(counted):
            key = f"index-{index}"
            if key in folder.state.records:
                continue
            if key not in folder.state.open:  # a kill can come between the two lines of an input
                folder.add_range(key, "estimate", Range(0, n, line.votes, 0.0))
            said = replay(procedure, noise, [Answer("estimate", n, line.votes)])
            folder.add_record(key, index, line.label, [("estimate", n)], said)
    return read_run(out)


def _certificate(
    predict: int, radius: float, noise: Gaussian | None, norm: str, p_lower: float | None = None
) -> Certificate:
    """What is said of an input: p_lower as given, or what the radius implies at this sigma; else nothing is known."""
    if predict == ABSTAIN:
        return Certificate(ABSTAIN, 0.0, 0.0, 1.0, norm)
    if p_lower is not None:
        return Certificate(predict, radius, p_lower, 1 - p_lower, norm)
    tail = 1.0 if noise is None else float(ndtr(-radius / noise.sigma))
    return Certificate(predict, radius, 1 - tail, tail, norm)


def _printed(path: Path, rows: tuple[PublishedRow, ...], noise: Gaussian | None, norm: str) -> list[_Said]:
    seen: dict[int, int] = {}
    said = []
    for number, row in enumerate(rows, start=2):
        if row.index in seen:
            raise DataError(
                f"{path}, line {number}: index {row.index} stood in line {seen[row.index]} already; "
                "noiseproof audit counts such rows"
            )
        seen[row.index] = number
        certified = row.predict >= 0 and row.radius > 0
        abstained = row.predict == ABSTAIN and row.radius == 0
        uncertified = noise is None and row.predict >= ABSTAIN and row.radius <= 0  # a class, for which nothing holds
        if not (isfinite(row.radius) and (certified or abstained or uncertified)):
            raise DataError(
                f"{path}, line {number}: predict {row.predict} with radius {row.printed[:40]} is neither a certificate "
                "nor an abstention; noiseproof audit counts such rows"
            )
        outcome = _certificate(row.predict if certified else ABSTAIN, row.radius, noise, norm)
        said.append(_Said(row.index, row.label, outcome, row.seconds))
    return said


def _of_arrays(folder: Path, norm: str, labels: str | Path | None, noise: Gaussian | None) -> list[_Said]:
    said = []
    for index, row in enumerate(read_arrays(folder, norm, None if labels is None else Path(labels))):
        if row.p_lower is not None and not 0 <= row.p_lower <= 1:
            raise DataError(f"{folder / 'prob_lb.npy'}, entry {index}: {row.p_lower} is no probability")
        if row.radius == float("inf") or row.predict < 0 or row.label < 0:
            raise DataError(
                f"{folder}, entry {index}: class {row.predict} with radius {row.radius} and label {row.label} is "
                "neither a certificate nor an abstention"
            )
        predict = row.predict if row.radius > 0 else ABSTAIN  # NaN, too, certifies nothing
        said.append(_Said(index, row.label, _certificate(predict, row.radius, noise, norm, row.p_lower)))
    return said


def _of_ablations(path: Path, rows: tuple[AblatedRow, ...], n: int, stride: int | None) -> list[_Said]:
    assert stride is not None  # _check_stated
    if stride < 1:
        raise ValueError(f"stride must be >= 1, got {stride}")
    said = []
    for index, row in enumerate(rows):
        if len(row.classes) != n:
            raise DataError(f"{path}: {len(row.classes)} ablations an input, not n = {n}; give --n {len(row.classes)}")
        top, width = patch_width(row, stride)
        predict = top if width else ABSTAIN
        said.append(_Said(index, row.label, _certificate(predict, float(width), None, PATCH)))
    return said


def _check_sums(path: Path, rows: tuple[CountedRow, ...], n: int) -> None:
    for number, row in enumerate(rows, start=1):
        if sum(row.votes) > n:
            raise DataError(
                f"{path}, line {number}: the counts add to {sum(row.votes)}, more than n = {n}; "
                f"give --n {sum(row.votes)}"
            )

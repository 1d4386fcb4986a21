"""A certified run's own model, data and inputs, found again and checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from noiseproof.errors import ModelError, RunError, UnsupportedError
from noiseproof.noises import Gaussian
from noiseproof.noises.keys import input_key
from noiseproof.runners.local import job
from noiseproof.store import Run, read_run
from noiseproof.store.manifest import differences
from noiseproof.types import Certificate, Decision, Record

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noiseproof.data import DataSet
    from noiseproof.procedures import Procedure
    from noiseproof.runners.job import Job
    from noiseproof.runners.local import Model


def certified_run(path: Path) -> Run:
    """A run of certify or decide whose certificates an attack can try: Gaussian noise.

    Raises:
        RunError: not a run of certify or decide.
        UnsupportedError: another noise.
    """
    run = read_run(path)
    if run.manifest.kind not in ("certify", "decide"):
        raise RunError(f"{path} is a run of {run.manifest.kind}, which has no radii; give a run of certify")
    if not isinstance(run.noise, Gaussian):
        raise UnsupportedError(f"attacks know Gaussian noise only; {path} has {run.noise.family} noise")
    return run


@dataclass(frozen=True)
class Claim:
    """What a run says of one input: g is of this class everywhere within this L2 radius.

    Attributes:
        prediction: the certified class.
        radius: in input units, > 0.
    """

    prediction: int
    radius: float


def claim_of(record: Record) -> Claim | None:
    """What can be attacked: the certificate of an input, or the decision about it; None where it claims nothing.

    Raises:
        UnsupportedError: a radius in another norm.
    """
    outcome = record.outcome
    if not isinstance(outcome, Certificate | Decision) or outcome.abstained or not outcome.radius > 0:
        return None
    if outcome.norm != "l2":
        raise UnsupportedError(f"attacks know the L2 norm only, got a radius in {outcome.norm!r}")
    return Claim(outcome.prediction, outcome.radius)


def certified_job(
    run: Run,
    procedure: Procedure,
    model: Model | None,
    data: str | DataSet | None,
    root: str | Path | None,
    device: str,
    batch_size: int | None,
    workers: int | None,
) -> Job:
    """A job about the model and the data of a run, which are checked to be those that were certified.

    Args:
        run: what was certified.
        procedure: the job's.
        model: the model, where the run's settings do not lead to it; of several, what the run has of a consensus.
        data: the data set, likewise.
        root: where data sets lie; by default as in the run.
        device: where to compute.
        batch_size: rows a forward pass.
        workers: batches computed at once.

    Raises:
        ModelError: the model is not there, or not the certified one; names both fingerprints.
        RunError: the data set is not the certified one.
    """
    assert isinstance(run.noise, Gaussian)
    stored: dict[str, Any] = run.state.sessions[-1]["settings"] if run.state.sessions else {}
    meaning = run.manifest.meaning
    before = stored.get("model", "")
    given = before if model is None else model
    # of another number of models no consensus is asked: then the fingerprints say that they are not those of the run
    several = isinstance(given, list | tuple) and isinstance(before, list) and len(given) == len(before)
    try:
        asked = job(
            procedure,
            model=given,
            data=meaning["data"]["name"] if data is None else data,
            sigma=run.noise.sigma,
            grid=run.noise.grid,
            num_classes=meaning["model"]["num_classes"],
            consensus=stored.get("consensus") if several else None,
            model_id=stored.get("model_id"),
            root=stored.get("root") if root is None else root,
            device=device,
            precision=meaning["precision"],
            backend=meaning["backend"],
            batch_size=batch_size,
            workers=workers,
        )
    except ModelError as error:
        remedy = "; give the certified model with --model" if model is None else ""
        raise ModelError(f"{error}{remedy}") from None
    found = asked.manifest.meaning
    wanted, got = meaning["model"]["fingerprint"], found["model"]["fingerprint"]
    if got != wanted:
        raise ModelError(
            f"{asked.model.source} has the fingerprint {got}, but {run.path} was certified with {wanted}; "
            "give the certified model with --model"
        )
    differing = differences(meaning["data"], found["data"])
    if differing:
        raise RunError(f"the data set is not the one of {run.path}: {'; '.join(differing)}; give that one")
    return asked


def certified_input(asked: Job, record: Record) -> NDArray[np.float64]:
    """The clean input in [0, 1], checked to be the picture that was certified.

    Raises:
        RunError: it is another picture.
    """
    pixels = asked.noise.encode(asked.data.pixels(record.index))
    if input_key(pixels).rpartition("-")[0] != record.key.rpartition("-")[0]:
        raise RunError(
            f"input {record.index} of {asked.data.name} is another picture than the certified one: "
            "the data set was changed; give the one of the run"
        )
    clean: NDArray[np.float64] = pixels / np.float64(asked.noise.scale)
    return clean

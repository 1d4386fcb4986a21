"""A certified run's own model, data and inputs, found again and checked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from noiseproof.asked import Asked, Compute, Elsewhere
from noiseproof.data.request import REQUEST, kept
from noiseproof.engine.require import check_available
from noiseproof.errors import DataError, ModelError, RunError, UnsupportedError
from noiseproof.noises.keys import input_key
from noiseproof.runners.resolve import data_of, resolve
from noiseproof.store import Run
from noiseproof.store.given import RunLike, run_of
from noiseproof.store.manifest import differences, is_path, told
from noiseproof.types import Certificate, Decision, Record

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noiseproof.asked import Subject
    from noiseproof.data import DataSet
    from noiseproof.procedures import Procedure
    from noiseproof.runners.job import Job


def certified_run(run: RunLike) -> Run:
    """A run of certify or decide whose certificates an attack can try.

    Raises:
        RunError: not a run of certify or decide.
        UnsupportedError: its noise cannot be judged at points off its grid.
    """
    run = run_of(run)
    if run.manifest.kind not in ("certify", "decide"):
        raise RunError(f"{run.path} is a run of {run.manifest.kind}, which has no radii; give a run of certify")
    run.noise.anywhere()
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


def certified_job(run: Run, procedure: Procedure, elsewhere: Elsewhere, compute: Compute) -> Job:
    """A job about the model and the data of a run, which are checked to be those that were certified.

    Args:
        run: what was certified.
        procedure: the job's.
        elsewhere: where model and data lie now, as far as the run's settings do not lead to them.
        compute: where to compute; in the run's precision and with its backend.

    Raises:
        ModelError: the model is not there, or not the certified one; names both fingerprints.
        RunError: the data set is not the certified one.
    """
    before, meaning = Asked.of(run), run.manifest.meaning
    subject = before.subject.moved(elsewhere)
    check_available(before.compute.backend, before.compute.precision)  # no other model is its remedy
    try:
        asked = resolve(
            replace(
                before,
                procedure=procedure,
                noise=replace(before.noise, dimension=None),  # type: ignore[type-var]  # families are dataclasses
                subject=replace(subject, data=_data_of(run, subject, elsewhere)),
                compute=replace(compute, precision=before.compute.precision, backend=before.compute.backend),
                seed=0,
                rng="philox",
                budget=None,
            )
        )
    except ModelError as error:
        if elsewhere.model is not None:
            raise
        name = meaning["model"]["architecture"]
        if name == before.subject.model and ":" not in name:  # an object in Python has no other name
            raise ModelError(
                f"{run.path} is of {name}, an object in Python; give it there: elsewhere=Elsewhere(model=...)"
            ) from None
        raise ModelError(f"{error}; give the certified model with --model") from None
    except DataError as error:
        remedy = "; give the certified data set with --data" if elsewhere.data is None else ""
        raise DataError(f"{error}{remedy}") from None
    found = asked.manifest.meaning
    if elsewhere.data is not None and is_path(meaning["data"]["name"]):  # it was moved: what it holds is compared
        found["data"]["name"] = meaning["data"]["name"]
    wanted, got = meaning["model"]["fingerprint"], found["model"]["fingerprint"]
    if got != wanted:
        raise ModelError(
            f"{asked.model.source} has the fingerprint {got}, but {run.path} was certified with {wanted}; "
            "give the certified model with --model"
        )
    differing = differences(meaning["data"], found["data"])
    if differing:
        raise RunError(f"the data set is not the one of {run.path}: {told(differing)}; give that one")
    return asked


def _data_of(run: Run, subject: Subject, elsewhere: Elsewhere) -> DataSet:
    if elsewhere.data is None and run.manifest.meaning["data"]["name"] == REQUEST:
        return kept(run.path, run.manifest.meaning["model"]["num_classes"])
    try:
        return data_of(subject)
    except ValueError as error:
        if elsewhere.data is not None:
            raise
        raise DataError(str(error)) from None  # the run's own, which was in somebody's hands


def certified_input(asked: Job, record: Record) -> NDArray[np.float64]:
    """The clean input in [0, 1], checked to be the picture that was certified.

    Raises:
        RunError: it is another picture.
    """
    pixels = asked.input(record.index)
    if input_key(pixels).rpartition("-")[0] != record.key.rpartition("-")[0]:
        raise RunError(
            f"input {record.index} of {asked.data.name} is another picture than the certified one: "
            "the data set was changed; give the one of the run"
        )
    clean: NDArray[np.float64] = pixels / np.float64(asked.noise.scale)
    return clean

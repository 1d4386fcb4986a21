"""Draws made in this process, by one backend."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar

from noiseproof.checks import brief_check
from noiseproof.engine import Drawn, Finished, OutOfMemoryError
from noiseproof.engine.clean import with_clean
from noiseproof.engine.disagreement import disagreement
from noiseproof.engine.halving import free_memory
from noiseproof.models.ensemble import row_by_row
from noiseproof.runners.executors.base import CHECKED, Began, Executor, check_tolerance, tolerance_before
from noiseproof.version import __version__

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noiseproof.asked import Compute
    from noiseproof.engine.pooled import PooledBackend
    from noiseproof.runners.job import Job
    from noiseproof.store.state import State

log = logging.getLogger(__name__)


class InProcess(Executor):
    """One backend of this process; when memory runs out, the same draws again in batches of half the size."""

    name: ClassVar[str] = "in-process"

    def draw(self, job: Job, state: State) -> Iterator[Began | Drawn | Finished]:
        """See ``Executor``."""
        batch_size = job.batch_size
        while True:
            backend = job.backend(batch_size)
            try:
                yield from self._draw(job, state, backend)
            except OutOfMemoryError:
                if backend.batch_size == 1:
                    raise
                batch_size = backend.batch_size // 2
            else:
                return
            finally:
                backend.close()
            log.warning("out of memory: the same draws again in batches of %d", batch_size)
            del backend
            free_memory()

    def _draw(self, job: Job, state: State, backend: PooledBackend) -> Iterator[Began | Drawn | Finished]:
        yield Began(checked(job, backend, state))
        yield from job.engine(backend).run(job.asked.procedure, with_clean(job.tasks(state), backend), job.asked.budget)


def checked(job: Job, backend: PooledBackend, state: State) -> dict[str, Any]:
    """What a session line says of a backend that was checked with the model of a job, before the first draw.

    Raises:
        ModelError: the base classifier breaks its contract.
    """
    _check(job, backend, state)
    compare(
        job.asked.compute,
        backend,
        lambda name, precision, batch_size: job.backend(batch_size, name=name, precision=precision),
        [job.input(index) for index in job.indices[:CHECKED]],
    )
    return {"version": __version__, **backend.environment()}


def _check(job: Job, backend: PooledBackend, state: State) -> None:
    """Refuse a model that is no function of each row, before the first draw; note by how much its scores vary.

    A tolerance that an earlier session drew with in this environment stands, unless more is measured now.
    """
    left = job.left(state)
    tolerance = tolerance_before(state.sessions, {"version": __version__, **backend.environment()})
    if left:
        tolerance = max(tolerance, check(backend, [job.input(index) for index in left[:CHECKED]]))
    backend.tolerance = tolerance
    check_tolerance(tolerance, row_by_row(job.model.module))
    if tolerance:
        backend.measured["tolerance"] = tolerance


def check(backend: PooledBackend, inputs: Sequence[NDArray[Any]]) -> float:
    """The tolerance that the scores of equal inputs ask for here; refuses a model that is no function of each row."""
    checked = brief_check(backend, inputs)
    backend.measured["checked"] = asdict(checked)
    return checked.tolerance


def compare(
    compute: Compute,
    backend: PooledBackend,
    make: Callable[[str, str, int | None], PooledBackend],
    inputs: Sequence[NDArray[Any]],
) -> None:
    """Measure, for the record, how often another backend or precision than torch in fp32 votes differently.

    Args:
        compute: what is asked for.
        backend: that will draw.
        make: another backend for the same, by name, precision and batch size.
        inputs: that are tried.
    """
    if (compute.backend, compute.precision) == ("torch", "fp32"):
        return
    reference = make("torch", "fp32", backend.batch_size)
    try:
        differing, tried = disagreement(backend, reference, inputs)
    finally:
        reference.close()
    backend.measured["disagreement"] = {"rows": tried, "differing": differing}
    log.warning(
        "%s in %s votes as torch in fp32 on all but %d of %d noisy inputs",
        backend.label,
        compute.precision,
        differing,
        tried,
    )

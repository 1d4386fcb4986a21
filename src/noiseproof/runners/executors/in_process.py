"""Draws made in this process, by one backend."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar

from noiseproof.checks import brief_check
from noiseproof.engine import Drawn, Finished, OutOfMemoryError
from noiseproof.engine.clean import with_clean
from noiseproof.engine.disagreement import disagreement
from noiseproof.engine.halving import free_memory
from noiseproof.errors import ModelError
from noiseproof.models.ensemble import row_by_row
from noiseproof.runners.executors.base import Began, Executor
from noiseproof.store.run import DRAWN_BY
from noiseproof.version import __version__

if TYPE_CHECKING:
    from noiseproof.engine.pooled import PooledBackend
    from noiseproof.runners.job import Job
    from noiseproof.store.state import State

log = logging.getLogger(__name__)


class InProcess(Executor):
    """One backend of this process; when memory runs out, the same draws again in batches of half the size."""

    name: ClassVar[str] = "in-process"

    def draw(self, job: Job, state: State) -> Iterator[Began | Drawn | Finished]:
        """See ``Executor``."""
        batch_size = job.asked.compute.batch_size
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
        _check(job, backend, state)
        _compare(job, backend)
        yield Began({"version": __version__, **backend.environment()})
        yield from job.engine(backend).run(job.asked.procedure, with_clean(job.tasks(state), backend), job.asked.budget)


def _check(job: Job, backend: PooledBackend, state: State) -> None:
    """Refuse a model that is no function of each row, before the first draw; note by how much its scores vary.

    A tolerance that an earlier session drew with in this environment stands, unless more is measured now.
    """
    left = job.left(state)
    before = _tolerance_before(state, {"version": __version__, **backend.environment()})
    tolerance = before
    if left:
        checked = brief_check(backend, [job.input(index) for index in left[:16]])
        backend.measured["checked"] = asdict(checked)
        tolerance = max(before, checked.tolerance)
    backend.tolerance = tolerance
    if tolerance and (why := row_by_row(job.model.module)):
        raise ModelError(
            f"scores of equal inputs vary here by up to {tolerance:.1e} of the largest, and what hangs on it cannot be "
            f"told where {why}; or compute on another --device"
        )
    if tolerance:
        backend.measured["tolerance"] = tolerance


def _compare(job: Job, backend: PooledBackend) -> None:
    """Measure, for the record, how often another backend or precision than torch in fp32 votes differently."""
    compute = job.asked.compute
    if (compute.backend, compute.precision) == ("torch", "fp32"):
        return
    reference = job.backend(backend.batch_size, name="torch", precision="fp32")
    try:
        differing, tried = disagreement(backend, reference, [job.input(index) for index in job.indices[:16]])
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


def _tolerance_before(state: State, environment: dict[str, Any]) -> float:
    """What the last session drew with that had the same device, backend, precision, batch size and version."""
    names = [name for name in DRAWN_BY if name != "tolerance"]
    same = [session for session in state.sessions if all(session.get(name) == environment.get(name) for name in names)]
    return float(same[-1].get("tolerance", 0.0)) if same else 0.0

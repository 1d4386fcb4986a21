"""Draws made one row at a time: slow, and the same."""

from noiseproof.runners.executors import Began, Executor
from noiseproof.version import __version__


class OneRow(Executor):
    name = "one-row"

    def draw(self, job, state):
        backend = job.backend(batch_size=1)
        try:
            yield Began({"version": __version__, **backend.environment()})
            yield from job.engine(backend).run(job.asked.procedure, job.tasks(state), job.asked.budget)
        finally:
            backend.close()

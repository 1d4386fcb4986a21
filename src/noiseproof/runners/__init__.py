"""Where a job runs, and what else is done with a model and data put together."""

from noiseproof.runners.job import Cost, Job
from noiseproof.runners.resolve import resolve
from noiseproof.runners.run import run

__all__ = ["Cost", "Job", "resolve", "run"]

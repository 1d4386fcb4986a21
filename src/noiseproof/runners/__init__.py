"""Where a job runs: so far, in this process."""

from noiseproof.runners.job import Cost, Job
from noiseproof.runners.local import certify, decide, job, predict

__all__ = ["Cost", "Job", "certify", "decide", "job", "predict"]

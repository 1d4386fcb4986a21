"""Where a job runs: so far, in this process."""

from noiseproof.runners.job import Cost, Job, Progress
from noiseproof.runners.local import certify, decide, job, predict

__all__ = ["Cost", "Job", "Progress", "certify", "decide", "job", "predict"]

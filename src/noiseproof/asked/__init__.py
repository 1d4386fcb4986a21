"""A run, written down once: the records from which flags, settings files, lines, jobs and manifests come."""

from noiseproof.asked.asked import Asked
from noiseproof.asked.compute import OF_RUNS, Compute
from noiseproof.asked.subject import PARTLY, SELECTION, Elsewhere, Subject
from noiseproof.asked.training import Training

__all__ = ["OF_RUNS", "PARTLY", "SELECTION", "Asked", "Compute", "Elsewhere", "Subject", "Training"]

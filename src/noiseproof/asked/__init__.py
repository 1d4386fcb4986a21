"""A run, written down once: the records from which flags, settings files, lines, jobs and manifests come."""

from noiseproof.asked.asked import Asked
from noiseproof.asked.compute import OF_RUNS, Compute
from noiseproof.asked.subject import SELECTION, Elsewhere, Subject
from noiseproof.asked.training import Training

__all__ = ["OF_RUNS", "SELECTION", "Asked", "Compute", "Elsewhere", "Subject", "Training"]

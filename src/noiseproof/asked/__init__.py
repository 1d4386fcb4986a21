"""A run, written down once: the records from which flags, settings files, lines, jobs and manifests come."""

from noiseproof.asked.asked import Asked
from noiseproof.asked.compute import Compute
from noiseproof.asked.subject import SELECTION, Elsewhere, Subject
from noiseproof.asked.training import Training

__all__ = ["SELECTION", "Asked", "Compute", "Elsewhere", "Subject", "Training"]

"""Statements about whole runs, derived from stored records alone."""

from noiseproof.analysis.certified import (
    abstention,
    average_certified_radius,
    certified_accuracy,
    certified_share,
    median_radius,
    natural_accuracy,
    right_radii,
)
from noiseproof.analysis.predicted import PredictionTable, prediction_table
from noiseproof.analysis.summary import Summary, summarize

__all__ = [
    "PredictionTable",
    "Summary",
    "abstention",
    "average_certified_radius",
    "certified_accuracy",
    "certified_share",
    "median_radius",
    "natural_accuracy",
    "prediction_table",
    "right_radii",
    "summarize",
]

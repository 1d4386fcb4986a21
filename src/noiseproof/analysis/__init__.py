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
from noiseproof.analysis.prefixes import (
    Exploratory,
    at_alpha,
    at_n,
    prediction_tables,
    prefix_edges,
    record_at_n,
)
from noiseproof.analysis.summary import Summary, summarize

__all__ = [
    "Exploratory",
    "PredictionTable",
    "Summary",
    "abstention",
    "at_alpha",
    "at_n",
    "average_certified_radius",
    "certified_accuracy",
    "certified_share",
    "median_radius",
    "natural_accuracy",
    "prediction_table",
    "prediction_tables",
    "prefix_edges",
    "record_at_n",
    "right_radii",
    "summarize",
]

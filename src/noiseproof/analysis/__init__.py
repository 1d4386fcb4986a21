"""Statements about whole runs, derived from stored records alone."""

from noiseproof.analysis.certified import (
    abstention,
    average_certified_radius,
    certified_accuracy,
    certified_share,
    median_radius,
    natural_accuracy,
    right_radii,
    right_share,
)
from noiseproof.analysis.compared import PairedTest, common_inputs, paired_tests
from noiseproof.analysis.decided import DecisionTable, decision_table
from noiseproof.analysis.predicted import PredictionTable, prediction_table
from noiseproof.analysis.prefixes import Exploratory, at_alpha, at_n, prediction_tables, prefix_edges, record_at_n
from noiseproof.analysis.summary import Summary, ceiling_of, summarize
from noiseproof.analysis.training_cost import TrainingCost, training_cost

__all__ = [
    "DecisionTable",
    "Exploratory",
    "PairedTest",
    "PredictionTable",
    "Summary",
    "TrainingCost",
    "abstention",
    "at_alpha",
    "at_n",
    "average_certified_radius",
    "ceiling_of",
    "certified_accuracy",
    "certified_share",
    "common_inputs",
    "decision_table",
    "median_radius",
    "natural_accuracy",
    "paired_tests",
    "prediction_table",
    "prediction_tables",
    "prefix_edges",
    "record_at_n",
    "right_radii",
    "right_share",
    "summarize",
    "training_cost",
]

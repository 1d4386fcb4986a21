"""Runs as tables and figures for people."""

from noiseproof.procedures.radii import parse_radii
from noiseproof.reports.figures import curves_figure, draw_curves
from noiseproof.reports.tables import Table, accuracy_table, guarantees_table

__all__ = ["Table", "accuracy_table", "curves_figure", "draw_curves", "guarantees_table", "parse_radii"]

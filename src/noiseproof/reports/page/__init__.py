"""Runs as one HTML file that needs nothing else: to be looked at, printed, sent to a colleague."""

from noiseproof.reports.page.page import Page, page_of, write_page

__all__ = ["Page", "page_of", "write_page"]

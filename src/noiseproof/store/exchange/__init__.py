"""Other tools' files: what can be read, and what a run can be written as."""

from noiseproof.store.exchange.exporting import WRITERS, export_run
from noiseproof.store.exchange.importing import FORMATS, import_run
from noiseproof.store.exchange.published import PublishedRow, published_text, read_published, sigma_in_name, sigma_of
from noiseproof.store.exchange.topk import CountedRow, read_topk

__all__ = [
    "FORMATS",
    "WRITERS",
    "CountedRow",
    "PublishedRow",
    "export_run",
    "import_run",
    "published_text",
    "read_published",
    "read_topk",
    "sigma_in_name",
    "sigma_of",
]

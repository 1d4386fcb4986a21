"""``noiseproof card``."""

from __future__ import annotations

from pathlib import Path


def card(run: Path, /, *, out: Path | None = None) -> None:
    """One page on what a run promises and what it does not, as Markdown; the run is verified first.

    Args:
        run: Run folder of certify.
        out: File to write it to, instead.
    """
    from noiseproof.reports.card import card as write_card
    from noiseproof.store.manifest import write_text

    text = write_card(run)
    if out is None:
        print(text, end="")
    else:
        write_text(out, text)
        print(f"written: {out}")

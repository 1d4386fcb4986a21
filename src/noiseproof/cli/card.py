"""``noiseproof card``."""

from __future__ import annotations

from pathlib import Path


def card(run: Path, /, *, hub: str | None = None, out: Path | None = None) -> None:
    """One page on what a run promises and what it does not, as Markdown; the run is verified first.

    Args:
        run: Run folder of certify or decide.
        hub: The data set's name on the Hugging Face Hub, OWNER/NAME or OWNER/NAME:TASK: the page as a model card with
            its results as YAML, and evaluation results for the Hub; nothing is sent.
        out: File to write it to, instead; with --hub the folder of the model repository.
    """
    from noiseproof.reports.card import card as write_card
    from noiseproof.store.manifest import write_text

    if hub is not None:
        from noiseproof.reports.hub import hub_card, write_hub_card

        found = hub_card(run, hub)
        if out is None:
            print(found.readme, end="")
        else:
            print(f"written: {', '.join(map(str, write_hub_card(found, out)))}")
        return
    text = write_card(run)
    if out is None:
        print(text, end="")
    else:
        write_text(out, text)
        print(f"written: {out}")

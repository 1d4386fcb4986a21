"""The report of one or more runs: tables and curves from stored counts, nothing is drawn anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from noiseproof.analysis import Summary, prediction_table, summarize
from noiseproof.errors import RunError
from noiseproof.reports.figures import draw_curves
from noiseproof.reports.grid import parse_radii
from noiseproof.reports.tables import Table, accuracy_table, guarantees_table
from noiseproof.store.manifest import write_text
from noiseproof.store.run import Run, read_run

DEFAULT_RADII = "0:1.5:0.25"


@dataclass(frozen=True)
class Report:
    """What was written.

    Attributes:
        summaries: one a run, in the order given.
        text: the table of certified accuracy, for a terminal.
        files: what was written.
    """

    summaries: tuple[Summary, ...]
    text: str
    files: tuple[Path, ...]


def report(runs: Sequence[str | Path], *, out: str | Path, radii: str | Sequence[float] = DEFAULT_RADII) -> Report:
    """Certified accuracy of runs at radii, with bands and guarantees: text, Markdown, and the curves as PNG.

    Args:
        runs: run folders of certify.
        out: folder for ``table.txt``, ``table.md`` and ``curves.png``.
        radii: "start:stop:step" with both ends in, "a,b,c", or numbers; input units (L2).

    Raises:
        RunError: a folder is not a run of certify, or ``out`` cannot be written.
        ValueError: radii cannot be read, or a run has no finished input.
    """
    grid = parse_radii(radii) if isinstance(radii, str) else tuple(radii)
    summaries = tuple(_summary(read_run(Path(run)), grid) for run in runs)
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot make the folder {folder}: {error.strerror}; choose another --out") from None
    tables = [accuracy_table(summaries), *(guarantees_table(summary) for summary in summaries)]
    text, markdown, curves = folder / "table.txt", folder / "table.md", folder / "curves.png"
    write_text(text, "\n\n".join(table.text() for table in tables) + "\n")
    write_text(markdown, "\n\n".join(table.markdown() for table in tables) + "\n")
    draw_curves(summaries, curves)
    return Report(summaries, tables[0].text(), (text, markdown, curves))


def summary_table(run: Run) -> str:
    """What one run says, for a terminal: certified accuracy, or for a PREDICT run right, wrong and abstained."""
    if run.manifest.kind == "predict":
        shares = prediction_table(run.records)
        table = Table(
            header=("run", "inputs", "right", "wrong", "abstained"),
            rows=(
                (run.path.name, str(shares.m), f"{shares.right:.1%}", f"{shares.wrong:.1%}", f"{shares.abstained:.1%}"),
            ),
            caption=(f"PREDICT, n = {run.manifest.meaning['procedure']['n']}, alpha = {run.procedure.alpha:g}.",),
        )
        return table.text()
    return accuracy_table([_summary(run, parse_radii(DEFAULT_RADII))]).text()


def _summary(run: Run, radii: Sequence[float]) -> Summary:
    if run.manifest.kind != "certify":
        raise RunError(f"{run.path} is a run of {run.manifest.kind}, which has no radii; give runs of certify")
    if not run.records:
        raise RunError(f"{run.path} has no finished input yet; run its certify line again")
    sigma = run.manifest.meaning["noise"].get("sigma")
    return summarize(run.records, alpha=run.procedure.alpha, radii=radii, sigma=sigma, name=run.path.name)

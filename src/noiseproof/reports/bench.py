"""How fast draws were, as a table and as plain values."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from noiseproof.reports.tables import Table

if TYPE_CHECKING:
    from noiseproof.analysis.speed import Bench


def bench_table(found: Bench) -> Table:
    """One row a measurement: its batch, draws a second, and how they compare with the peak and the textbook loop."""
    rows = []
    for speed in found.speeds:
        low, high = min(speed.draws_per_second), max(speed.draws_per_second)
        rows.append(
            (
                speed.name,
                f"{speed.batch}",
                f"{speed.median:,.0f}",
                f"{low:,.0f} to {high:,.0f}",
                f"{speed.median * found.mflop / 1000 / found.peak:.0%}" if found.peak else "",
                f"{speed.times(found.best):.2f}",
            )
        )
    said = found.environment
    return Table(
        header=(
            "",
            "batch",
            "draws/s, median",
            "lowest to highest",
            "share of peak",
            "times the textbook loop at its best",
        ),
        rows=tuple(rows),
        caption=(
            f"{said['model']} ({found.mflop:.1f} MFLOP a draw) on {said['device']} ({said['processor']}), "
            f"{said['backend']}, {said['precision']}, {said['workers']} one-thread workers on {said['cores']} cores; "
            f"textbook loop: torch {said['torch']} fp32, {said['threads']} threads, allocator as it comes.",
            f"Exact noise, sigma {said['sigma']:g}. Peak: {found.peak:,.0f} GFLOP/s of fp32 matrix products.",
            f"Other processes took {found.foreign:.0%} of these cores meanwhile"
            + ("; measure again when it is idle." if found.foreign > 0.05 else "."),
        ),
    )


def bench_values(found: Bench) -> dict[str, Any]:
    """Everything as plain values, for JSON."""
    return {
        **found.environment,
        "mflop_per_draw": found.mflop,
        "peak_gflops_fp32": found.peak,
        "foreign_load": found.foreign,
        "speeds": [asdict(speed) | {"median": speed.median} for speed in found.speeds],
        "certify_over_forward": found.certify.times(found.forward),
        "certify_over_textbook_best": found.certify.times(found.best),
        "certify_over_textbook_published": found.certify.times(found.published),
    }

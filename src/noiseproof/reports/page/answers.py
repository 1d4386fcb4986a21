"""The numbers with which the page of a run of DECIDE or PREDICT begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from noiseproof.analysis import decision_table, prediction_table
from noiseproof.reports.page.certified import at_radius
from noiseproof.reports.page.parts import Tile
from noiseproof.reports.tables import percent_down

if TYPE_CHECKING:
    from noiseproof.reports.page.looked import Looked


def tiles(looked: Looked) -> Sequence[Tile]:
    """Of a run of decide or predict with finished inputs; none where a label is missing."""
    assert looked.run is not None
    m = len(looked.records)
    draws, seconds = (sum(getattr(each, what) for each in looked.records) for what in ("draws", "seconds"))
    cost = Tile("one answer cost", f"{draws / m:,.0f} draws", f"{seconds / m:.2g} s an input")
    if any(record.label is None for record in looked.records):
        return (cost,)
    if looked.kind == "predict":
        answered = prediction_table(looked.records)
        return (
            Tile("answered rightly", f"{answered.right:.1%}", f"of {m:,} inputs"),
            Tile("answered wrongly", f"{answered.wrong:.1%}"),
            Tile("abstained", f"{answered.abstained:.1%}"),
            cost,
        )
    said = decision_table(looked.records, alpha=looked.run.procedure.alpha)
    proven = (
        f"of these {m:,} inputs at least {percent_down(said.fixed_set_lower)} %, with probability {1 - said.rho:.10g}"
    )
    at = f"at radius {at_radius(said.radius, looked.run.manifest.unit)}"
    return (
        Tile(f"right and certified {at}", f"{said.certified:.1%}", proven),
        Tile("not certified", f"{said.not_certified:.1%}", "more draws would hardly certify them"),
        Tile("undecided", f"{said.undecided:.1%}", "their draws were spent"),
        cost,
    )

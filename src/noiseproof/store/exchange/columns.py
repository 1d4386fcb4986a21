"""A run's records as columns: what a spreadsheet or a data frame takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noiseproof.tallies import Votes

if TYPE_CHECKING:
    from noiseproof.store.run import Run

Column = list[int | float | str | None]


def columns(run: Run) -> dict[str, Column]:
    """One entry an input in every column; None where an input has none.

    Besides what a record says, for each stage its draws (``estimate_n``) and the votes of each class
    (``estimate_0``, ``estimate_1``, ...), summed over the requests of that stage; what votes are missing to the
    draws were void.

    The norm of a run on scaled data says in which units its radii are.

    Args:
        run: with at least one finished input.
    """
    records = run.records
    table: dict[str, Column] = {
        "index": [record.index for record in records],
        "key": [record.key for record in records],
        "label": [record.label for record in records],
        "prediction": [record.outcome.prediction for record in records],
        "correct": [None if r.label is None else int(r.outcome.prediction == r.label) for r in records],
    }
    for name in ("radius", "norm", "p_lower", "p_upper", "p_value"):
        table[name] = [getattr(record.outcome, name, None) for record in records]
    if unit := run.manifest.unit:
        table["norm"] = [norm and f"{run.norm} (in units of {unit})" for norm in table["norm"]]
    table |= {
        "draws": [record.draws for record in records],
        "void": [record.void for record in records],
        "seconds": [record.seconds for record in records],
    }
    widths: dict[str, int] = {}
    for row, record in enumerate(records):
        for answer in record.answers:
            votes = Votes.of(answer.votes)
            if answer.stage not in widths:
                widths[answer.stage] = votes.slots
                names = (f"{answer.stage}_n", *(f"{answer.stage}_{c}" for c in range(votes.slots)))
                table |= {name: [0] * len(records) for name in names}
            _add(table, f"{answer.stage}_n", row, answer.n)
            for c, count in votes.counts.items():
                _add(table, f"{answer.stage}_{c}", row, count)
    return {name: column for name, column in table.items() if any(cell is not None for cell in column)}


def _add(table: dict[str, Column], name: str, row: int, count: int) -> None:
    column = table[name]
    before = column[row]
    assert isinstance(before, int), "a column of counts"
    column[row] = before + count

"""``noiseproof verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def verify(
    run: Annotated[Path, typer.Argument(help="Run folder of certify or predict.", metavar="RUN")],
) -> None:
    """Replay a run's journal: hash chain, statistics, printed certificates. Exits 1 at the first that does not hold."""
    from noiseproof.store.verify import verify as verify_run

    held = verify_run(run)
    typer.echo(
        f"{run}: {held.records:,} certificates follow from their {held.draws:,} draws "
        f"({held.void:,} void), the chain is whole; {held.unfinished} inputs under way"
    )

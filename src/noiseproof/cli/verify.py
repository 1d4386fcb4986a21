"""``noiseproof verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from noiseproof.cli import options


def verify(
    run: Annotated[Path, typer.Argument(help="Run folder of certify, predict or decide.", metavar="RUN")],
    replay: Annotated[
        int, typer.Option("--replay", metavar="K", help="Draw K inputs again from their keys and compare the counts.")
    ] = 0,
    model: options.CertifiedModel = None,
    data: Annotated[
        str | None, typer.Option("--data", metavar="NAME", help="For --replay, where the run does not lead to it.")
    ] = None,
    root: Annotated[Path | None, typer.Option("--root", metavar="DIR", help="Where data sets lie.")] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda, ...")] = "auto",
    workers: Annotated[int | None, typer.Option("--workers", help="Batches computed at once.")] = None,
) -> None:
    """Replay a run's journal: hash chain, statistics, printed certificates. Exits 1 at the first that does not hold."""
    if replay < 0:
        raise ValueError(f"replay must be >= 0, got {replay}")
    from noiseproof.store.folder import JOURNAL
    from noiseproof.store.journal import torn
    from noiseproof.store.verify import verify as verify_run

    held = verify_run(run)
    typer.echo(
        f"{run}: {held.records:,} certificates follow from their {held.draws:,} draws "
        f"({held.void:,} void), the chain is whole; {held.unfinished} inputs under way"
        + (f"; {held.skipped} pictures skipped as unreadable, counted as abstentions" if held.skipped else "")
        + (f"; noise: {held.arithmetic}" if held.arithmetic else "")
        + (
            "; a torn last line, which is not counted: the run was killed or is under way"
            if torn(run / JOURNAL)
            else ""
        )
    )
    if not replay:
        return
    from noiseproof.cli.progress import ProgressBar
    from noiseproof.runners.redraw import redraw

    with ProgressBar("verify") as bar:
        again = redraw(
            run, replay, model=model or None, data=data, root=root, device=device, workers=workers, progress=bar.show
        )
    which = ", ".join(str(index) for index in again.inputs)
    how = (
        "every count is the same" if again.exact else f"all but {again.differing:,} votes are the same (other hardware)"
    )
    typer.echo(f"{len(again.inputs)} inputs drawn again ({which}; {again.draws:,} draws): {how}")

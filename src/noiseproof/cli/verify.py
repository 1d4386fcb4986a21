"""``noiseproof verify``."""

from __future__ import annotations

from pathlib import Path

from noiseproof.cli.records import DrawnOn, FoundElsewhere


def verify(run: Path, /, elsewhere: FoundElsewhere, compute: DrawnOn, *, replay: int = 0) -> None:
    """Replay a run's journal: hash chain, statistics, printed certificates. Exits 1 at the first that does not hold.

    Args:
        run: Run folder of certify, predict or decide.
        replay: Draw so many inputs again from their keys and compare the counts.
    """
    if replay < 0:
        raise ValueError(f"replay must be >= 0, got {replay}")
    from noiseproof.store.folder import JOURNAL
    from noiseproof.store.journal import torn
    from noiseproof.store.verify import verify as verify_run

    held = verify_run(run)
    print(
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
        again = redraw(run, replay, elsewhere, compute, progress=bar.show)
    which = ", ".join(str(index) for index in again.inputs)
    how = (
        "every count is the same" if again.exact else f"all but {again.differing:,} votes are the same (other hardware)"
    )
    print(f"{len(again.inputs)} inputs drawn again ({which}; {again.draws:,} draws): {how}")

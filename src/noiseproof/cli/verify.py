"""``noiseproof verify``."""

from __future__ import annotations

from pathlib import Path

from noiseproof.cli.records import DrawnOn, FoundElsewhere


def verify(
    run: Path,
    /,
    elsewhere: FoundElsewhere,
    compute: DrawnOn,
    *,
    replay: str = "0",
    commitment: Path | None = None,
    trust: Path | None = None,
) -> None:
    """Replay a run's journal: hash chain, statistics, printed certificates. Exits 1 at the first that does not hold.

    Args:
        run: Run folder of certify, predict or decide.
        replay: Draw so many inputs again from their keys (or all) and compare the counts; labels and pictures of all.
        commitment: What certify --commit wrote: the run must be just that, its n and its inputs too.
        trust: Public keys of OpenSSH, one a line: the run must end with a seal that one of them signed.
    """
    from noiseproof.progress import ProgressBar
    from noiseproof.runners.verify import verify as verify_run
    from noiseproof.store.folder import JOURNAL
    from noiseproof.store.given import run_of
    from noiseproof.store.journal import torn
    from noiseproof.store.manifest import noise_note
    from noiseproof.store.whole import wholeness

    with ProgressBar("verify") as bar:
        held = verify_run(run, replay, elsewhere, compute, commitment=commitment, trust=trust, progress=bar.show)
    found = run_of(run)
    whole, note = wholeness(found.state), noise_note(found.manifest)
    print(
        f"{run}: {held.records:,} certificates follow from their {held.draws:,} draws "
        f"({held.void:,} void), the chain is whole; {held.unfinished} inputs under way"
        + (f"; {held.skipped} pictures skipped as unreadable, counted as abstentions" if held.skipped else "")
        + (f"; noise: {noise}" if (noise := ", ".join(filter(None, (held.arithmetic, note)))) else "")
        + (f"; radii in units of {unit}" if (unit := found.manifest.unit) else "")
        + (
            "; a torn last line, which is not counted: the run was killed or is under way"
            if torn(found.path / JOURNAL)
            else ""
        )
        + (f"; {whole.text}" if whole.text else "; sealed: all inputs asked for are there")
    )
    if held.committed is not None:
        sha = held.committed.sha256
        print(f"it is what {commitment} (SHA-256 {sha}) committed to, with all its inputs and no others")
    if held.signed_by:
        print(f"sealed and signed by {held.signed_by}, and unchanged since")
    if (again := held.redrawn) is None:
        return
    which = ", ".join(str(index) for index in again.inputs)
    how = (
        f"all but {again.differing:,} votes are the same; {again.doubtful:,} may hang on rounding; from the counts of "
        f"this machine {again.smaller} radii are smaller"
        if again.differing
        else "every count is the same"
    )
    print(f"{len(again.inputs)} inputs drawn again ({which}; {again.draws:,} draws): {how}")
    if share := again.could_be_forged:
        print(
            f"labels and pictures of all {held.records:,} inputs are those of the data; of the others, up to "
            f"{share:.1%} could have forged counts (were it more, so many would be clean with probability below .05)"
        )

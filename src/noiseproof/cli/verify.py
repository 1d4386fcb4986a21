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
    if not (replay == "all" or replay.isdecimal()):
        raise ValueError(f"replay must be a number >= 0, or all, got {replay!r}")
    from noiseproof.store.commitment import check_commitment
    from noiseproof.store.folder import JOURNAL
    from noiseproof.store.journal import torn
    from noiseproof.store.manifest import noise_note, read_manifest
    from noiseproof.store.run import read_run
    from noiseproof.store.signing import check_signature
    from noiseproof.store.verify import verify as verify_run
    from noiseproof.store.whole import wholeness

    held, whole, note = verify_run(run), wholeness(read_run(run).state), noise_note(read_manifest(run))
    print(
        f"{run}: {held.records:,} certificates follow from their {held.draws:,} draws "
        f"({held.void:,} void), the chain is whole; {held.unfinished} inputs under way"
        + (f"; {held.skipped} pictures skipped as unreadable, counted as abstentions" if held.skipped else "")
        + (f"; noise: {noise}" if (noise := ", ".join(filter(None, (held.arithmetic, note)))) else "")
        + (
            "; a torn last line, which is not counted: the run was killed or is under way"
            if torn(run / JOURNAL)
            else ""
        )
        + (f"; {whole.text}" if whole.text else "; sealed: all inputs asked for are there")
    )
    if commitment is not None:
        made = check_commitment(run, commitment)
        print(f"it is what {commitment} (SHA-256 {made.sha256}) committed to, with all its inputs and no others")
    if trust is not None:
        print(f"sealed and signed by {check_signature(run, trust)}, and unchanged since")
    if replay == "0":
        return
    from noiseproof.cli.progress import ProgressBar
    from noiseproof.runners.redraw import redraw

    with ProgressBar("verify") as bar:
        again = redraw(run, None if replay == "all" else int(replay), elsewhere, compute, progress=bar.show)
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

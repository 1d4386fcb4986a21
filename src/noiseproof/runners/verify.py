"""``verify``: a run's records follow from its counts, and its counts are those of its model and data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from noiseproof.arguments import integer
from noiseproof.asked import Compute, Elsewhere
from noiseproof.asked.kinds import check_kinds
from noiseproof.store.commitment import Commitment, check_commitment
from noiseproof.store.given import RunLike, path_of
from noiseproof.store.signing import check_signature
from noiseproof.store.verify import Verification
from noiseproof.store.verify import verify as verify_journal

if TYPE_CHECKING:
    from noiseproof.progress import Progress
    from noiseproof.runners.redraw import Redrawn


@dataclass(frozen=True)
class Verified(Verification):
    """What was verified: all of it holds.

    Attributes:
        committed: what the run was held against, where that was asked for.
        signed_by: who signed its end, where that was asked for.
        redrawn: what was drawn again, where that was asked for.
    """

    committed: Commitment | None = None
    signed_by: str = ""
    redrawn: Redrawn | None = None


def verify(
    run: RunLike,
    replay: int | str = 0,
    elsewhere: Elsewhere | None = None,
    compute: Compute | None = None,
    *,
    commitment: str | Path | None = None,
    trust: str | Path | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Verified:
    """Replay a run's journal: hash chain, ranges, statistics, printed certificates; and draw inputs again.

    Without ``replay`` neither the model nor the data are needed, nor torch.

    Args:
        run: a run of certify, predict or decide.
        replay: draw so many inputs again from their keys, or all, and compare the counts; labels and pictures of all.
        elsewhere: for replay: where model and data lie now, or they themselves, where the run does not lead to them.
        compute: for replay: device and workers.
        commitment: what certify --commit wrote: the run must be just that, its n and its inputs too.
        trust: public keys of OpenSSH, one a line: the run must end with a seal that one of them signed.
        progress: called now and then while inputs are drawn again.

    Raises:
        ValueError: replay is neither a number of inputs nor "all".
        VerificationError: the first record that does not hold, and why.
        ModelError: the model is not that of the run.
        RunError: not a run folder, or the data are not those of the run.
    """
    count = _inputs(replay)
    if count != 0:
        check_kinds({"elsewhere": elsewhere or Elsewhere(), "compute": compute or Compute()})
    path = path_of(run)
    held = verify_journal(path)
    committed = None if commitment is None else check_commitment(path, Path(commitment))
    signed_by = "" if trust is None else check_signature(path, Path(trust))
    redrawn = None
    if count != 0:
        from noiseproof.runners.redraw import redraw  # torch

        redrawn = redraw(path, count, elsewhere, compute, progress=progress)
    return Verified(**vars(held), committed=committed, signed_by=signed_by, redrawn=redrawn)


def _inputs(replay: int | str) -> int | None:
    """How many inputs; None for all. A command line has them as text."""
    if replay == "all":
        return None
    try:
        return integer("replay", int(replay) if isinstance(replay, str) and replay.isdecimal() else replay, least=0)
    except ValueError:
        raise ValueError(f"replay must be a number >= 0, or all, got {replay!r}") from None

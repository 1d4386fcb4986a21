"""Verification: replay the journal and hold every printed certificate against it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from noiseproof.errors import RunError
from noiseproof.store.folder import JOURNAL
from noiseproof.store.given import RunLike, path_of
from noiseproof.store.index import Held
from noiseproof.store.manifest import read_manifest
from noiseproof.store.recounted import Recounted, Verification, VerificationError
from noiseproof.store.run import empty_state, taken_in
from noiseproof.store.shares import verified_in_shares

if TYPE_CHECKING:
    from noiseproof.store.manifest import Manifest

__all__ = ["Verification", "VerificationError", "verify"]


def verify(run: RunLike) -> Verification:
    """Replay a run: hash chain, ranges, statistics, printed certificates.

    Every line must continue the hash of the line before, from the meaning in the manifest on; ranges must tile
    what was asked for; the procedure, given the stored votes, must ask for just these draws and come to just
    the printed outcome. Draws of an unfinished input must be such that it can be resumed.

    A large journal is read by as many processes as there are cores, each of which checks the inputs that fall to it.

    Args:
        run: a run of certify, predict or decide.

    Raises:
        VerificationError: the first record that does not hold, and why.
        RunError: not a run folder.
    """
    path = path_of(run)
    manifest = read_manifest(path)
    if "procedure" not in manifest.meaning:
        raise RunError(f"{path} is the run folder of noiseproof {manifest.kind}: it has nothing to verify")
    if not manifest.has_counts:
        raise RunError(
            f"{path} was imported without counts: its radii are as printed in its source, there is nothing to verify; "
            "noiseproof audit says what the source's rows allow to be said"
        )
    recounted = Recounted(path, manifest)
    if not (path / JOURNAL).exists():
        raise VerificationError(f"{path} has no {JOURNAL}: nothing was drawn, or it was removed")
    return verified_in_shares(path, manifest, recounted) or _verified_in_order(path, manifest, recounted)


def _verified_in_order(path: Path, manifest: Manifest, recounted: Recounted) -> Verification:
    """Line by line, so that what does not hold is the first."""
    state = replace(empty_state(path, manifest), keep=False)
    index = Held(path, manifest)
    try:
        for line, record in taken_in(path, manifest, state):
            index.check(state, line, record)
            if record is not None:
                recounted.check(record)
        index.close()
    except VerificationError:
        raise
    except RunError as error:
        raise VerificationError(str(error)) from None
    recounted.check_under_way(state)
    return recounted.found

"""A commitment: what a run will be, written down before a draw is made, so that nothing is chosen by its results."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from noiseproof.errors import RunError
from noiseproof.store.manifest import write_text
from noiseproof.store.run import RunFolder, read_run
from noiseproof.store.verify import VerificationError
from noiseproof.store.whole import Selection, wholeness

_FORM = "noiseproof commitment 1"


@dataclass(frozen=True)
class Commitment:
    """What a run is bound to be.

    Attributes:
        kind: the verb.
        meaning_hash: of all that its counts depend on, n and the seed among them.
        selection: which inputs.
    """

    kind: str
    meaning_hash: str
    selection: Selection

    @property
    def text(self) -> str:
        """As it is written down: to be published, itself or its SHA-256."""
        said = {"form": _FORM, "kind": self.kind, "meaning_hash": self.meaning_hash, **asdict(self.selection)}
        return json.dumps(said, indent=2) + "\n"

    @property
    def sha256(self) -> str:
        """Of its text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def commit(folder: RunFolder, selection: Selection, file: Path) -> Commitment:
    """Write down what an open run folder will hold.

    Raises:
        RunError: it holds draws already, or the file cannot be written.
    """
    if folder.state.sessions or folder.state.open or folder.state.records:
        raise RunError(f"{folder.path} was begun already, and a commitment is made before; choose another --out")
    made = Commitment(folder.manifest.kind, folder.manifest.meaning_hash, selection)
    write_text(file, made.text)
    return made


def check_commitment(run: Path, file: Path) -> Commitment:
    """Check that a run is what was committed to: its meaning, and just the inputs that were named, all of them.

    Raises:
        VerificationError: it is something else; says what.
        RunError: the file is no commitment.
    """
    found, made = read_run(run), read_commitment(file)
    manifest = found.manifest
    if (manifest.kind, manifest.meaning_hash) != (made.kind, made.meaning_hash):
        raise VerificationError(
            f"{run} is not the run that {file} commits to: it is {manifest.kind} of meaning "
            f"{manifest.meaning_hash[:12]}..., that is {made.kind} of {made.meaning_hash[:12]}..."
        )
    wanted, there = set(made.selection.indices), {record.index for record in found.records}
    whole = wholeness(found.state)
    if wanted != there or not whole.sealed or whole.out_of_turn:
        raise VerificationError(
            f"{run} does not hold just the {len(wanted):,} inputs that {file} commits to: "
            f"{len(wanted - there):,} are missing, {len(there - wanted):,} are others"
            + (f"; {whole.text}" if whole.text else "")
        )
    return made


def read_commitment(file: Path) -> Commitment:
    """A commitment as it was written.

    Raises:
        RunError: it is none.
    """
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
        if said.pop("form") != _FORM:
            raise ValueError
        made = Commitment(str(said.pop("kind")), str(said.pop("meaning_hash")), Selection(**said))
        if min(made.selection.every, made.selection.of) < 1 or made.selection.start < 0:
            raise ValueError
    except OSError as error:
        raise RunError(f"cannot read {file}: {error.strerror}") from None
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        raise RunError(f"{file} is no commitment, as certify --commit writes it") from None
    return made

"""A folder as the page sees it: what it holds, whether that holds, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from noiseproof.errors import RunError
from noiseproof.store.attacks import KIND, KIND_FALSIFY, AttackRun, read_attack
from noiseproof.store.baselines import KIND_BASELINE, Baseline, read_baseline
from noiseproof.store.folder import JOURNAL
from noiseproof.store.journal import last_hash, torn
from noiseproof.store.manifest import Manifest, import_note, read_manifest
from noiseproof.store.run import MALFORMED, Run, read_run
from noiseproof.store.verify import Verification, verify
from noiseproof.store.whole import wholeness
from noiseproof.types import Record


@dataclass(frozen=True)
class Looked:
    """One folder, read and verified.

    Attributes:
        path: the folder.
        name: what the page calls it.
        manifest: what its numbers mean; None where it has none that can be read.
        run: of a procedure, with its finished inputs; None where it is another kind or something is wrong.
        records: the finished inputs, by index.
        held: that it was verified; None where there is nothing to verify.
        attack: of attack or falsify; else None.
        baseline: of another certificate; else None.
        wrong: what is wrong with it, with the line where a line is; empty where nothing is.
        notes: what a reader must know beside: not whole, torn, imported.
        last_hash: of the last line of its journal, which names all before; empty where there is none.
    """

    path: Path
    name: str
    manifest: Manifest | None = None
    run: Run | None = None
    records: tuple[Record, ...] = ()
    held: Verification | None = None
    attack: AttackRun | None = None
    baseline: Baseline | None = None
    wrong: str = ""
    notes: tuple[str, ...] = ()
    last_hash: str = ""

    @property
    def kind(self) -> str:
        """The verb that made it; empty where that is not known."""
        return "" if self.manifest is None else self.manifest.kind

    @property
    def said(self) -> str:
        """Whether it holds, in a sentence."""
        if self.wrong:
            return self.wrong
        if self.held is None:
            return "nothing to verify" if self.run is None else "not verified: it was imported without counts"
        return (
            f"all {self.held.records:,} outcomes follow from their {self.held.draws:,} draws "
            f"({self.held.void:,} void), the chain is whole"
        )


def look(path: Path, name: str) -> Looked:
    """Read and verify a folder; what is wrong with it is said, not raised."""
    try:
        manifest = read_manifest(path)
    except RunError as error:
        return Looked(path, name, wrong=str(error))
    try:
        return _looked(path, name, manifest)
    except RunError as error:
        return Looked(path, name, manifest, wrong=str(error))
    except MALFORMED as error:
        return Looked(path, name, manifest, wrong=f"its meaning is none this version knows ({error!r:.200})")


def _looked(path: Path, name: str, manifest: Manifest) -> Looked:
    end = last_hash(path / JOURNAL)
    if manifest.kind in (KIND, KIND_FALSIFY):
        return Looked(path, name, manifest, attack=read_attack(path, manifest.kind), last_hash=end)
    if manifest.kind == KIND_BASELINE:
        return Looked(path, name, manifest, baseline=read_baseline(path), last_hash=end)
    if "procedure" not in manifest.meaning:
        return Looked(path, name, manifest, last_hash=end)
    run = read_run(path)
    held = verify(path) if manifest.has_counts else None
    said = [import_note(manifest), *_not_whole(run)] if held else [import_note(manifest)]
    notes = tuple(filter(None, said))
    return Looked(path, name, manifest, run, tuple(run.records), held, notes=notes, last_hash=end)


def _not_whole(run: Run) -> Sequence[str]:
    said = [wholeness(run.state).text]
    if run.state.open:
        said.append(f"{len(run.state.open):,} inputs under way")
    if torn(run.path / JOURNAL):
        said.append("a torn last line, which is not counted: the run was killed or is under way")
    return said

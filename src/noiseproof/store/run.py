"""The run folder: manifest, journal, settings. One writer, any number of readers."""

from __future__ import annotations

import importlib
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass, fields
from math import isclose
from operator import attrgetter
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from noiseproof.arguments import real
from noiseproof.errors import NoiseproofError, RunError, unknown
from noiseproof.noises import Noise, noise_from
from noiseproof.procedures import Procedure, procedure_from
from noiseproof.screen import ROWS, as_html
from noiseproof.store import index
from noiseproof.store.folder import JOURNAL, FolderInUse
from noiseproof.store.journal import ChainError, Line, Mark, read_journal
from noiseproof.store.lines import Entry, decoded, encoded
from noiseproof.store.manifest import CLOSE, STATED, Manifest, read_manifest
from noiseproof.store.state import ASKED, Range, State, range_line, record_line, skipped_key
from noiseproof.store.votes import StoredVotes
from noiseproof.store.whole import Selection, seal_entry
from noiseproof.tallies import tally_of
from noiseproof.types import Outcome, Prediction, Record

if TYPE_CHECKING:
    from noiseproof.store.signing import Signer

DRAWN_BY = ("device", "backend", "precision", "batch_size", "version", "tolerance", "cudnn")
"""What must not change within one input; a partial input begun under another environment starts over."""

_TINY = 1e-290
"""p-values below are equal: no level is as small, and doubles have no digits left."""

MALFORMED = (AttributeError, KeyError, TypeError, ValueError, ArithmeticError)
"""What comes out where a meaning that somebody wrote by hand is taken at its word."""


@dataclass(frozen=True)
class Run:
    """A run folder as a reader sees it.

    Attributes:
        path: the folder.
        manifest: what its numbers mean.
        state: what its journal says.
        end: up to where it was read; None where there is no line.
        label: what tables and figures call it; its folder's name where empty.
    """

    path: Path
    manifest: Manifest
    state: State
    end: Mark | None = None
    label: str = ""

    @property
    def name(self) -> str:
        """What tables and figures call it."""
        return self.label or self.path.resolve().name

    def __repr__(self) -> str:
        """In a line, however many inputs there are."""
        return f"<Run {self.name}: {self.manifest.kind}, {len(self.state.records):,} inputs, {self.path}>"

    def _repr_html_(self) -> str:
        """For notebooks: the first inputs."""
        records = self.records[:ROWS]
        said: dict[str, list[object]] = {
            "index": [each.index for each in records],
            "label": [each.label for each in records],
        }
        for name in [each.name for each in fields(records[0].outcome)] if records else []:
            said[name] = [getattr(each.outcome, name) for each in records]
        return as_html(repr(self), said | {"draws": [each.draws for each in records]}, len(self.records))

    def certified_accuracy(self, radius: float) -> float:
        """The share of all inputs that are right and certified at least this far; abstained ones count as wrong.

        Args:
            radius: in input units in the norm of the noise, >= 0.

        Raises:
            RunError: a run without radii, or without a finished input.
            ValueError: the radius is negative, or a label is missing.
        """
        if not real("radius", radius) >= 0:
            raise ValueError(f"radius must be >= 0, got {radius}")
        records = self.records
        if not records or isinstance(records[0].outcome, Prediction):
            why = "has no radii" if records else "has no finished input yet"
            raise RunError(f"{self.path} is a run of {self.manifest.kind}, which {why}; give a run of certify")
        if (unlabelled := next((each.index for each in records if each.label is None), None)) is not None:
            raise ValueError(f"labels are needed to tell right from wrong, but input {unlabelled} has none")
        right = [
            not isinstance(said, Prediction) and said.prediction == each.label and said.radius >= radius
            for each in records
            for said in [each.outcome]
            if not said.abstained
        ]
        return sum(right) / len(records)

    def to_frame(self, library: Literal["pandas", "polars"] = "pandas") -> Any:  # noqa: ANN401  # an extra's
        """The finished inputs as a ``DataFrame``: the table of ``export_run`` as csv, a row an input.

        Args:
            library: whose.

        Raises:
            NoiseproofError: it is not installed.
            ValueError: another library.
        """
        if library not in ("pandas", "polars"):
            raise ValueError(unknown("library", library, ("pandas", "polars")))
        try:
            frames = importlib.import_module(library)
        except ImportError:
            raise NoiseproofError(f"to_frame needs {library}: pip install {library}") from None
        from noiseproof.store.exchange.columns import columns

        return frames.DataFrame(columns(self))

    @property
    def records(self) -> list[Record]:
        """The finished inputs, by index."""
        return sorted(self.state.records.values(), key=attrgetter("index"))  # no two have the same

    @property
    def noise(self) -> Noise:
        """The noise the run was made with.

        Raises:
            RunError: it is known in words only, or to another version.
        """
        with _known(self.path):
            if (said := self.manifest.meaning["noise"])["family"] == STATED:
                raise RunError(
                    f"{self.path} was imported, and its noise is known in words only ({said['text']}): nothing can be "
                    "computed from it"
                )
            return noise_from(said)

    @property
    def norm(self) -> str:
        """The norm of its radii: that of the noise, called scaled where its inputs are in units of their spread."""
        if (said := self.manifest.meaning["noise"])["family"] == STATED:
            return str(said["norm"])
        return f"scaled {self.noise.norm}" if self.manifest.unit else self.noise.norm

    @property
    def procedure(self) -> Procedure:
        """The procedure the run was made with."""
        with _known(self.path):
            return procedure_from(self.manifest.meaning["procedure"])


@contextmanager
def _known(path: Path) -> Iterator[None]:
    """Inside, a meaning is taken at its word; what comes out where that fails is a ``RunError``."""
    try:
        yield
    except MALFORMED as error:
        raise RunError(f"{path}: its meaning is none this version knows ({str(error)[:200]})") from None


def read_run(path: str | Path) -> Run:
    """Read a run folder; another process may be writing it.

    Raises:
        RunError: it is not a run of a procedure, or its journal was changed.
    """
    path = Path(path)
    manifest = read_manifest(path)
    _check_procedure(path, manifest)
    state = empty_state(path, manifest)
    known = index.load(path, manifest, state)
    last = deque(taken_in(path, manifest, state, known), maxlen=1)
    end = last[0][0].mark if last else known
    if index.worth(end, known):
        index.save(path, manifest, state, end)
    return Run(path, manifest, state, end)


def _check_procedure(path: Path, manifest: Manifest) -> None:
    if "procedure" not in manifest.meaning:
        raise RunError(
            f"{path} is the run folder of noiseproof {manifest.kind}, which has no certificates; give a run of certify"
        )


class Following:
    """A run folder that is read as it grows; it is not written, and its writer does not notice."""

    def __init__(self, path: Path) -> None:
        """A folder of a procedure, of which nothing is read yet but the manifest.

        Raises:
            RunError: it is not a run of a procedure.
        """
        manifest = read_manifest(path)
        _check_procedure(path, manifest)
        self.run = Run(path, manifest, empty_state(path, manifest))
        self._last: Mark | None = None

    @property
    def last_hash(self) -> str:
        """Of the last line read; empty before the first."""
        return "" if self._last is None else self._last.hash

    def advance(self) -> bool:
        """Take in the whole lines that have come since; returns whether there were any.

        Raises:
            ChainError: a line was changed, removed or inserted.
        """
        before = self._last
        for line in read_journal(self.run.path / JOURNAL, self.run.manifest.meaning_hash, self._last):
            _take(self.run.path, line, self.run.state)
            self._last = line.mark
        return self._last is not before


def same_outcome(one: Outcome, other: Outcome) -> bool:
    """Whether two outcomes say the same: floating numbers to a relative ``CLOSE``, all else exactly.

    Another build of the special functions may differ in the last digits; a changed digit breaks the chain.
    """
    if one == other:
        return True
    tiny = _TINY if isinstance(one, Prediction) else 0.0
    return type(one) is type(other) and all(
        isclose(a, b, rel_tol=CLOSE, abs_tol=tiny) if isinstance(a, float) and isinstance(b, float) else a == b
        for a, b in zip(astuple(one), astuple(other), strict=True)
    )


def empty_state(path: Path, manifest: Manifest) -> State:
    """What the lines of a run are taken into: it knows what they count.

    Raises:
        RunError: they count what this version does not know.
    """
    with _known(path):
        tally, classes = tally_of(manifest.meaning), manifest.meaning.get("model", {}).get("num_classes")
        slots = None if classes is None else tally.slots(classes)
    return State(tally=tally, slots=slots, fetch=StoredVotes(path, manifest, tally, slots).of)


def taken_in(
    path: Path, manifest: Manifest, state: State, after: Mark | None = None
) -> Iterator[tuple[Line, Record | None]]:
    """Take the lines of a journal in: after each, itself, and the input that it finished, its votes at hand.

    Raises:
        ChainError: a line contradicts those before it, or is malformed.
    """
    for line in read_journal(path / JOURNAL, manifest.meaning_hash, after):
        yield line, _take(path, line, state)


def _take(path: Path, line: Line, state: State) -> Record | None:
    try:
        return state.apply(decoded(line.text))
    except RunError as error:
        said = str(error)
    except (ValueError, RecursionError) as error:  # of brackets too deep, too
        said = f"not JSON ({error})"
    raise ChainError(f"{path / JOURNAL}, line {line.number}: {said}")


class RunFolder(FolderInUse):
    """A run folder open for writing: created, or resumed where it stopped."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        """A folder for this manifest; ``with`` opens it."""
        state = self.state = empty_state(path, manifest)
        super().__init__(
            path,
            manifest,
            lambda line: _take(path, line, state),
            lambda: state.open or state.records,
            self._load,
            called="a run folder",
        )
        self._indexed: Mark | None = None
        self._in_step = True  # state and journal; not where a line could not be written

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave an index behind, where that is worth it, and give the folder back."""
        self._index(closing=True)
        super().__exit__(kind, error, trace)

    def _load(self, manifest: Manifest) -> Mark | None:
        self._indexed = index.load(self.path, manifest, self.state)
        return self._indexed

    def _index(self, *, closing: bool = False) -> None:
        end = self._folder.end
        if self._in_step and index.worth(end, self._indexed, closing=closing):
            index.save(self.path, self.manifest, self.state, end)
            self._indexed = end

    @property
    def manifest(self) -> Manifest:
        """What its numbers mean."""
        return self._folder.manifest

    def begin(self, environment: dict[str, Any], settings: dict[str, Any], selection: Selection | None = None) -> None:
        """Note a start: what draws, and what was asked for. Inputs begun by something else start over."""
        entry = self._folder.begin(environment, settings) | ({} if selection is None else {ASKED: asdict(selection)})
        sessions = self.state.sessions
        drawn_by = {name: environment.get(name) for name in DRAWN_BY}
        stale = [
            key
            for key, session in self.state.drawn_in.items()
            if session < 0 or {name: sessions[session].get(name) for name in DRAWN_BY} != drawn_by
        ]
        self._append(entry)
        for key in stale:
            self.restart(key)

    def restart(self, key: str) -> None:
        """Forget the draws of an unfinished input."""
        self._append({"is": "restart", "key": key})

    def add_range(self, key: str, stage: str, drawn: Range) -> None:
        """Keep a range of draws."""
        self._append(range_line(key, stage, drawn, dense=self.manifest.format == 1 or self.state.slots is None))

    def add_record(
        self,
        key: str,
        index: int,
        label: int | None,
        requests: list[tuple[str, int]],
        outcome: Outcome,
        *,
        seconds: float = 0.0,
        clean: int | None = None,
    ) -> Record:
        """Close an input.

        Args:
            key: of the input.
            index: its place in the data set.
            label: its class, where known.
            requests: what was asked for.
            outcome: what came of it.
            seconds: those that no range accounts for (an imported record has no ranges).
            clean: its class without noise.
        """
        self._append(record_line(key, index, label, requests, outcome, seconds, clean=clean))
        return self.state.records[key]

    def add_skipped(self, index: int, label: int | None, why: str, outcome: Outcome) -> None:
        """Close an input whose picture could not be read: an abstention that every denominator counts."""
        self._append(record_line(skipped_key(index), index, label, [], outcome, skipped=why))

    def seal(self, selection: Selection, signer: Signer | None = None) -> None:
        """Say that a session came to its end, and sign it; what was said already is not said again unsigned."""
        if signer is not None:
            self._append(signer.signed(seal_entry(selection), self.path / JOURNAL, self.manifest.meaning_hash))
        elif not (self.state.sealed and self.state.seals[-1] == selection):
            self._append(seal_entry(selection))

    def _append(self, entry: Entry) -> None:
        text = encoded(entry)
        self._in_step = False
        self.state.apply(entry)  # first: a line that could not be read back is never written
        self._folder.append(text)
        self._in_step = True
        self._index()

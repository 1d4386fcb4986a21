"""Merging: run folders that hold parts of one run become one run folder."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import takewhile
from math import lcm
from pathlib import Path
from typing import Any

from noiseproof.errors import RunError
from noiseproof.store.folder import JOURNAL, SETTINGS
from noiseproof.store.given import Runs, listed, path_of
from noiseproof.store.index import INDEX, save, worth
from noiseproof.store.journal import Journal, read_journal
from noiseproof.store.lines import Entry, RecordLine, converted, decoded, encoded, key_of
from noiseproof.store.lock import FolderLock
from noiseproof.store.manifest import MANIFEST, Manifest, changes, check_meaning, told, write_manifest, write_text
from noiseproof.store.run import Run, empty_state, read_run, same_outcome
from noiseproof.store.settings import to_toml
from noiseproof.store.signing import SIGNATURE, unsigned
from noiseproof.store.state import State
from noiseproof.types import Record
from noiseproof.version import __version__

EMPTY = {"lock", f"{MANIFEST}.part"}
"""What a folder may hold that is as good as new."""

UNDER_WAY = EMPTY | {MANIFEST, JOURNAL, SETTINGS, f"{SETTINGS}.part", INDEX}

MOST_INDICES = 1_000_000
"""Beyond, nobody asks whether the selections of the sources make up one."""


@dataclass(frozen=True)
class Merged:
    """What came of merging.

    Attributes:
        run: the merged run.
        unfinished: sources that had inputs under way, which are left out, and how many.
        same_picture: inputs left out, each with the one that is kept instead: the same picture on the same noise.
    """

    run: Run
    unfinished: tuple[tuple[Path, int], ...]
    same_picture: tuple[tuple[int, int], ...]


def merge(runs: Runs, *, out: str | Path) -> Merged:
    """Put shards of one run together: run folders of the same meaning, each with inputs of its own.

    Every source's journal is verified as it is read, and its lines about finished inputs are copied as they are, with
    the sessions that drew them. An input that several have finished is taken once; if they do not say the same of it,
    that is an error. The order of ``runs`` changes nothing, not a byte.

    Left out are inputs under way, and of equal pictures in different shards all but the one with the smallest index:
    such pictures were drawn on the same noise, since a shard does not know what the others hold. ``certify`` (or
    whichever verb it was) in the merged folder draws both kinds.

    The folder is built beside ``out`` and given its name at the end, so ``out`` is all or nothing. The same call again
    does nothing.

    Args:
        runs: runs of certify, predict or decide, or their folders, two or more.
        out: the folder for the merged run; none of ``runs``.

    Raises:
        ValueError: fewer than two runs, one that is given twice, or one that is ``out`` too.
        RunError: a run is none or was changed, two differ in meaning or in what they say of an input, or ``out`` holds
            something else or cannot be written.
    """
    place = _real(Path(out))
    paths = [path_of(run) for run in listed(runs)]
    _check_paths(paths, place)
    sources = sorted(map(_read, paths), key=lambda source: source.order)
    first = sources[0].run
    for source in sources[1:]:
        _check_same_run(first, source.run)
    kept, same_picture = _choose(sources)
    records = {key: source.run.state.records[key] for source, keys in zip(sources, kept, strict=True) for key in keys}
    if not records:
        raise RunError(f"{first.path} and the others have no finished input, so there is nothing to merge yet")
    newest = max(source.run.manifest.format for source in sources)
    manifest = replace(first.manifest, version=__version__, format=newest)
    if not _is_there(Path(out), place, manifest, records):
        folder = _Folder(Path(out), place)
        lines = (line for source, keys in zip(sources, kept, strict=True) for line in _lines(source.run, keys))
        folder.write(manifest, _settings([each.run for each in sources], kept), lines, records)
    unfinished = [(each.run.path, len(each.run.state.open.keys() - records)) for each in sources]
    return Merged(read_run(Path(out)), tuple(each for each in unfinished if each[1]), tuple(same_picture))


@dataclass(frozen=True)
class _Source:
    """A run, and its place among the others: by what it holds, not by where it stood in the line."""

    run: Run
    order: tuple[float, str]


def _read(path: Path) -> _Source:
    run = read_run(path)
    try:
        with (path / JOURNAL).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        digest = ""
    except OSError as error:
        raise RunError(f"cannot read {path / JOURNAL}: {error.strerror}") from None
    return _Source(run, (min((record.index for record in run.records), default=float("inf")), digest))


def _check_paths(paths: list[Path], place: Path) -> None:
    if len(paths) < 2:
        raise ValueError(f"merge takes two runs or more, got {len(paths)}")
    seen: set[Path] = set()
    for path in paths:
        if _real(path) in seen:
            raise ValueError(f"runs must be different folders, got {path} twice")
        if _real(path) == place:
            raise ValueError(f"out must be a folder of its own, got {path}, which is merged; choose another --out")
        seen.add(_real(path))


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))  # Path.resolve fails on links that lead round in a circle


def _check_same_run(first: Run, other: Run) -> None:
    old, new = first.manifest, other.manifest
    differing = changes(old, new)
    if old.kind != new.kind:
        differing = [f"verb is {old.kind!r}, not {new.kind!r}"]
    if differing:
        raise RunError(
            f"{first.path} and {other.path} are not parts of one run: {told(differing)}; parts differ in --shard (or "
            "in --every, --start and --limit) alone, and a run with --budget has none"
        )


def _choose(sources: list[_Source]) -> tuple[list[set[str]], list[tuple[int, int]]]:
    """The keys to take from each source, and the inputs that stay out because an equal picture has their key."""
    owners: dict[int, tuple[int, Record]] = {}
    for number, source in enumerate(sources):
        for record in source.run.records:
            owner, known = owners.setdefault(record.index, (number, record))
            if known is not record and not _says_the_same(record, known):
                raise RunError(
                    f"input {record.index} has other draws or another outcome in {source.run.path} than in "
                    f"{sources[owner].run.path}; which is right cannot be told: leave one of the two out"
                )
    kept: list[set[str]] = [set() for _ in sources]
    taken: dict[str, tuple[int, Record]] = {}
    same_picture = []
    for index in sorted(owners):
        number, record = owners[index]
        owner, known = taken.setdefault(record.key, (number, record))
        if known is record:
            kept[number].add(record.key)
            continue
        if not _votes_agree(known, record):
            raise RunError(
                f"inputs {known.index} and {index} are the same picture on the same noise (key {record.key}), but "
                f"voted differently in {sources[owner].run.path} and {sources[number].run.path}; which is right "
                "cannot be told: leave one of the two out"
            )
        same_picture.append((index, known.index))
    return kept, same_picture


def _says_the_same(one: Record, other: Record) -> bool:
    same = replace(other, seconds=one.seconds, outcome=one.outcome, clean=one.clean)
    return one == same and same_outcome(one.outcome, other.outcome)


def _kept(lines: _Lines, state: State, records: dict[str, Record]) -> Iterator[bytes]:
    """The texts of lines, each taken into a state: of an input as it was read where it comes from."""
    for entry, text in lines:
        if isinstance(entry, RecordLine):
            state.add(records[entry.key])
        elif isinstance(entry, dict):
            state.apply(entry)
        yield text


_Lines = Iterator[tuple[Entry, bytes]]


class _ChangedError(Exception):
    """A journal no longer holds the lines that were read before."""


def _votes_agree(one: Record, other: Record) -> bool:
    """Whether the same draws voted the same, as far as both were asked for the same."""
    asked = takewhile(
        lambda two: (two[0].stage, two[0].n) == (two[1].stage, two[1].n), zip(one.answers, other.answers, strict=False)
    )
    return all(mine == its for mine, its in asked)


def _is_there(out: Path, place: Path, manifest: Manifest, records: dict[str, Record]) -> bool:
    """Whether the folder is the merged run already, or has grown from it."""
    try:
        names = {entry.name for entry in place.iterdir()} if place.exists() else set()
    except OSError as error:
        raise RunError(f"cannot make the folder {out}: {error.strerror}; choose another --out") from None
    if names <= EMPTY:
        return False
    if MANIFEST not in names:
        raise RunError(f"{out} holds other files and is not a run folder; choose another --out")
    there = read_run(out)
    check_meaning(out, there.manifest, manifest)
    found = there.state.records
    lacking = [each.index for key, each in records.items() if key not in found or not _says_the_same(each, found[key])]
    if lacking:
        raise RunError(
            f"{out} is a run folder that lacks {len(lacking)} of these inputs (input {min(lacking)} is one); "
            "choose another --out"
        )
    return True


def _lines(run: Run, keys: set[str]) -> _Lines:
    """What a journal says of these inputs and of its sessions, in its order: each line, and as it is written there."""
    if not keys:
        return
    for line in read_journal(run.path / JOURNAL, run.manifest.meaning_hash):
        entry = converted(decoded(line.text))
        if (key := key_of(entry)) is None or key in keys:
            if b"NaN" in line.text or b"Infinity" in line.text:
                encoded(entry)  # refuses what JSON has not
            # who signed a part did not sign what it becomes
            if isinstance(entry, dict) and SIGNATURE in entry:
                yield unsigned(entry), encoded(unsigned(entry))
            else:
                yield entry, line.text
        if (
            run.end is not None and line.number == run.end.number and line.mark == run.end
        ):  # what came later, nobody has looked at
            return
    raise _ChangedError


def _settings(runs: list[Run], kept: list[set[str]]) -> dict[str, Any]:
    """Those of the last session that is copied, but for the selection: that of all sources together."""
    copied = [session for run, keys in zip(runs, kept, strict=True) if keys for session in run.state.sessions]
    last = copied[-1].get("settings") if copied else None
    everything = [session.get("settings") for run in runs for session in run.state.sessions]
    return (last if isinstance(last, dict) else {}) | _selection(everything)


def _selection(settings: Sequence[object]) -> dict[str, int | None]:
    """The every, start and limit that select what these select together; None each where no such three do.

    >>> _selection([{"every": 6, "start": start, "limit": 5} for start in (1, 3, 5)])
    {'every': 2, 'start': 1, 'limit': 15}
    """
    unknown: dict[str, int | None] = {"every": None, "start": None, "limit": None}
    asked = set()
    for each in settings:
        said = each if isinstance(each, dict) else {}
        every, start, limit = said.get("every"), said.get("start"), said.get("limit")
        if not (isinstance(every, int) and isinstance(start, int) and isinstance(limit, int | None)):
            return unknown
        if not (0 < every <= MOST_INDICES and 0 <= start <= MOST_INDICES and 0 <= (limit or 0) <= MOST_INDICES):
            return unknown
        asked.add((every, start, limit))
    # behind the last start and the last end, what is selected repeats itself: two periods of it say all
    horizon = max((start + every * (limit or 0) for every, start, limit in asked), default=0)
    horizon += 2 * lcm(*(every for every, _, _ in asked))
    if horizon > MOST_INDICES:
        return unknown
    indices = sorted({i for every, start, limit in asked for i in range(start, horizon, every)[:limit]})
    step = indices[1] - indices[0] if len(indices) > 1 else 1
    endless = any(limit is None for _, _, limit in asked)
    if not indices or indices != list(range(indices[0], indices[-1] + 1, step)):
        return unknown
    return {"every": step, "start": indices[0], "limit": None if endless else len(indices)}


class _Folder:
    """A run folder that is made beside its place, and put there when it is whole."""

    def __init__(self, out: Path, place: Path) -> None:
        self._out = out
        self._place = place
        self._part = place.with_name(f".{place.name}.merging")

    def write(
        self,
        manifest: Manifest,
        settings: dict[str, Any],
        lines: _Lines,
        records: dict[str, Record],
    ) -> None:
        """Write it all, or nothing: what an earlier merge left behind when it was killed is cleared away first."""
        try:
            self._part.mkdir(parents=True, exist_ok=True)
            if not {entry.name for entry in self._part.iterdir()} <= UNDER_WAY:
                raise RunError(f"{self._part} is in the way and holds other files; remove it, or choose another --out")
            with FolderLock(self._part):
                try:
                    self._clear(UNDER_WAY - {"lock"})
                    write_manifest(self._part, manifest)
                    write_text(self._part / SETTINGS, to_toml(settings))
                    self._copy(manifest, lines, records)
                    self._put()
                except BaseException:
                    with suppress(OSError):  # the error that led here is the one to be told
                        self._clear(UNDER_WAY)
                        self._part.rmdir()
                    raise
        except OSError as error:
            raise RunError(f"cannot make the folder {self._out}: {error.strerror}; choose another --out") from None

    def _copy(self, manifest: Manifest, lines: _Lines, records: dict[str, Record]) -> None:
        changed = RunError(f"a run changed while it was merged into {self._out}; run the same line again")
        journal, state = Journal(self._part / JOURNAL, manifest.meaning_hash), empty_state(self._part, manifest)
        try:
            journal.extend(_kept(lines, state, records))
        except _ChangedError:
            raise changed from None
        except ValueError as error:  # an infinite number, which a hand-made line may hold and JSON has not
            raise RunError(f"a run has a line that cannot be written again ({error}); see noiseproof verify") from None
        finally:
            journal.close()
        if state.records.keys() != records.keys():
            raise changed
        if worth(journal.end, None):
            save(self._part, manifest, state, journal.end)

    def _put(self) -> None:
        if self._place.exists():
            with FolderLock(self._place):
                for name in EMPTY:
                    (self._place / name).unlink(missing_ok=True)
        self._part.rename(self._place)

    def _clear(self, names: set[str]) -> None:
        for name in names:
            (self._part / name).unlink(missing_ok=True)

"""The manifest: what a run's numbers mean, and the hash that pins it."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass, field, replace
from math import isclose, isfinite
from pathlib import Path
from typing import Any

from noiseproof.arguments import expanded
from noiseproof.errors import RunError
from noiseproof.noises.keys import binding

FORMAT = 2
"""Of new folders; those of ``FORMATS`` are read, and go on as they began. 1 wrote votes of 0, too."""
FORMATS = (1, 2)
MANIFEST = "manifest.json"

CLOSE = 1e-9
"""Relative: by how much another processor may differ in what it computes in floating point. A sum of 10^4 terms depends
on the order in which its kernel adds them; measured are differences of 1e-15, and of 1e-13 in p0."""

EXACT = ("looks", "accept", "stop")
"""What decides of a test: integers, the same on every processor, and so in the meaning."""

BOUND = 2
"""The form of word keys that are bound to model, noise and procedure; form 1, which no meaning names, is to none."""

KIND_IMPORT = "import"
NO_COUNTS = "none"
"""What the meaning of an import says under "counts" when its source held none: nothing can be replayed."""
STATED = "stated"
"""The family of a noise that an import knows in words only."""


@dataclass(frozen=True)
class Manifest:
    """What is fixed for the life of a run folder.

    Attributes:
        kind: the verb that made it ("certify", "predict", "train", "import").
        meaning: a plain nested table of everything the counts depend on; not which inputs, nor workers.
        version: of noiseproof, when the folder was made.
        levels: p0, alpha and size of each test of the meaning's design. Floating numbers, which no hash pins: verify
            computes them again, to a relative ``CLOSE``. Empty where the meaning holds them, as it did once.
        format: of the folder, one of ``FORMATS``.
    """

    kind: str
    meaning: dict[str, Any]
    version: str
    levels: list[dict[str, float]] = field(default_factory=list)
    format: int = FORMAT

    @property
    def design(self) -> list[dict[str, Any]]:
        """The tests of the run, whole, wherever their numbers are kept.

        Raises:
            ValueError: there are more levels than tests, or fewer.
        """
        tests: list[dict[str, Any]] = self.meaning.get("design", [])
        return [{**test, **level} for test, level in zip(tests, self.levels, strict=True)] if self.levels else tests

    @property
    def unit(self) -> str:
        """What the radii of a run on scaled data are measured in; empty where inputs are pixels in [0, 1]."""
        data = self.meaning.get("data")
        scaling = data.get("scaling") if isinstance(data, dict) else None
        return str(scaling.get("unit", "an unknown unit")) if isinstance(scaling, dict) else ""

    @property
    def has_counts(self) -> bool:
        """Whether what is printed can be derived again; not so for an import of printed radii."""
        return self.meaning.get("counts") != NO_COUNTS

    @property
    def binding(self) -> str:
        """What the words of its draws are bound to; empty where they are common to all runs of its seed.

        Raises:
            RunError: its word keys have a form that this version does not know.
        """
        if "words" not in self.meaning:
            return ""
        if (form := self.meaning["words"]) != BOUND:
            raise RunError(f"word keys of form {str(form)[:9]} are none this version knows; use the one that made them")
        return binding(self.meaning)

    @property
    def meaning_hash(self) -> str:
        """SHA-256 over kind and meaning, independent of the order of their names."""
        text = json.dumps([self.kind, self.meaning], sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a run folder.

    Raises:
        RunError: there is none, it is damaged, or its meaning was changed after the fact.
    """
    path = folder / MANIFEST
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        manifest = Manifest(_text(stored["kind"]), dict(stored["meaning"]), _text(stored["version"]))
        manifest = replace(manifest, levels=[_level(level) for level in stored.get("levels", [])])
        manifest = replace(manifest, format=stored["format"])
        form, pinned, found = stored["format"], str(stored["meaning_hash"]), manifest.meaning_hash
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(
            f"{folder} is not a run folder: it has no {MANIFEST}; give what a line had as its --out"
        ) from None
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise RunError(f"{path} is damaged: not a manifest") from None
    if form not in FORMATS or isinstance(form, bool):
        known = " and ".join(map(str, FORMATS))
        raise RunError(f"{path} has format {str(form)[:9]}, this version reads {known}; use the version that wrote it")
    if pinned != found:
        raise RunError(f"{path} was changed: its meaning does not have the hash {pinned[:12]}... that pins it")
    return manifest


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _level(table: object) -> dict[str, float]:
    if not isinstance(table, dict) or table.keys() & {*EXACT}:
        raise TypeError
    if not all(isinstance(each, float) and isfinite(each) for each in table.values()):
        raise TypeError
    return dict(table)


def import_note(manifest: Manifest) -> str:
    """What a reader of an import's radii must know, in one clause; empty for a run that was not imported."""
    if manifest.kind != KIND_IMPORT:
        return ""
    meaning = manifest.meaning
    name = meaning["source"]["name"]
    if not manifest.has_counts:
        noise = f"{meaning['noise']['text']}, " if meaning["noise"]["family"] == STATED else ""
        ablated = meaning["source"].get("format") == "ablations"
        how = "widths from the ablated pictures in" if ablated else "radii as printed in"
        return f"{how} {name} ({noise}n = {meaning['procedure']['n']} as stated), not verified"
    return f"certified from the counts in {name}, every class tested at alpha/{meaning['model']['num_classes']}"


def noise_note(manifest: Manifest) -> str:
    """What a reader must know of where a run's noise came from, to be read behind the word noise.

    Empty for noise of seed 0 that is bound to the run's own model and settings, and where nothing was drawn.
    """
    meaning, said = manifest.meaning, []
    if "seed" not in meaning:
        return ""
    if meaning.get("rng", "philox") != "philox":
        said.append("of a key of the operating system (others may have been tried before)")
    elif meaning["seed"] != 0:
        said.append(f"of seed {str(meaning['seed'])[:80]} (others may have been tried before)")
    if "words" not in meaning:
        said.append("common to all models and settings (one may have been made for it)")
    elif str(meaning["model"]["fingerprint"]).startswith("named "):
        said.append("bound to a name of the model, not to its weights (they may have been made for it)")
    return ", ".join(said)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, whole or not at all."""
    stored = {
        "format": manifest.format,
        "kind": manifest.kind,
        "version": manifest.version,
        "meaning_hash": manifest.meaning_hash,
        "meaning": manifest.meaning,
    }
    if manifest.levels:
        stored["levels"] = manifest.levels
    write_text(folder / MANIFEST, json.dumps(stored, indent=2, allow_nan=False) + "\n")


def check_place(path: Path | None, flag: str) -> None:
    """Refuse a place for a file where none can be written, before the work whose result it is to hold.

    Args:
        path: of the file; None where none is asked for.
        flag: that names it.

    Raises:
        RunError: it is a folder, or there is no such folder.
    """
    if path is not None and (path.is_dir() or not path.parent.is_dir()):
        why = "is a folder" if path.is_dir() else f"{path.parent} is no folder"
        raise RunError(f"cannot write {path}: {why}; choose another {flag}")


def write_text(path: Path, text: str) -> None:
    """Replace a small file, whole or not at all, by this text in UTF-8; see ``write_bytes``."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Replace a small file, whole or not at all.

    Raises:
        RunError: the folder cannot be written.
    """
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise RunError(f"cannot write {path}: {error.strerror}; choose another --out") from None


def check_meaning(folder: Path, stored: Manifest, wanted: Manifest) -> None:
    """Refuse to go on in a folder under another meaning than its own.

    Raises:
        RunError: names the fields that differ, each with both values.
    """
    if stored.kind != wanted.kind:
        raise RunError(
            f"{folder} is the run folder of noiseproof {stored.kind}, not of {wanted.kind}; choose another --out"
        )
    differs = changes(stored, wanted)
    if differs:
        raise RunError(f"{folder} has another meaning: {told(differs)}; give the old value, or choose another --out")


def with_design(manifest: Manifest, design: list[dict[str, Any]]) -> Manifest:
    """The manifest of a run with these tests: what decides in its meaning, the floating numbers beside it."""
    exact = [{name: test[name] for name in EXACT} for test in design]
    levels = [{name: value for name, value in test.items() if name not in EXACT} for test in design]
    return replace(manifest, meaning=manifest.meaning | {"design": exact}, levels=levels) if design else manifest


def same_design(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> bool:
    """Whether these are the same tests: integers exactly, floating numbers to a relative ``CLOSE``.

    >>> test = {"looks": [100], "accept": [97], "stop": [96], "p0": 0.8, "alpha": 0.001, "size": 0.0009}
    >>> same_design([test], [test | {"size": 0.0009 * (1 + 2**-50)}]), same_design([test], [test | {"accept": [96]}])
    (True, False)
    """
    return len(one) == len(other) and all(
        mine.keys() == its.keys()
        and all(
            mine[name] == its[name] if name in EXACT else isclose(mine[name], its[name], rel_tol=CLOSE) for name in mine
        )
        for mine, its in zip(one, other, strict=True)
    )


def changes(stored: Manifest, wanted: Manifest) -> list[str]:
    """The fields in which two runs differ in meaning; boundaries are compared as ``same_design`` does."""
    old, new = stored.meaning, wanted.meaning
    try:
        if "design" in old and "design" in new and same_design(stored.design, wanted.design):
            new = new | {"design": old["design"]}
    except (AttributeError, TypeError, ValueError):  # written by hand: then to the letter
        pass
    found = differences(old, new)
    if not found and stored.binding != wanted.binding:  # 1 and 1.0 are equal, but not as text; no procedure of here
        found = ["its settings are the same numbers written otherwise, which are other draws"]
    return found


def differences(stored: dict[str, Any], wanted: dict[str, Any], prefix: str = "") -> list[str]:
    """The fields in which two meanings differ, each with both values; one path written in two ways is one value.

    >>> differences({"noise": {"sigma": 0.25}, "seed": 0}, {"noise": {"sigma": 0.5}, "seed": 0})
    ['noise.sigma is 0.25, not 0.5']
    >>> differences({"name": "folder:d"}, {"name": "folder:./d/"})
    []
    """
    found = []
    for name in list(stored) + [name for name in wanted if name not in stored]:
        old, new = stored.get(name), wanted.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            found += differences(old, new, f"{prefix}{name}.")
        elif old != new and not (is_path(old) and _path_of(old) == _path_of(new)):
            found.append(f"{prefix}{name} is {old!r}, not {new!r}")
    return found


def is_path(data: object) -> bool:
    """Whether a data set is called by where it lies: folder:PATH, FILE.py:NAME, FILE.npz:x,y.

    >>> is_path("folder:d"), is_path("d.py:made"), is_path("d.npz"), is_path("mnist:test")
    (True, True, True, False)
    """
    return _path_of(data) is not None


_PREFIXES = ("folder", "hf", "wav")
_SUFFIXES = (".py", ".npz", ".npy", ".csv", ".parquet", ".arrow", ".tar")


def _path_of(data: object) -> tuple[str, str, str] | None:
    """What stands before a path, what behind it, and the path, however it is written."""
    kind, _, path = str(data).partition(":")
    if kind not in _PREFIXES:
        kind, path = "", str(data)
    head, rest = path.rsplit(":", 1) if ":" in path else (path, "")
    return (kind, rest, os.path.realpath(expanded(head))) if kind or Path(head).suffix in _SUFFIXES else None


def told(differing: list[str]) -> str:
    """The first few differences in a line, none of them longer than a line can hold: a design has hundreds of looks."""
    return "; ".join(each if len(each) <= _LONGEST else f"{each[:_LONGEST]}..." for each in differing[:5])


_LONGEST = 200  # letters of a difference

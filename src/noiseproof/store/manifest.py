"""The manifest: what a run's numbers mean, and the hash that pins it."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noiseproof.errors import RunError

FORMAT = 1
MANIFEST = "manifest.json"

KIND_IMPORT = "import"
NO_COUNTS = "none"
"""What the meaning of an import says under "counts" when its source held none: nothing can be replayed."""


@dataclass(frozen=True)
class Manifest:
    """What is fixed for the life of a run folder.

    Attributes:
        kind: the verb that made it ("certify", "predict", "train", "import").
        meaning: a plain nested table of everything the counts depend on; not which inputs, nor workers.
        version: of noiseproof, when the folder was made.
    """

    kind: str
    meaning: dict[str, Any]
    version: str

    @property
    def has_counts(self) -> bool:
        """Whether what is printed can be derived again; not so for an import of printed radii."""
        return self.meaning.get("counts") != NO_COUNTS

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
        form, pinned, found = stored["format"], str(stored["meaning_hash"]), manifest.meaning_hash
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(f"{folder} is not a run folder: it has no {MANIFEST}") from None
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise RunError(f"{path} is damaged: not a manifest") from None
    if form != FORMAT:
        raise RunError(f"{path} has format {str(form)[:9]}, this version reads {FORMAT}; use the version that wrote it")
    if pinned != found:
        raise RunError(f"{path} was changed: its meaning does not have the hash {pinned[:12]}... that pins it")
    return manifest


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def import_note(manifest: Manifest) -> str:
    """What a reader of an import's radii must know, in one clause; empty for a run that was not imported."""
    if manifest.kind != KIND_IMPORT:
        return ""
    meaning = manifest.meaning
    name = meaning["source"]["name"]
    if not manifest.has_counts:
        return f"radii as printed in {name} (n = {meaning['procedure']['n']} as stated), not verified"
    return f"certified from the counts in {name}, every class tested at alpha/{meaning['model']['num_classes']}"


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, whole or not at all."""
    stored = {
        "format": FORMAT,
        "kind": manifest.kind,
        "version": manifest.version,
        "meaning_hash": manifest.meaning_hash,
        "meaning": manifest.meaning,
    }
    write_text(folder / MANIFEST, json.dumps(stored, indent=2, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Replace a small file, whole or not at all.

    Raises:
        RunError: the folder cannot be written.
    """
    part = path.with_name(path.name + ".part")
    try:
        with part.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
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
    differs = differences(stored.meaning, wanted.meaning)
    if differs:
        raise RunError(
            f"{folder} has another meaning: {'; '.join(differs)}; give the old value, or choose another --out"
        )


def differences(stored: dict[str, Any], wanted: dict[str, Any], prefix: str = "") -> list[str]:
    """The fields in which two meanings differ, each with both values.

    >>> differences({"noise": {"sigma": 0.25}, "seed": 0}, {"noise": {"sigma": 0.5}, "seed": 0})
    ['noise.sigma is 0.25, not 0.5']
    """
    found = []
    for name in list(stored) + [name for name in wanted if name not in stored]:
        old, new = stored.get(name), wanted.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            found += differences(old, new, f"{prefix}{name}.")
        elif old != new:
            found.append(f"{prefix}{name} is {old!r}, not {new!r}")
    return found

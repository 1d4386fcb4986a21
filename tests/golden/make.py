"""Writes manifests/ and folders/ again: ``python tests/golden/make.py``. Look at the difference before it is kept.

For reference: what is stored was written by the version that made the folders users have. A meaning that changes
makes those folders useless, and needs a line in CHANGELOG.md with the reason.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
VERSION = "0.0.0"


def main() -> None:
    """Make every case, in a folder of its own that is gone afterwards."""
    from conftest import cases, write_parts

    from noiseproof.cli.main import run

    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        write_parts(Path(place))
        for table, keep in (("cases", _keep_manifest), ("folders", _keep_folder)):
            shutil.rmtree("runs", ignore_errors=True)
            left = cases(table)
            while left:
                case = next(case for case in left.values() if not left.keys() & set(case.after))
                del left[case.name]
                if status := run(case.words):
                    sys.exit(f"{case.name}: status {status} of {' '.join(case.words)}")
                keep(case.name, case.words, case.out)


def _keep_manifest(name: str, words: list[str], out: Path) -> None:
    stored = json.loads((out / "manifest.json").read_text())
    kept = {"words": words} | {key: stored[key] for key in ("kind", "meaning_hash", "meaning")}
    settings = out / "settings.toml"
    kept["settings"] = settings.read_text().splitlines() if settings.exists() else None
    (HERE / "manifests").mkdir(exist_ok=True)
    (HERE / "manifests" / f"{name}.json").write_text(json.dumps(kept, indent=1) + "\n")


def _keep_folder(name: str, words: list[str], out: Path) -> None:
    del words
    place = HERE / "folders" / name
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(out, place, ignore=shutil.ignore_patterns("lock"))
    journal = place / "journal.jsonl"
    if name == "killed":  # after two ranges of the second input, and within a line
        lines = journal.read_bytes().splitlines(keepends=True)
        second = next(i for i, line in enumerate(lines) if b'"is":"record"' in line) + 1
        journal.write_bytes(b"".join(lines[: second + 1]) + lines[second + 1][:40])
    if name == "older":
        _age(place)


def _age(place: Path) -> None:
    """A folder as an earlier version leaves it: its name and number of settings, and an input that it did not end."""
    from noiseproof.store.journal import Journal, read_journal
    from noiseproof.store.manifest import Manifest, read_manifest, write_manifest

    manifest = read_manifest(place)
    entries = [line.entry for line in read_journal(place / "journal.jsonl", manifest.meaning_hash)]
    (place / "journal.jsonl").unlink()
    write_manifest(place, Manifest(manifest.kind, manifest.meaning, VERSION))
    journal = Journal(place / "journal.jsonl", manifest.meaning_hash)
    for entry in entries[:-1]:
        if entry["is"] == "session":
            names = ("model", "data", "sigma", "grid", "seed", "every", "start", "limit", "device", "workers")
            settings = {name: entry["settings"][name] for name in names if name in entry["settings"]}
            entry |= {"version": VERSION, "backend": "torch 2.6.0", "settings": settings}
        journal.append(entry)
    journal.close()


if __name__ == "__main__":
    main()

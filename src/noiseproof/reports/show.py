"""A run folder in words: settings, progress, fingerprints."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noiseproof.errors import RunError
from noiseproof.store.folder import SETTINGS
from noiseproof.store.given import RunLike, path_of
from noiseproof.store.manifest import KIND_IMPORT, read_manifest
from noiseproof.store.run import read_run
from noiseproof.store.whole import wholeness

if TYPE_CHECKING:
    from noiseproof.store.manifest import Manifest


def show(run: RunLike) -> str:
    """What a run folder holds, as text for a terminal.

    Args:
        run: a run of certify, predict, decide or train.

    Raises:
        RunError: not a run folder, or it was changed.
    """
    path = path_of(run)
    manifest = read_manifest(path)
    lines = [f"{path}: a run of noiseproof {manifest.kind} (version {manifest.version})", "", "meaning"]
    lines += _rows([*_flat(_with_levels(manifest)), ("hash", manifest.meaning_hash)])
    if (path / SETTINGS).exists():
        settings = (path / SETTINGS).read_text(encoding="utf-8", errors="replace").splitlines()
        lines += ["", "settings of the last start", *(f"  {line}" for line in settings)]
    lines += ["", "progress", *_rows(_training(path) if manifest.kind == "train" else _progress(path))]
    return "\n".join(lines)


def _with_levels(manifest: Manifest) -> dict[str, Any]:
    try:
        return manifest.meaning | ({"design": manifest.design} if "design" in manifest.meaning else {})
    except (TypeError, ValueError):  # written by hand
        return manifest.meaning


def _progress(path: Path) -> Iterator[tuple[str, str]]:
    found = read_run(path)
    records = found.records
    draws = sum(record.draws for record in records)
    seconds = sum(record.seconds for record in records)
    yield "inputs finished", f"{len(records):,}"
    if found.manifest.kind != KIND_IMPORT and (said := wholeness(found.state).text):
        yield "not whole", said
    under_way = [drawn for stages in found.state.open.values() for ranges in stages.values() for drawn in ranges]
    yield "inputs under way", f"{len(found.state.open):,} ({sum(drawn.n for drawn in under_way):,} draws)"
    if skipped := [record for record in records if record.skipped is not None]:
        yield "skipped as unreadable", f"{len(skipped):,}, counted as abstentions (the first: {skipped[0].skipped})"
    if len({_selected(session) for session in found.state.sessions}) > 1:
        yield ("extended", "what report says of m inputs is for an m fixed beforehand, but where it says at any m")
    yield "draws", f"{draws:,} ({sum(record.void for record in records):,} void)"
    yield "seconds", f"{seconds:,.1f}" + (f" ({draws / seconds:,.0f} draws/s)" if seconds > 0 else "")
    for number, session in enumerate(found.state.sessions, start=1):
        about = {name: value for name, value in session.items() if name != "settings"}
        text = ", ".join(f"{name} {value}" for name, value in _flat(about))
        yield f"session {number}", text


def _selected(session: dict[str, Any]) -> tuple[object, ...]:
    settings = session.get("settings")
    return tuple(settings.get(name) if isinstance(settings, dict) else None for name in ("every", "start", "limit"))


def _training(path: Path) -> Iterator[tuple[str, str]]:
    metrics = path / "metrics.jsonl"
    lines = metrics.read_text(encoding="utf-8", errors="replace").splitlines() if metrics.exists() else []
    try:
        epochs = [json.loads(line) for line in lines]
        last = {name: f"{value:.6g}" for name, value in epochs[-1].items() if name != "epoch"} if epochs else {}
    except (ValueError, AttributeError, TypeError, OverflowError, RecursionError):
        raise RunError(f"{metrics} is damaged; run the same train line again") from None
    yield "epochs finished", f"{len(epochs)}"
    if epochs:
        yield "last epoch", ", ".join(f"{name} {value}" for name, value in last.items())
    yield "weights", "written" if (path / "weights.safetensors").exists() else "not yet: run the same line again"


def _flat(table: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        elif name == "design":
            try:
                yield from [(name, _test(test)) for test in value]
            except (KeyError, IndexError, TypeError, ValueError, OverflowError):
                yield name, "none that this version knows"
        else:
            yield f"{prefix}{name}", value


def _test(test: dict[str, Any]) -> str:
    looks, level = test["looks"], f"size {test['size']:.4g} <= {test['alpha']:.4g}"
    return f"p0 {test['p0']:.9g}: {len(looks)} looks, {looks[0]:,} to {looks[-1]:,} draws, {level}"


def _rows(table: Iterable[tuple[str, Any]]) -> list[str]:
    return [f"  {name:22} {value}" for name, value in table]

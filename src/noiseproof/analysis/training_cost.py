"""What the training behind a run cost, as far as the run and its model's folder say."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from noiseproof.errors import RunError
from noiseproof.store.manifest import read_manifest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from noiseproof.store.run import Run

METRICS = "metrics.jsonl"

_CLEAN: Mapping[str, int] = MappingProxyType({"gaussian": 0, "stability": 1, "consistency": 0, "macer": 0})
"""Of each loss without an attack, the passes besides those of the m draws."""

_ATTACKING: Mapping[str, tuple[int, str]] = MappingProxyType(
    {"smoothadv": (1, "eps"), "smoothmix": (2, "eta"), "cat-rs": (2, "lambda")}
)
"""Of each loss with an attack, the passes of a draw besides T, and the setting that is 0 where nothing is attacked."""


@dataclass(frozen=True)
class TrainingCost:
    """How a base classifier was trained; None is not known.

    Attributes:
        loss: its name.
        sigma: of the training noise, in input units.
        epochs: how often every picture was seen.
        passes: forward-backward passes a picture, over all epochs.
        seconds: wall time of all epochs, on whatever device it was.
    """

    loss: str | None = None
    sigma: float | None = None
    epochs: int | None = None
    passes: int | None = None
    seconds: float | None = None


def training_cost(run: Run) -> TrainingCost:
    """The training behind a run: from its label "trained", and from the run folder of train that its model lay in.

    That folder is looked for where the run's settings name it, from here and from the folders above the run. It counts
    only where it does not contradict the run. No weights are read, so a folder that was trained anew in the same
    way is not noticed.
    """
    labels = [session["trained"] for session in run.state.sessions if isinstance(session.get("trained"), dict)]
    trained: dict[str, Any] = labels[-1] if labels else {}
    folder, meaning = _folder(run, trained)
    epochs = _whole(trained.get("epochs"))
    seconds = None
    if folder is not None:
        times = _seconds(folder)
        epochs = epochs if epochs is not None else len(times) or None
        if epochs is not None and len(times) >= epochs:  # it may have been extended since
            seconds = sum(times[:epochs])
    loss = trained.get("loss", meaning.get("loss"))
    loss = loss if isinstance(loss, dict) else {}
    sigma = trained.get("sigma", meaning.get("sigma"))
    each = passes_per_picture(loss)
    name = loss.get("name")
    return TrainingCost(
        loss=name if isinstance(name, str) else None,
        sigma=float(sigma) if isinstance(sigma, int | float) else None,
        epochs=epochs,
        passes=None if each is None or epochs is None else each * epochs,
        seconds=seconds,
    )


def passes_per_picture(loss: Mapping[str, Any]) -> int | None:
    """Forward-backward passes that a loss takes for each picture of a batch; None where that is not known.

    Args:
        loss: as a plain table, with its name, and m and steps where it has them; a weight of 0 that switches an attack
            off is looked at.

    >>> passes_per_picture({"name": "gaussian", "m": 4})
    4
    >>> passes_per_picture({"name": "smoothadv", "m": 2, "steps": 10})
    22
    """
    name, m, steps = str(loss.get("name")), _whole(loss.get("m")), _whole(loss.get("steps"))
    if m is None or name not in {*_CLEAN, *_ATTACKING}:
        return None
    if name in _CLEAN:
        return _CLEAN[name] + m
    more, switch = _ATTACKING[name]
    if loss.get(switch) == 0:
        if not loss.get("one_step"):
            return m
        more = 1  # a picture that is replaced by an adversary is attacked all the same
    return None if steps is None else (steps + more) * m


def _folder(run: Run, trained: Mapping[str, Any]) -> tuple[Path | None, dict[str, Any]]:
    settings = run.state.sessions[-1].get("settings", {}) if run.state.sessions else {}
    spec = settings.get("model") if isinstance(settings, dict) else None
    if not isinstance(spec, str):
        return None, {}
    model = Path(spec).parent if Path(spec).name == "weights.safetensors" else Path(spec)
    for folder in (model, *(above / model for above in run.path.resolve().parents)):
        try:
            manifest = read_manifest(folder)
        except RunError:
            continue
        if manifest.kind == "train" and _agrees(manifest.meaning, run, trained):
            return folder, manifest.meaning
    return None, {}


def _agrees(meaning: Mapping[str, Any], run: Run, trained: Mapping[str, Any]) -> bool:
    certified = run.manifest.meaning.get("model", {})
    same = (
        (meaning.get("arch"), certified.get("architecture")),
        (meaning.get("num_classes"), certified.get("num_classes")),
        *((meaning.get(name), trained[name]) for name in ("data", "sigma", "loss") if name in trained),
    )
    return all(one == other for one, other in same)


def _seconds(folder: Path) -> list[float]:
    """The seconds of each epoch from the first on, up to a line that is torn, foreign or out of order."""
    try:
        lines = (folder / METRICS).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    found: list[float] = []
    for line in lines:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            break
        if not isinstance(row, dict) or row.get("epoch") != len(found) + 1:
            break
        seconds = row.get("seconds")
        if not isinstance(seconds, int | float):
            break
        found.append(float(seconds))
    return found


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None

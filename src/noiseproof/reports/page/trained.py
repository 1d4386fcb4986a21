"""What a page says of the folder of a training: how loss and accuracy went, epoch by epoch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from noiseproof.reports.page.chart import Chart, StepCurve
from noiseproof.reports.page.parts import Figure, Grid, Piece, Say
from noiseproof.reports.tables import Table

if TYPE_CHECKING:
    from pathlib import Path

METRICS = "metrics.jsonl"


def trained(path: Path) -> Iterator[Piece]:
    """Of a training's folder: a curve of the accuracy under noise, and a table of all that each epoch said."""
    epochs = _epochs(path)
    if not epochs:
        yield Say("No epoch is finished yet.", "warn")
        return
    names = list(dict.fromkeys(name for epoch in epochs for name in epoch if name != "epoch"))
    accuracy = [epoch.get("accuracy") for epoch in epochs]
    if all(isinstance(share, float) and 0 <= share <= 1 for share in accuracy):
        ends = np.arange(len(epochs) + 1, dtype=np.float64)
        line = StepCurve("accuracy under noise", ends, np.array([accuracy[0], *accuracy], dtype=np.float64))
        title = "Accuracy under noise on the training pictures, epoch by epoch"
        yield Figure(
            Chart("chart-training", title, (line,), float(len(epochs)), "epoch", "right under noise, %", "epoch")
        )
    rows = tuple((f"{number}", *(_cell(epoch.get(name)) for name in names)) for number, epoch in enumerate(epochs, 1))
    yield Grid(
        "", Table(header=("epoch", *names), rows=rows, caption=("Loss and accuracy are on the training pictures.",))
    )


def _epochs(path: Path) -> list[dict[str, Any]]:
    """The lines of the metrics, up to one that is torn."""
    try:
        lines = (path / METRICS).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        try:
            epoch = json.loads(line)
        except (ValueError, RecursionError):
            break
        if not isinstance(epoch, dict):
            break
        found.append(epoch)
    return found


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) and isfinite(value) else str(value)

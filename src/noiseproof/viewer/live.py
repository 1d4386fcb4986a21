"""A run under way, for whoever looks at its page: its curve so far, how far it is, how fast."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

from noiseproof.errors import NoiseproofError
from noiseproof.procedures.radii import parse_radii
from noiseproof.progress import duration
from noiseproof.reports.page.certified import curves_chart, summaries_of
from noiseproof.reports.page.looked import Looked
from noiseproof.reports.summaries import DEFAULT_RADII
from noiseproof.store.run import Following
from noiseproof.types import Certificate
from noiseproof.viewer.rows import RUNNING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from noiseproof.types import Record
    from noiseproof.viewer.rows import RunRow

_SPAN = 30.0
"""Seconds over which the speed is taken."""


class Live:
    """One run under way, read once for all who look at it."""

    def __init__(self, path: Path, name: str) -> None:
        """A run of a procedure.

        Raises:
            RunError: it is none.
        """
        self._path, self._name = path, name
        self._following = Following(path)
        self._seen: list[tuple[float, int]] = []
        self._said = ""
        self._lock = threading.Lock()

    def message(self, row: RunRow | None) -> str:
        """What there is to say now, as JSON; the same text as before where nothing came."""
        with self._lock:
            if row is None or row.state != RUNNING:
                return json.dumps({"ended": True})
            try:
                came = self._following.advance()
            except NoiseproofError:
                return json.dumps({"ended": True})  # the page that is loaded then says what is wrong
            if came or not self._said:
                self._said = json.dumps(self._now(row))
            return self._said

    def _now(self, row: RunRow) -> dict[str, Any]:
        run = self._following.run
        records = sorted(run.state.records.values(), key=lambda record: record.index)
        open_draws = sum(r.n for stages in run.state.open.values() for ranges in stages.values() for r in ranges)
        draws = sum(record.draws for record in records) + open_draws
        said = {"said": self._progress(len(records), row.asked, draws)}
        return said | self._curve(records)

    def _progress(self, done: int, asked: int | None, draws: int) -> str:
        now = time.monotonic()
        self._seen = [(when, n) for when, n in self._seen if now - when < _SPAN] + [(now, draws)]
        (begun, before), span = self._seen[0], now - self._seen[0][0]
        of = f" of {asked:,}" if asked else ""
        speed = f", {(draws - before) / span:,.0f} draws/s" if begun < now and draws > before else ""
        left = ""
        if speed and asked and done:
            rest = draws / done * (asked - done)
            left = f", about {duration(max(0.0, rest) / ((draws - before) / span))} left"
        return f"under way: {done:,}{of} inputs, {draws:,} draws{speed}{left}"

    def _curve(self, records: Sequence[Record]) -> dict[str, Any]:
        if not records or not all(isinstance(record.outcome, Certificate) for record in records):
            return {}
        run = self._following.run
        looked = [Looked(self._path, self._name, run.manifest, run, tuple(records))]
        try:
            chart = curves_chart(looked, summaries_of(looked, parse_radii(DEFAULT_RADII)))
        except ValueError:  # a label is not known
            return {}
        return {"svg": chart.svg(), "data": json.loads(chart.data())}

"""Step curves as SVG that reads without a script, and the numbers that a script reads values from."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDTH, HEIGHT = 760, 400
_LEFT, _RIGHT, _BOTTOM = 58, 14, 48
MOST_CORNERS = 800
"""Of a curve as drawn: a screen shows no more, and 50,000 of them would make the page slow."""
COLOURS = 7
"""How many colours the page's style has; curves beyond them are dashed."""


@dataclass(frozen=True)
class StepCurve:
    """One step curve: ys[i] holds on (xs[i-1], xs[i]].

    Attributes:
        name: of the run.
        xs: ascending, the first is the left end.
        ys: in [0, 1].
        down: how far the band reaches below the curve; None for no band.
        up: likewise above.
        limit: where a dotted line stands: nothing can be beyond.
        number: of its colour and dashes.
    """

    name: str
    xs: NDArray[np.float64]
    ys: NDArray[np.float64]
    down: float | None = None
    up: float | None = None
    limit: float | None = None
    number: int = 0

    @property
    def style(self) -> str:
        """The classes of its colour and dashes."""
        return f"c{self.number % COLOURS} d{self.number // COLOURS % 3}"


@dataclass(frozen=True)
class Chart:
    """Curves in one frame.

    Attributes:
        name: an identifier of the page.
        title: what it shows, in a phrase.
        lines: the curves.
        right: where the horizontal axis ends; it begins at 0.
        x_label: of the horizontal axis.
        y_label: of the vertical one, which goes from 0 to 100 %.
        x_word: of the value that is read off, such as "radius".
        per: a second scale above, in units of so many to one; 0 for none.
        per_label: of that scale.
    """

    name: str
    title: str
    lines: tuple[StepCurve, ...]
    right: float
    x_label: str
    y_label: str
    x_word: str
    per: int = 0
    per_label: str = ""

    @property
    def top(self) -> int:
        """Where the frame begins."""
        return 42 if self.per else 12

    @property
    def step(self) -> float:
        """Of the slider that reads values off: every multiple of it is a corner of a curve that was thinned."""
        return _step(self.right)

    def svg(self) -> str:
        """The figure; colours are the page's."""
        ends = [f'<title id="{self.name}-t">{escape(self.title)}</title>', *self._axes()]
        lines = [thinned(line, self.right) for line in self.lines]
        bands = (self._band(line) for line in lines if line.down is not None and line.up is not None)
        limits = (
            f'<path class="limit {line.style}" d="M{self._x(line.limit):.1f} {self.top}V{HEIGHT - _BOTTOM}"/>'
            for line in lines
            if line.limit is not None and line.limit <= self.right
        )
        curves = (f'<path class="curve {line.style}" d="{self._steps(line.xs, line.ys)}"/>' for line in lines)
        cross = f'<path class="cross" d="M0 {self.top}V{HEIGHT - _BOTTOM}"/>'
        return (
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="{self.name}-t">'
            + "".join([*ends, *bands, *limits, *curves, cross])
            + "</svg>"
        )

    def data(self) -> str:
        """What a script reads values from, as JSON that can stand inside a script element."""
        lines: list[dict[str, Any]] = []
        for line in (thinned(line, self.right) for line in self.lines):
            lines.append(
                {
                    "name": line.name,
                    "x": [round(x, 6) for x in line.xs.tolist()],
                    "y": [round(y, 6) for y in line.ys.tolist()],
                    "down": line.down,
                    "up": line.up,
                }
            )
        frame = {"right": self.right, "left": _LEFT, "width": WIDTH - _LEFT - _RIGHT, "of": WIDTH}
        said = {"word": self.x_word, "per": self.per, "lines": lines} | frame
        return json.dumps(said, separators=(",", ":")).replace("<", "\\u003c")

    def _axes(self) -> Sequence[str]:
        bottom, made = HEIGHT - _BOTTOM, []
        for share in range(0, 101, 20):
            y = self._y(share / 100)
            made.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}"/>')
            made.append(f'<text x="{_LEFT - 7}" y="{y + 4:.1f}" text-anchor="end">{share}</text>')
        for x in ticks(self.right):
            at = self._x(x)
            made.append(f'<path class="tick" d="M{at:.1f} {bottom}v5"/>')
            made.append(f'<text x="{at:.1f}" y="{bottom + 19}" text-anchor="middle">{x:g}</text>')
        made.append(f'<path class="axis" d="M{_LEFT} {self.top}V{bottom}H{WIDTH - _RIGHT}"/>')
        middle = (_LEFT + WIDTH - _RIGHT) / 2
        made.append(
            f'<text class="label" x="{middle}" y="{HEIGHT - 9}" text-anchor="middle">{escape(self.x_label)}</text>'
        )
        y_at = (self.top + bottom) / 2
        made.append(
            f'<text class="label" x="15" y="{y_at}" text-anchor="middle" transform="rotate(-90 15 {y_at})">'
            f"{escape(self.y_label)}</text>"
        )
        if self.per:
            for x in ticks(self.right * self.per):
                at = self._x(x / self.per)
                made.append(f'<path class="tick" d="M{at:.1f} {self.top}v-5"/>')
                made.append(f'<text x="{at:.1f}" y="{self.top - 9}" text-anchor="middle">{x:g}</text>')
            made.append(f'<path class="axis" d="M{_LEFT} {self.top}H{WIDTH - _RIGHT}"/>')
            made.append(f'<text class="label" x="{middle}" y="12" text-anchor="middle">{escape(self.per_label)}</text>')
        return made

    def _x(self, x: float) -> float:
        return _LEFT + x / self.right * (WIDTH - _LEFT - _RIGHT)

    def _y(self, y: float) -> float:
        return HEIGHT - _BOTTOM - y * (HEIGHT - self.top - _BOTTOM)

    def _steps(self, xs: NDArray[np.float64], ys: NDArray[np.float64]) -> str:
        first = f"M{self._x(xs[0]):.1f} {self._y(ys[0]):.1f}"
        return first + "".join(
            f"V{self._y(y):.1f}H{self._x(x):.1f}" for x, y in zip(xs[1:].tolist(), ys[1:].tolist(), strict=True)
        )

    def _band(self, line: StepCurve) -> str:
        assert line.down is not None
        assert line.up is not None
        low, high = np.maximum(line.ys - line.down, 0), np.minimum(line.ys + line.up, 1)
        there = self._steps(line.xs, high)
        # back along the lower edge: the same corners in the other order
        back = "".join(
            f"L{self._x(x):.1f} {self._y(y):.1f}H{self._x(before):.1f}"
            for x, before, y in zip(line.xs[:0:-1].tolist(), line.xs[-2::-1].tolist(), low[:0:-1].tolist(), strict=True)
        )
        return f'<path class="band {line.style}" d="{there}{back}Z"/>'


def thinned(line: StepCurve, right: float) -> StepCurve:
    """The curve with at most ``MOST_CORNERS`` corners: then its values are exact at the multiples of the step.

    Between two of them a falling curve is drawn at its lower value.
    """
    if len(line.xs) <= MOST_CORNERS:
        return line
    step, end = _step(right), float(line.xs[-1])
    xs = np.append(np.arange(0, end, step), end)
    places = np.minimum(np.searchsorted(line.xs, xs, side="left"), len(line.xs) - 1)
    return StepCurve(line.name, xs, line.ys[places], line.down, line.up, line.limit, line.number)


def ticks(right: float, most: int = 9) -> tuple[float, ...]:
    """Round numbers from 0 to the right end, about as many as are asked for at most.

    >>> ticks(1.4), ticks(357.0)
    ((0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4), (0.0, 50.0, 100.0, 150.0, 200.0, 250.0, 300.0, 350.0))
    """
    step = _round_up(right / most)
    return tuple(float(f"{i * step:.6g}") for i in range(int(right / step + 1e-9) + 1))


def _step(right: float) -> float:
    return _round_up(right / (MOST_CORNERS - 2))


def _round_up(step: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is not below."""
    power = 10.0 ** math.floor(math.log10(step))
    return float(f"{next(m for m in (1, 2, 5, 10) if m * power >= step * (1 - 1e-12)) * power:.6g}")

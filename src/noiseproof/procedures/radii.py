"""The radii a table is asked for, as a user writes them."""

from __future__ import annotations

import itertools
from decimal import Decimal, InvalidOperation

_MOST = 1000
"""More columns than this are a slip of the pen (a step of 0.00025), not a table."""


def parse_radii(text: str) -> tuple[float, ...]:
    """Radii from ``start:stop:step``, the stop included where the steps meet it, or from ``first,second,...``.

    Decimal arithmetic: the third radius of 0:1:0.1 is exactly the float 0.2, never 0.2 plus a rounding error.

    Args:
        text: what the user wrote; radii in input units, >= 0, increasing.

    Raises:
        ValueError: not a grid; the text says what is wrong.

    >>> parse_radii("0:1.5:0.5")
    (0.0, 0.5, 1.0, 1.5)
    >>> parse_radii("0, 0.25, 1")
    (0.0, 0.25, 1.0)
    """
    if ":" not in text:
        radii = [_number(part, text) for part in text.split(",")]
        if any(low >= high for low, high in itertools.pairwise(radii)):
            raise ValueError(f"radii must increase, got {text!r}")
        return tuple(float(radius) for radius in radii)
    parts = text.split(":")
    if len(parts) != 3:
        raise ValueError(f"radii must be start:stop:step such as 0:1.5:0.25, got {text!r}")
    start, stop, step = (_number(part, text) for part in parts)
    if step == 0:
        raise ValueError(f"step of radii must be > 0, got {text!r}")
    if stop < start:
        raise ValueError(f"radii must not stop before they start, got {text!r}")
    steps = (stop - start) // step
    if steps >= _MOST:
        raise ValueError(f"radii must be at most {_MOST}, got {text!r}; raise the step")
    return tuple(float(start + i * step) for i in range(int(steps) + 1))


def _number(part: str, text: str) -> Decimal:
    try:
        number = Decimal(part.strip())
    except InvalidOperation:
        raise ValueError(f"radii must be numbers, got {part.strip()!r} in {text!r}") from None
    if not (number.is_finite() and number >= 0):
        raise ValueError(f"radii must be >= 0 and finite, got {part.strip()!r} in {text!r}")
    return number

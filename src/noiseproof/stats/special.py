"""``scipy.special``, imported when it is first used: who asks for help computes nothing."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:  # noqa: ANN401  # scipy has no types
    from scipy import special

    found = globals()[name] = getattr(special, name)  # from now on at hand
    return found

"""The fields of a record as options: their kinds, their defaults, and what of them was asked."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

REQUIRED = MISSING
"""The default of an option that has none."""


@dataclass(frozen=True)
class Option:
    """A field of a record.

    Attributes:
        name: of the field; the flag's with hyphens.
        kind: what a flag or a settings file may give for it, as a type.
        default: the value where it is left out, or ``REQUIRED``.
    """

    name: str
    kind: Any
    default: Any


def options(record: type) -> Iterator[Option]:
    """The options of a record: its fields, but those whose metadata says ``{"flag": None}``.

    A field's metadata may name another type for flags than its own (``{"flag": str}``).

    >>> from noiseproof.procedures import Predict
    >>> [(option.name, option.default) for option in options(Predict)]
    [('n', 1000), ('alpha', 0.001)]
    """
    hints = get_type_hints(record)
    for each in fields(record):
        kind = each.metadata.get("flag", hints[each.name])
        if kind is not None:
            default = each.default if each.default_factory is MISSING else each.default_factory()
            yield Option(each.name, kind, default)


def asked_of(record: Any) -> dict[str, Any]:  # noqa: ANN401  # any record
    """What differs from the defaults in a record, as plain values under the names of its options.

    >>> from noiseproof.procedures import Predict
    >>> asked_of(Predict(n=500))
    {'n': 500}
    """
    found = {}
    for option in options(type(record)):
        value = getattr(record, option.name)
        if option.default is REQUIRED or value != option.default:
            found[option.name] = 0 if value is None else plain(value)  # no grid is a grid of none
    return found


def plain(value: Any) -> Any:  # noqa: ANN401  # any setting
    """A setting as a settings file holds it; what is an object in a caller's hands, under its name.

    >>> from noiseproof.noises import Gaussian
    >>> plain((0.25, 0.5)), plain({"eta": 0.5, "one_step": True}), plain(Path("a")), plain(Gaussian(sigma=1))
    ('0.25,0.5', ['eta=0.5', 'one_step=true'], 'a', 'Gaussian')
    """
    if isinstance(value, tuple) and value and all(isinstance(each, float) for each in value):
        return ",".join(number(each) for each in value)
    if isinstance(value, Mapping):
        return [f"{name}={_word(each)}" for name, each in value.items()]
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return getattr(value, "source", None) or getattr(value, "name", None) or type(value).__name__


def number(value: float) -> str:
    """A float in the fewest digits that give it back.

    >>> number(0.25), number(2.0), number(1 / 3)
    ('0.25', '2', '0.33333333333333331')
    """
    return f"{value:g}" if float(f"{value:g}") == value else f"{value:.17g}"


def line(verb: str, settings: dict[str, Any], *arguments: str | Path) -> str:
    """The command line that asks for these settings.

    >>> line("certify", {"model": ["a", "b"], "sigma": 0.25, "two_sided": True}, "x y")
    "noiseproof certify 'x y' --model a b --sigma 0.25 --two-sided"
    """
    words = ["noiseproof", *verb.split(), *map(str, arguments)]
    for name, value in settings.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
            continue
        words += [f"--{flag}", *map(_word, value if isinstance(value, list) else [value])]
    return shlex.join(words)


def _word(value: Any) -> str:  # noqa: ANN401  # any setting
    if isinstance(value, bool):
        return str(value).lower()
    return number(value) if isinstance(value, float) else str(value)

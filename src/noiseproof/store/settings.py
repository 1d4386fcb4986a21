"""Settings as TOML: what a user may write in a file, and what a run keeps of its own.

The standard library reads it. Written it is flat, one line a setting, which is JSON's spelling of a value: tomlkit and
tomli-w refuse None, paths and names that are no Unicode, so before them the same cases would stand here.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from noiseproof.errors import RunError


def read_toml(path: Path) -> dict[str, Any]:
    """A flat table of settings.

    Raises:
        RunError: the file is missing or not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # of numbers too long and of brackets too deep, too
        raise RunError(f"{path} is not TOML: {str(error)[:200]}") from None


def to_toml(settings: dict[str, Any]) -> str:
    """A flat table as TOML text; None is left out, since TOML has none.

    >>> print(to_toml({"sigma": 0.25, "data": "fashion-mnist:test", "limit": None, "two_sided": False}), end="")
    sigma = 0.25
    data = "fashion-mnist:test"
    two_sided = false
    """
    return "".join(f"{name} = {_value(value)}\n" for name, value in settings.items() if value is not None)


def _value(value: Any) -> str:  # noqa: ANN401  # whatever a setting may be
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if isinstance(value, Path):
        value = str(value)
    if isinstance(value, str):
        value = value.encode(errors="replace").decode()  # a path that is no Unicode; TOML has no word for it
    # a TOML string, number or boolean is written as JSON writes it, except that TOML knows no surrogates
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")

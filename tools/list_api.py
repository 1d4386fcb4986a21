"""The public Python interface, one line a name, as docs/api.md lists it:  python tools/list_api.py [--write]."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

import noiseproof

PAGE = Path(__file__).parents[1] / "docs" / "api.md"
_MEMBERS = (property, classmethod, staticmethod)
_BLOCK = re.compile(r"(?<=```python\n).*?(?=```)", re.DOTALL)


def listed() -> str:
    """Every public name with its signature; of classes the public methods too."""
    lines: list[str] = []
    for name in noiseproof.__all__:
        thing = getattr(noiseproof, name)
        lines.append(_line(name, thing))
        if isinstance(thing, type) and not issubclass(thing, Exception):
            own = {
                each: inspect.getattr_static(thing, each) for each in sorted(vars(thing)) if not each.startswith("_")
            }
            # fields and constants are in the signature, or are no calls
            calls = {each: found for each, found in own.items() if callable(found) or isinstance(found, _MEMBERS)}
            lines += [f"    {_line(f'.{each}', found)}" for each, found in calls.items()]
    return "\n".join(lines) + "\n"


class _Said(str):
    """An annotation as it is written: without quotes."""

    __repr__ = str.__str__


def _line(name: str, thing: object) -> str:
    thing = thing.__func__ if isinstance(thing, classmethod | staticmethod) else thing
    if not callable(thing) or (isinstance(thing, type) and issubclass(thing, Exception)):
        return name
    said = inspect.signature(thing)
    kept = [
        each.replace(annotation=each.annotation if each.annotation is each.empty else _Said(each.annotation))
        for each in said.parameters.values()
        if each.name not in ("self", "cls")
    ]
    answer = "" if said.return_annotation in (said.empty, None, "None") else f" -> {said.return_annotation}"
    return f"{name}{inspect.Signature(kept)}{answer}"


def main() -> int:
    """Print the list, or write it into the page."""
    if "--write" in sys.argv[1:]:
        PAGE.write_text(_BLOCK.sub(lambda _: listed(), PAGE.read_text(encoding="utf-8"), count=1), encoding="utf-8")
    else:
        print(listed(), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())

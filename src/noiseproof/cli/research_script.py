"""Lines in the words of the research script (locuslab/smoothing), said in those of noiseproof."""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any

from noiseproof.asked.options import line

_ORDER = {
    "certify": ("data", "model", "sigma", "out"),
    "predict": ("data", "model", "sigma", "out"),
    "train": ("data", "arch", "out"),
}
"""What certify.py, predict.py and train.py take without a flag."""
_FLAGS = {
    "N": "n",
    "N0": "n0",
    "skip": "every",
    "max": "limit",
    "batch": "batch-size",
    "split": "data",
    "noise": "sigma",
    "noise-sd": "sigma",
    "lr-step-size": "step-size",
    "wd": "weight-decay",
}
"""Their flags, and those of the scripts that followed, where they have another name here."""


def said_here(verb: str, words: Sequence[str], known: Container[str]) -> str | None:
    """The line of noiseproof for one in the words of the script; None where it is none of them.

    Args:
        verb: of the line.
        words: behind the verb.
        known: names of the flags of the verb.

    >>> said_here("certify", "cifar10 m 0.25 o.tsv --skip 20 --max 1000".split(), {"every", "limit"})
    'noiseproof certify --data cifar10 --model m --sigma 0.25 --out o --every 20 --limit 50'
    """
    order = _ORDER.get(verb, ())
    loose, flags = _parted(words)
    theirs = {name for name, values in flags.items() if _FLAGS.get(name) in known and not _is_ours(name, values)}
    if loose and len(loose) == len(order):
        flags = {name: [word] for name, word in zip(order, loose, strict=True)} | flags
        flags["out"] = [str(Path(flags["out"][0]).with_suffix(""))]  # theirs is a file, ours a folder
    elif loose or not theirs:
        return None
    if "max" in theirs and _number(flags["max"]):  # an index there, a number of inputs here
        flags["max"] = [str(math.ceil(_number(flags["max"]) / (_number(flags.get("skip", [])) or 1)))]
    split = flags.pop("split", None) if "split" in theirs else None
    said: dict[str, Any] = {_FLAGS[name] if name in theirs else name: values or True for name, values in flags.items()}
    if split:
        said["data"] = f"{said.get('data', ['DATA'])[0]}:{split[0]}"
    return line(verb, said)


def _parted(words: Sequence[str]) -> tuple[list[str], dict[str, list[str]]]:
    """The words before the first flag, and every flag with the words behind it."""
    flags: dict[str, list[str]] = {}
    loose: list[str] = []
    last = loose
    for word in words:
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            last = flags[name.replace("_", "-")] = [value] if equals else []
        else:
            last.append(word)
    return loose, flags


def _is_ours(name: str, values: Sequence[str]) -> bool:
    """Whether a flag means what it does here: --noise names a family, theirs is a number."""
    return name == "noise" and not (values and values[0].replace(".", "", 1).isdecimal())


def _number(values: Sequence[str]) -> int:
    return int(values[0]) if values and values[0].isdecimal() else 0

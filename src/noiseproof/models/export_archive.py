"""Archives of ``torch.export.save``, looked through before torch reads them.

``torch.export.load`` trusts its file. It unpickles sample inputs and weights that say so with everything allowed, and
objects; it evaluates the expressions of sizes as Python (sympy's ``sympify``); it looks up the functions of the graph
by name anywhere in ``torch``; and it opens compiled libraries that lie in the archive. What is let through here is data
only: raw tensors, a graph of torch's own operators, and sizes that are plain arithmetic.

Source: torch 2.13, export/pt2_archive/_package.py and _export/serde/serialize.py.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import torch

from noiseproof.pickles import check_pickle

_ENTRIES = re.compile(
    r"(archive_format|archive_version|version|byteorder|\.format_version|\.storage_alignment|\.data/\w+"
    r"|models/model\.json|data/sample_inputs/model\.pt"
    r"|data/weights/(weight_\d+|model_weights_config\.json)"
    r"|data/constants/(tensor_\d+|model_constants_config\.json))"
)
_TARGET = re.compile(
    r"torch\.ops\.(aten|prims)\.[a-z_0-9]+\.[A-Za-z_0-9]+"
    r"|_operator\.(getitem|add|sub|mul|floordiv|mod|neg|pos|eq|ne|lt|le|gt|ge|and_|or_)"
    r"|math\.(ceil|floor|trunc)|torch\.sym_(max|min|not|float|int)"
)
_FORBIDDEN = re.compile(r"torch\.ops\.aten\.(from_file|save|load|_load|_save|eval|dump|open|call)\b")
_NAMES = re.compile(r"[A-Za-z_]\w*")
_DECLARED = re.compile(
    r"Symbol\('([su]\d+)'(?:, (?:positive|integer|nonnegative|nonzero|finite|real)=(?:True|False))*\)"
)
_SYMBOL = re.compile(
    r"[su]\d+|Integer|Add|Mul|Max|Min|Mod|PythonMod|FloorDiv|CeilDiv|CleanDiv|Eq|Ne|Lt|Le|Gt|Ge|True|False|int_oo|oo"
)
_EXPRESSION = re.compile(r"[\w\s+\-*/%(),<>=!&|~]*")
_WORD = re.compile(r"[a-z_]{0,24}")
_CONTAINERS = ("builtins.tuple", "builtins.list", "builtins.dict")
_DEEPEST = 60


def check_archive(path: Path) -> None:
    """Refuse an archive in which anything but data is, before torch reads it.

    Raises:
        ValueError: says what was found.
        OSError: the file cannot be read.
        Exception: of any kind for damaged bytes.
    """
    size = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if sum(entry.file_size for entry in entries) > size:
            raise ValueError("it unpacks to more than it is")
        names = {}
        for entry in entries:
            name = entry.filename.partition("/")[2]
            if not _ENTRIES.fullmatch(name):
                raise ValueError(
                    f"it holds {entry.filename[:80]!r}, which is no part of an exported program of tensors"
                )
            names[name] = entry
        for wanted in ("models/model.json", "data/weights/model_weights_config.json"):
            if wanted not in names:
                raise ValueError(f"it has no {wanted}: torch before 2.8 wrote it, or another program")
        for kind in ("weights", "constants"):
            name = f"data/{kind}/model_{kind}_config.json"
            if name in names:
                _check_tensors(json.loads(archive.read(names[name])), "weight_" if kind == "weights" else "tensor_")
        if "data/sample_inputs/model.pt" in names:
            _check_samples(archive.read(names["data/sample_inputs/model.pt"]))
        _check_graph(json.loads(archive.read(names["models/model.json"])), 0)


def _check_tensors(config: Any, prefix: str) -> None:  # noqa: ANN401 (JSON)
    for name, tensor in config["config"].items():
        if tensor["use_pickle"] is not False or not re.fullmatch(rf"{prefix}\d+", tensor["path_name"]):
            raise ValueError(f"its tensor {name[:80]!r} is a pickle, not plain numbers")


def _check_samples(data: bytes) -> None:
    """The inputs it was exported with: tensors that torch reads without running anything, for else it runs it."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > len(data):
            raise ValueError("its sample inputs unpack to more than they are")
        for entry in archive.infolist():
            if entry.filename.endswith(".pkl"):
                check_pickle(io.BytesIO(archive.read(entry)), len(data), longest=2000)
    torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


def _check_graph(thing: Any, depth: int) -> None:  # noqa: ANN401 (JSON)
    """Every place of the program where torch would look up a function, evaluate a text or make an object."""
    if depth > _DEEPEST:
        raise ValueError(f"its program is more than {_DEEPEST} levels deep")
    if isinstance(thing, list):
        for each in thing:
            _check_graph(each, depth + 1)
    if not isinstance(thing, dict):
        return
    for key, value in thing.items():
        if key in _CHECKS:
            _CHECKS[key](value)
        if key not in ("metadata", "stack_trace"):
            _check_graph(value, depth + 1)


def _check_target(value: object) -> None:
    if not isinstance(value, str) or not _TARGET.fullmatch(value) or _FORBIDDEN.match(value):
        raise ValueError(f"its graph calls {str(value)[:80]!r}, which is no operator of torch's that only computes")


def _check_expression(value: object) -> None:
    text = _DECLARED.sub(r"\1", str(value))
    named = all(_SYMBOL.fullmatch(name) for name in _NAMES.findall(text))
    if not isinstance(value, str) or not _EXPRESSION.fullmatch(text) or "**" in text or not named:
        raise ValueError(f"its graph has the size {text[:80]!r}, which is no plain arithmetic")


def _check_ranges(value: object) -> None:
    for name in value if isinstance(value, dict) else [value]:
        _check_expression(name)


def _check_word(value: object) -> None:
    if value is not None and not (isinstance(value, str) and _WORD.fullmatch(value)):
        raise ValueError(f"its graph has the text {str(value)[:80]!r}, where words such as 'none' stand")


def _check_words(value: object) -> None:
    for each in value if isinstance(value, list) else [value]:
        _check_word(each)


def _check_none(value: object) -> None:
    if value:
        raise ValueError("its graph holds an object that is no tensor")


def _check_spec(value: object) -> None:
    """Containers of Python alone: others name classes to be imported."""
    if not value:
        return
    todo = [json.loads(str(value))[1]]
    while todo:
        spec = todo.pop()
        if spec["type"] is not None and spec["type"] not in _CONTAINERS:
            raise ValueError(f"it takes or gives {str(spec['type'])[:80]!r}, expected tensors")
        if len(todo) > 10_000:
            raise ValueError("it takes or gives more than 10,000 things")
        todo += spec["children_spec"]


def _check_metadata(value: object) -> None:
    """Where a node came from: only texts, of which torch looks up names of its own modules."""
    for text in value.values() if isinstance(value, dict) else [value]:
        if not isinstance(text, str):
            raise ValueError("its graph has notes that are no text")  # noqa: TRY004  # of the file, not of a caller


_CHECKS: dict[str, Any] = {
    "target": _check_target,
    "as_operator": _check_target,
    "expr_str": _check_expression,
    "range_constraints": _check_ranges,
    "as_string": _check_word,
    "as_strings": _check_words,
    "as_custom_obj": _check_none,
    "custom_obj": _check_none,
    "custom_obj_values": _check_none,
    "in_spec": _check_spec,
    "out_spec": _check_spec,
    "metadata": _check_metadata,
}

"""The English names of the 1000 ImageNet classes, where a package that has them is installed."""

from __future__ import annotations

import ast
from importlib.util import find_spec
from pathlib import Path

_LIST = "_IMAGENET_CATEGORIES"
_FILE = Path("models") / "_meta.py"


def imagenet_names() -> tuple[str, ...] | None:
    """The names that torchvision gives the classes of ILSVRC 2012; None where there are none to be read.

    The list is read from the package's file: torchvision is not imported, nor run.
    """
    found = find_spec("torchvision")
    folders = found.submodule_search_locations if found is not None else None
    return _read(Path(folders[0]) / _FILE) if folders else None


def _read(file: Path) -> tuple[str, ...] | None:
    """The list in a Python file: private to torchvision, so it may be gone or another one day."""
    try:
        for statement in ast.parse(file.read_bytes()).body:
            if isinstance(statement, ast.Assign) and [ast.unparse(to) for to in statement.targets] == [_LIST]:
                names = ast.literal_eval(statement.value)
                whole = isinstance(names, list) and len(names) == 1000 and all(isinstance(name, str) for name in names)
                return tuple(names) if whole else None
    except (OSError, SyntaxError, ValueError):
        return None
    return None

"""The Python files beside a model's file that it imports: found, importable for a while, and part of its name."""

from __future__ import annotations

import ast
import hashlib
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_imported: set[str] = set()  # neighbours that an earlier model's file may have imported


def neighbours(source: bytes, folder: Path) -> dict[str, list[Path]]:
    """What a Python text imports from its own folder, directly or through those: top-level name to files.

    It is read, not run, so it does not depend on what was imported before. A package counts with all its .py files.
    What is imported by a computed name is not seen.

    Args:
        source: the text; one that is no Python imports nothing.
        folder: where it lies.
    """
    found: dict[str, list[Path]] = {}
    texts = [source]
    while texts:
        for name in sorted(_imports(texts.pop()) - found.keys()):
            module, package = folder / f"{name}.py", folder / name
            # as Python chooses: a package with its __init__.py, else the module, else a folder without one
            is_module = module.is_file() and not (package / "__init__.py").is_file()
            if files := [module] if is_module else sorted(package.rglob("*.py")):
                found[name] = files
                texts += [file.read_bytes() for file in files]
    return found


def text_of(found: dict[str, list[Path]], folder: Path) -> str:
    """SHA-256 (hex) over the names and the bytes of all these files; empty where there is none."""
    if not found:
        return ""
    digest = hashlib.sha256()
    for file in sorted({file for files in found.values() for file in files}):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(folder).as_posix()} {len(content)} ".encode() + content)
    return digest.hexdigest()


@contextmanager
def importable(found: dict[str, list[Path]], folder: Path) -> Iterator[None]:
    """While it lasts, Python finds these first, as it would if the file were run as a script.

    What an earlier model imported so is forgotten first: it may lie elsewhere, or have changed. What that model holds
    of it stays.
    """
    for module in [each for each in sys.modules if each.partition(".")[0] in _imported]:
        del sys.modules[module]
    _imported.clear()
    _imported.update(name for name in found if name not in sys.modules)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()  # a file that was written since the folder was last looked into is found
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def _imports(source: bytes) -> set[str]:
    """The top-level names that a text imports anywhere in it."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [
        node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level and node.module
    ]
    return {name.partition(".")[0] for name in names}

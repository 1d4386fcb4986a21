"""Packages that only some sources of models need."""

from __future__ import annotations

import hashlib
import importlib
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from noiseproof.errors import ModelError, one_line, pip_install


def need(source: str, extra: str, *packages: str) -> ModuleType:
    """The first of the packages, imported; the others are imported too.

    Args:
        source: what needs them, as the user wrote it.
        extra: the extra of noiseproof that brings them.
        packages: their import names.

    Raises:
        ModelError: one is not installed; says what to install.
    """
    try:
        first, *_ = [importlib.import_module(package) for package in packages]
    except ImportError as error:
        raise ModelError(f"{source} needs {' and '.join(packages)}: {pip_install(extra)} ({one_line(error)})") from None
    return first


def missing(packages: tuple[str, ...]) -> list[str]:
    """Those of the packages that are not installed; none is imported."""
    return [package for package in packages if find_spec(package) is None]


def known_file(source: str, package: str, file: str, sha256: str, remedy: str) -> Path:
    """A file within an installed package of the top level, which is not imported, with the bytes that are known.

    Args:
        source: what needs it, as the user wrote it.
        package: its import name.
        file: the path within the package.
        sha256: of the known bytes, in hex.
        remedy: what the errors advise.

    Raises:
        ModelError: the package is not installed, or the file cannot be read or is another one.
    """
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise ModelError(f"{source} needs the weights in the package {package}: {remedy}")
    path = Path(found.submodule_search_locations[0], file)
    try:
        same = hashlib.sha256(path.read_bytes()).hexdigest() == sha256
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}); {remedy}") from error
    if not same:
        raise ModelError(f"{path} is not the known file of {package}; {remedy}")
    return path

"""Packages that only some sources of models need."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from types import ModuleType

from noiseproof.errors import ModelError, one_line


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
        raise ModelError(
            f'{source} needs {" and ".join(packages)}: pip install "noiseproof[{extra}]" ({one_line(error)})'
        ) from None
    return first


def missing(packages: tuple[str, ...]) -> list[str]:
    """Those of the packages that are not installed; none is imported."""
    return [package for package in packages if find_spec(package) is None]

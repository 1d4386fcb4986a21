"""The errors a user can cause; each says what was wrong and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class NoiseproofError(Exception):
    """Base of every error of this package that is not a plain ``ValueError``.

    The command line prints its text as one line and exits with status 1.
    """


class UnsupportedError(NoiseproofError):
    """No theorem covers what was asked; a radius is never returned by analogy."""


class DataError(NoiseproofError):
    """A data set is missing, truncated, or not what its name says."""


class ModelError(NoiseproofError):
    """A base classifier cannot be loaded, or breaks the contract of a base classifier."""


class RunError(NoiseproofError):
    """A run folder is locked, damaged, or belongs to another meaning."""


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """The text for a name that is not in a list, with the nearest one that is.

    >>> unknown("noise", "gausian", ["gaussian", "laplace"])
    "unknown noise 'gausian'; did you mean 'gaussian'?"
    >>> unknown("noise", "zzz", ["gaussian", "laplace"])
    "unknown noise 'zzz'; known: gaussian, laplace"
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    remedy = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names)}"
    return f"unknown {kind} {name!r}; {remedy}"

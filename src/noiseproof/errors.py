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


def one_line(error: Exception, most: int = 200) -> str:
    """What an error of somebody else's says, in so many letters at most; its kind where it says nothing."""
    return (" ".join(str(error).split()) or type(error).__name__)[:most]


_MOST_NAMES = 30  # what a line can hold


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """The text for a name that is not in a list, with the nearest one that is.

    >>> unknown("noise", "gausian", ["gaussian", "laplace"])
    "unknown noise 'gausian'; did you mean 'gaussian'?"
    >>> unknown("noise", "zzz", ["gaussian", "laplace"])
    "unknown noise 'zzz'; known: gaussian, laplace"
    >>> unknown("recipe", "zzz", [f"recipe-{number:02}" for number in range(61)])
    "unknown recipe 'zzz'; known: recipe-00, recipe-01, recipe-02, recipe-03, recipe-04 and 56 more"
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    told = names if len(names) <= _MOST_NAMES else names[:5]
    more = f" and {len(names) - len(told)} more" if len(told) < len(names) else ""
    remedy = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(told)}{more}"
    return f"unknown {kind} {name!r}; {remedy}"

"""The errors a user can cause; each says what was wrong and what to do."""

from __future__ import annotations

import difflib
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path


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
    """What an error of somebody else's says, in so many letters at most; its kind where it says nothing.

    Of a longer text the middle is left out: the cause often stands at the end.

    >>> one_line(ValueError("load of /a/very/long/path failed: version 12 is not supported"), 40)
    'load of /a/ver ... 12 is not supported'
    """
    text = " ".join(str(error).split()) or type(error).__name__
    head, tail = (most - 5) * 2 // 5, (most - 5) * 3 // 5
    return text if len(text) <= most else f"{text[:head].rstrip()} ... {text[-tail:].lstrip()}"


def pip_install(extra: str) -> str:
    """The line that installs an extra of this package beside it, as it can be pasted.

    A package that lies in a checkout is named by its path, which an index need not know; where ``pip`` is that of
    another Python, or of none, it is asked for by this one.

    >>> pip_install("hf").endswith('[hf]"')
    True
    """
    checkout = Path(__file__).resolve().parents[2]
    is_one = (checkout / "src").is_dir() and (checkout / "pyproject.toml").is_file()
    package = f'-e "{checkout}' if is_one else '"noiseproof'
    return f'{pip()} install {package}[{extra}]"'


def pip() -> str:
    """The pip of this Python, as it is called here."""
    here = Path(sys.executable).parent
    return "pip" if shutil.which("pip") == str(here / "pip") else f"{sys.executable} -m pip"


def _letters(name: str) -> str:
    """What of a name is compared: CIFAR10 is near to cifar10; the dashes of --sigma bring it no nearer to --ylim."""
    return name.lower().lstrip("-")


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
    letters = {_letters(each): each for each in names}
    near = [letters[each] for each in difflib.get_close_matches(_letters(name), letters, n=1)]
    told = names if len(names) <= _MOST_NAMES else names[:5]
    more = f" and {len(names) - len(told)} more" if len(told) < len(names) else ""
    remedy = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(told)}{more}"
    return f"unknown {kind} {name!r}; {remedy}"

"""Arguments of the wrong kind, refused at the edge; what passes is a plain Python value, fit for a manifest."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Mapping
from functools import partial, wraps
from inspect import signature
from pathlib import Path
from typing import ParamSpec, TypeVar

import numpy as np

P = ParamSpec("P")
R = TypeVar("R")

Check = Callable[[str, object], object]
"""From the name and the value of an argument to the value that is kept; a ``ValueError`` refuses it."""


def integer(name: str, value: object, *, least: int | None = None, most: int | None = None) -> int:
    """The argument as a plain int: whatever is an integer by its type, of numpy and torch too, but no bool.

    Args:
        name: of the argument.
        value: what was given for it.
        least: the smallest value allowed.
        most: the largest.

    Raises:
        ValueError: it is no integer (2000.0 and "2000" are none), too small, or too large.

    >>> integer("n", np.int64(2000), least=1)
    2000
    >>> integer("n", 100.5)
    Traceback (most recent call last):
    ValueError: n must be an integer, got 100.5
    """
    try:
        if isinstance(value, bool):
            raise TypeError
        found = operator.index(value)  # type: ignore[arg-type]  # that it may fail is the point
    except TypeError:
        raise ValueError(f"{name} must be an integer, got {value!r}") from None
    if least is not None and found < least:
        raise ValueError(f"{name} must be >= {least}, got {found}")
    if most is not None and found > most:
        raise ValueError(f"{name} must be <= {most:,}, got {found}")
    return found


def real(name: str, value: object) -> float:
    """The argument as a plain float: whatever is a number, of numpy and torch too, but no bool and no text.

    Raises:
        ValueError: it is no number.

    >>> real("sigma", 1), real("sigma", np.float32(0.25))
    (1.0, 0.25)
    >>> real("alpha", "0.001")
    Traceback (most recent call last):
    ValueError: alpha must be a number, got '0.001'
    """
    try:
        if isinstance(value, bool | str | bytes):
            raise TypeError
        return float(value)  # type: ignore[arg-type]  # that it may fail is the point
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a number, got {value!r}") from None


def text(name: str, value: object) -> str:
    """The argument as text.

    Raises:
        ValueError: it is something else.

    >>> text("device", 0)
    Traceback (most recent call last):
    ValueError: device must be text, got 0
    """
    if not isinstance(value, str):
        raise ValueError(f"{name} must be text, got {_short(value)}")  # noqa: TRY004  # one kind of error for every argument
    return value


def _short(value: object) -> str:
    return repr(value).partition("\n")[0][:80]


def path(name: str, value: object) -> Path:
    """The argument as a path.

    Raises:
        ValueError: it is none.

    >>> path("root", 3)
    Traceback (most recent call last):
    ValueError: root must be a path, got 3
    """
    if not isinstance(value, str | os.PathLike):
        raise ValueError(f"{name} must be a path, got {_short(value)}")  # noqa: TRY004  # likewise
    return Path(value)


def flag(name: str, value: object) -> bool:
    """The argument as a plain bool; 0 and "no" are none.

    Raises:
        ValueError: it is no bool.

    >>> flag("two_sided", np.True_)
    True
    >>> flag("two_sided", "no")
    Traceback (most recent call last):
    ValueError: two_sided must be True or False, got 'no'
    """
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} must be True or False, got {value!r}")  # noqa: TRY004  # one kind of error for every argument
    return bool(value)


def expanded(path: str | Path) -> Path:
    """The path with "~" for a home folder; "~x" where nobody is called x stays as it is.

    >>> expanded("~no-such-user/a").as_posix()
    '~no-such-user/a'
    """
    return Path(os.path.expanduser(path))  # noqa: PTH111  # that of Path fails there


at_least_one = partial(integer, least=1)


def settle(settings: object, checks: Mapping[str, Check]) -> None:
    """Check the fields of a frozen dataclass in order, each kept as its check gives it back.

    Args:
        settings: the object, from its ``__post_init__``.
        checks: by field, from its name and value to what is kept; a field ``lambda_`` is named ``lambda``.

    Raises:
        ValueError: what a check raises.
    """
    for name, check in checks.items():
        object.__setattr__(settings, name, check(name.removesuffix("_"), getattr(settings, name)))


def by_name(method: Callable[P, R]) -> Callable[P, R]:
    """A method of one argument and options, which answers what is given by place with the call that does it.

    As do the names of what another call takes: those of the object's own making.

    >>> class Smoothed:
    ...     def __init__(self, batch_size=1): ...
    ...     @by_name
    ...     def certify(self, x, *, n0=100, n=1000): ...
    >>> Smoothed().certify("x", 10, 500)
    Traceback (most recent call last):
    TypeError: certify takes what follows x by name: certify(x, n0=10, n=500)
    >>> Smoothed().certify("x", batch_size=8)
    Traceback (most recent call last):
    TypeError: certify takes no batch_size; give it where the object is made: Smoothed(..., batch_size=8)
    """
    takes = signature(method).parameters
    _, first, *names = takes

    @wraps(method)
    def named(*given: P.args, **options: P.kwargs) -> R:
        if len(given) > 2:
            loose = [name for name in names if not isinstance(takes[name].default, bool)]  # True would mean anything
            said = ", ".join(f"{name}={value!r}" for name, value in zip(loose, given[2:], strict=False))
            raise TypeError(f"{method.__name__} takes what follows {first} by name: {method.__name__}({first}, {said})")
        made = type(given[0]) if given else object
        for name in options.keys() - {first, *names}:
            if name in signature(made).parameters:
                raise TypeError(
                    f"{method.__name__} takes no {name}; give it where the object is made: "
                    f"{made.__name__}(..., {name}={options[name]!r})"
                )
        return method(*given, **options)

    return named

"""What is said of a line that was asked wrongly: the flag, the rule, what was given, the remedy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from inspect import signature
from typing import Literal, get_args, get_origin

from cyclopts import CycloptsError
from cyclopts.exceptions import (
    CoercionError,
    ConsumeMultipleError,
    MissingArgumentError,
    RepeatArgumentError,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
)

from noiseproof.asked.options import options
from noiseproof.cli.research_script import said_here
from noiseproof.errors import unknown

_WANTED = {int: "a whole number", float: "a number", bool: "true or false"}


def text_of(error: CycloptsError, verbs: Iterable[str]) -> str:
    """One line on what was wrong.

    Args:
        error: of the parser; its own text would load every verb to name the nearest.
        verbs: all there are.
    """
    verb = " ".join(error.command_chain or ())
    here = (
        said_here(verb, (error.root_input_tokens or [])[len(verb.split()) :], _flags(error)) if error.target else None
    )
    told = f"in the words of noiseproof this is: {here}" if here else _told(error, verb, verbs)
    return f"{told}; see noiseproof {verb} --help" if verb else f"{told}; see noiseproof --help"


def _told(error: CycloptsError, verb: str, verbs: Iterable[str]) -> str:
    if isinstance(error, UnknownCommandError):
        below = f"{verb} ".lstrip()
        known = {name.removeprefix(below).partition(" ")[0] for name in verbs if name.startswith(below)}
        return unknown("verb", f"{below}{(error.unused_tokens or [''])[0]}", (below + name for name in known))
    if isinstance(error, UnknownOptionError):
        return _unknown_flag(error, verb)
    if isinstance(error, UnusedCliTokensError):
        more = " ".join(error.unused_tokens or ())
        return f"{verb} takes no more arguments, got {more!r}; a value stands behind its flag"
    if isinstance(error, RepeatArgumentError):
        return f"{error.token.keyword} must be given once, with one value"
    if error.argument is None:
        return str(error).rstrip(".")
    flag = error.argument.name
    if isinstance(error, CoercionError) and error.token is not None:
        name, value = flag.lstrip("-").replace("-", "_").lower(), error.token.value
        if get_origin(error.target_type) is Literal:
            return unknown(name, value, map(str, get_args(error.target_type)))
        wanted = _WANTED.get(error.target_type or str)
        return f"{name} must be {wanted}, got {value!r}" if wanted else str(error).rstrip(".")
    if isinstance(error, MissingArgumentError):
        if isinstance(error, ConsumeMultipleError) or error.keyword or error.argument.tokens:
            words = error.root_input_tokens or []
            after = words[words.index(flag) + 1 :] if flag in words else []
            like = f"; one that begins with - is written {flag}={after[0]}" if after and _is_number(after[0]) else ""
            return f"{flag} needs {_needed(error)}{like}"
        names = _missing(error)
        near = [word for word in error.unused_tokens or () if unknown("", word, names).endswith("?")]
        return f"{_listed(names)} must be given" + (f", got {_listed(near)}" if near else "")
    return str(error).rstrip(".")


def _missing(error: MissingArgumentError) -> list[str]:
    """Everything that the line lacks; cyclopts stops at the first."""
    assert error.target is not None
    assert error.argument is not None
    given = {word.partition("=")[0] for word in error.root_input_tokens or ()}
    required = [each for each in signature(error.target).parameters.values() if each.default is each.empty]
    arguments = [each.name.upper() for each in required if each.kind is each.POSITIONAL_ONLY]
    first = error.argument.name
    lacking = arguments[arguments.index(first) :] if first in arguments else []
    flags = [f"--{each.name.replace('_', '-')}" for each in required if each.kind is each.KEYWORD_ONLY]
    return lacking + [flag for flag in flags if flag not in given]


def _listed(names: Sequence[str]) -> str:
    """Names as a sentence has them: "a, b and c"."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _flags(error: CycloptsError) -> set[str]:
    """The names of the verb's flags."""
    assert error.target is not None
    return {name.replace("_", "-") for name in signature(error.target).parameters}


def _is_number(word: str) -> bool:
    """Whether a word is a negative number, or begins with one, and no flag."""
    return len(word) > 1 and word[0] == "-" and (word[1].isdecimal() or word[1] == ".")


def _needed(error: MissingArgumentError) -> str:
    assert error.argument is not None
    values, _ = error.argument.token_count()
    return "a value" if values < 2 else f"{values} values"


def _unknown_flag(error: UnknownOptionError, verb: str) -> str:
    """A flag may be one of another procedure of the verb: then that is what to say."""
    from noiseproof.procedures import PROCEDURES

    flag = (error.token.keyword or error.token.value).partition("=")[0]
    name = flag.lstrip("-").replace("-", "_")
    takes = [
        made.name
        for made in PROCEDURES.values()
        if made.verb == verb and {name, name.removeprefix("no_")} & {option.name for option in options(made)}
    ]
    if takes:
        return f"{flag} goes with --procedure {' or '.join(takes)}"
    known = {name for each in error.argument_collection for name in each.names}
    longer = [each for each in known if each.startswith(f"{flag}-")]  # --n of decide is --n-max
    said = f"unknown flag {flag!r}; did you mean {longer[0]!r}?" if len(longer) == 1 else unknown("flag", flag, known)
    others = {made.verb for made in PROCEDURES.values() if name in {option.name for option in options(made)}} - {verb}
    if said.endswith("?") or verb not in {made.verb for made in PROCEDURES.values()} or not others:
        return said
    return f"{flag} goes with noiseproof {' or '.join(sorted(others))}, not with {verb}"

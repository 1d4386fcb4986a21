"""The records as flags: a verb's function with its records spread out to their fields, for cyclopts to read."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from cyclopts import CoercionError, Group, Parameter
from docstring_parser import parse

from noiseproof.asked.options import REQUIRED, options

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Spread:
    """Marks a parameter of a verb that is a record: its fields become flags.

    Attributes:
        group: what the flags stand under in the help.
        variants: of an abstract record: name -> class; the word after ``--FLAG`` chooses, the first is the default.
        flag: that chooses.
        others: where a word that is none of them is looked for.
        alike: attributes that another one must have, and their values.
        defaults: of fields, where they are other than the record's own.
        without: fields that are no flags here.
        optional: fields that may be left out here; all of them in a record that may be None as a whole.
        parts: fields that are records themselves, and how those are spread.
        headings: what some fields stand under instead: heading -> fields.
    """

    group: str
    variants: Mapping[str, type] | None = None
    flag: str = ""
    others: Mapping[str, type] | None = None
    alike: Mapping[str, Any] = field(default_factory=dict)
    defaults: tuple[tuple[str, Any], ...] = ()
    without: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    parts: tuple[tuple[str, Any], ...] = ()
    headings: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Argument:
    """A parameter of a verb: the flags it is made of, and how it is made of their values."""

    parameters: list[inspect.Parameter]
    make: Callable[[Values], Any]


def with_flags(
    function: Callable[..., Any], words: Sequence[str], arguments: Mapping[str, Any] | None = None
) -> Callable[..., Any]:
    """A verb's function as cyclopts reads it: one keyword a flag.

    Args:
        function: of the verb; its parameters are flags, arguments, or records marked with ``Spread``.
        words: of the command line, which choose between the variants of a record.
        arguments: what stands for an argument that the line leaves out, by name.
    """
    hints = get_type_hints(function, include_extras=True)
    said = _docs(function)
    signature = [
        each.replace(default=_argument_of(hints[each.name], (arguments or {})[each.name]))
        if each.name in (arguments or {})
        else each
        for each in inspect.signature(function).parameters.values()
    ]
    positional = any(each.kind is each.POSITIONAL_ONLY for each in signature)
    parts = {
        each.name: _argument(each, hints[each.name], said.get(each.name, ""), words, positional) for each in signature
    }

    def verb(*given: Any, **values: Any) -> Any:  # what cyclopts hands over
        bound = dict(bare.bind(*given, **values).arguments)
        made = {name: part.make(bound) for name, part in parts.items()}
        first = [made.pop(each.name) for each in signature if each.kind is each.POSITIONAL_ONLY]
        return function(*first, **made)

    flags = [parameter for part in parts.values() for parameter in part.parameters]
    flags.append(
        _flag("config", Path | None, None, "Settings in TOML, same names as flags; a flag wins.", "", positional)
    )
    bare = inspect.Signature(sorted(flags, key=_place))
    verb.__signature__ = bare  # type: ignore[attr-defined]  # what inspect.signature returns
    verb.__doc__ = (function.__doc__ or "").split("\n\nArgs:")[0].split("\n\n    Args:")[0]
    verb.__name__ = function.__name__
    return verb


def names_of(function: Callable[..., Any]) -> list[str]:
    """The names of the flags of a verb as cyclopts reads it."""
    return list(inspect.signature(function).parameters)


def arguments_of(function: Callable[..., Any]) -> list[str]:
    """The names of the arguments of a verb: what is given without a flag."""
    parameters = inspect.signature(function).parameters.values()
    return [each.name for each in parameters if each.kind is each.POSITIONAL_ONLY]


def chosen(flag: str, words: Sequence[str]) -> str | None:
    """The word that follows a flag on a command line, if it is there."""
    for number, word in enumerate(words):
        if word.startswith(f"--{flag}="):
            return word.partition("=")[2]
        if word == f"--{flag}" and number + 1 < len(words):
            return words[number + 1]
    return None


def _argument(parameter: inspect.Parameter, hint: Any, text: str, words: Sequence[str], positional: bool) -> _Argument:
    kind, spread, own = _marked(hint)
    if spread is None:
        return _plain(parameter, kind, own or text, positional)
    record, may_be_none = _bare(kind), kind is not _bare(kind)
    parameters: list[inspect.Parameter] = []
    if spread.variants is not None:
        variants = dict(spread.variants)
        word = chosen(spread.flag, words)
        other = (spread.others or {}).get(word) if word is not None and word not in variants else None
        if other is not None and all(getattr(other, name) == value for name, value in spread.alike.items()):
            variants[str(word)] = other
        names = list(variants)
        record = variants.get(word or names[0], variants[names[0]])
        choices = Literal[tuple(names)]  # type: ignore[valid-type]  # what is unknown cyclopts refuses
        parameters.append(_flag(spread.flag, choices, names[0], own or text, spread.group, positional))
    parts = {name: _argument(parameter.replace(name=name), part, "", words, positional) for name, part in spread.parts}
    fields = list(_fields(record, spread, may_be_none, positional))
    parameters += fields + [each for part in parts.values() for each in part.parameters]
    required = [option.name for option in options(record) if option.default is REQUIRED]

    def make(values: Values) -> object:
        given = {each.name: values[each.name] for each in fields if each.name in values}
        if may_be_none and any(name not in given for name in required):
            _check_left_out(given, required)
            return None
        left_out = {each.name: each.default for each in fields if each.default is not each.empty}
        return record(**left_out | given | {name: part.make(values) for name, part in parts.items()})

    return _Argument(parameters, make)


def _fields(record: type, spread: Spread, may_be_none: bool, positional: bool) -> Iterator[inspect.Parameter]:
    said, defaults = _docs(record), dict(spread.defaults)
    headings = {name: heading for heading, names in spread.headings.items() for name in names}
    for option in options(record):
        if option.name in spread.without or option.name in dict(spread.parts):
            continue
        default, kind = defaults.get(option.name, option.default), option.kind
        if default is REQUIRED and (may_be_none or option.name in spread.optional):
            default, kind = None, kind | None
        empty = default is REQUIRED
        yield _flag(
            option.name, kind, inspect.Parameter.empty if empty else default, said.get(option.name, ""),
            headings.get(option.name, spread.group), positional,
        )  # fmt: skip


def _argument_of(hint: Any, value: Any) -> Any:
    """What a settings file has for an argument, as the verb takes it."""
    kind = _bare(hint)
    if get_origin(kind) is list:
        return [_argument_of(get_args(kind)[0], each) for each in (value if isinstance(value, list) else [value])]
    return Path(value) if kind is Path else value


def _check_left_out(found: Values, required: Sequence[str]) -> None:
    """Of a record that is left out nothing may be given: it would be passed over in silence."""
    if found:
        needed = " and ".join(f"--{name}" for name in required)
        given = next((name for name in found if name not in required), None)
        raise ValueError(
            f"{needed} must be given together"
            if given is None
            else f"--{given.replace('_', '-')} goes with {needed}, which must be given"
        )


def _plain(parameter: inspect.Parameter, hint: Any, said: str, positional: bool) -> _Argument:
    def make(values: Values) -> object:
        return values.get(parameter.name, parameter.default)

    if parameter.kind is parameter.POSITIONAL_ONLY:
        marked = Parameter(name=parameter.name.upper(), help=said, negative=())
        return _Argument([parameter.replace(annotation=Annotated[hint, marked])], make)
    return _Argument([_flag(parameter.name, hint, parameter.default, said, "", positional)], make)


def _flag(name: str, kind: Any, default: Any, said: str, group: str, positional: bool) -> inspect.Parameter:
    """One keyword. A list takes several words, but where arguments may follow it."""
    several = get_origin(_bare(kind)) in (tuple, list)
    marked = Parameter(
        name=f"--{name.replace('_', '-')}",
        help=said,
        group=_GROUPS.get(group, _GROUPS["Options"]),
        consume_multiple=(1, None) if several and not positional else False,
        converter=_whole if _bare(kind) is int else None,
        negative=None if kind is bool else (),
        show_default=default is not False and default not in (None, inspect.Parameter.empty, (), {}),
    )
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, marked])


def _place(flag: inspect.Parameter) -> tuple[int, int]:
    """Arguments come first, then flags in the order of their groups: what is about model and data before the noise."""
    groups = getattr(flag.annotation.__metadata__[0], "group", None) or ()
    return flag.kind, next((_ORDER.index(group.name) for group in groups), 0)


def _whole(kind: Any, tokens: Sequence[Any]) -> int:
    """A whole number; cyclopts would round 1.5."""
    try:
        return int(tokens[0].value)
    except ValueError:
        raise CoercionError(token=tokens[0], target_type=int) from None


_ORDER = (
    "Arguments", "Subject", "Data", "Noise", "Network", "Loss", "Optimizer", "Procedure", "Judge", "Options", "Compute",
)  # fmt: skip
_GROUPS = {name: Group(name, sort_key=number) for number, name in enumerate(_ORDER)}


def _marked(hint: Any) -> tuple[Any, Spread | None, str]:
    """A type, the mark that spreads it, and what it says of itself."""
    if get_origin(hint) is not Annotated:
        return hint, None, ""
    marks = hint.__metadata__
    spread = next((mark for mark in marks if isinstance(mark, Spread)), None)
    return hint.__origin__, spread, next((mark for mark in marks if isinstance(mark, str)), "")


def _bare(hint: Any) -> Any:
    """A type without its None."""
    if get_origin(hint) in (Union, types.UnionType):
        some = [each for each in get_args(hint) if each is not types.NoneType]
        return some[0] if len(some) == 1 else hint
    return hint


def _docs(documented: object) -> dict[str, str]:
    """What a docstring says of its arguments or attributes."""
    found = parse(inspect.getdoc(documented) or "")
    said = {each.arg_name: " ".join((each.description or "").split()) for each in found.params}
    return {name: text[:1].upper() + text[1:].replace("``", "`") for name, text in said.items()}

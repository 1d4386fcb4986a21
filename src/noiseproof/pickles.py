"""Pickles from strangers, looked through before they are read: nothing in them is made, called or looked up."""

from __future__ import annotations

import pickletools
from typing import BinaryIO

_DEEPEST = 100
_MOST_SHARED = 16

_TUPLES = frozenset({"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_TUPLE", "FROZENSET"})
_FILLS = frozenset({"APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS", "BUILD"})
_CONTAINERS = frozenset({"EMPTY_LIST", "LIST", "EMPTY_DICT", "DICT", "EMPTY_SET", "REDUCE", "NEWOBJ", "NEWOBJ_EX"})
_MARK = (-1, False)


def check_pickle(stream: BinaryIO, size: int, *, longest: int | None = None) -> None:
    """Refuse a pickle that no reader survives, before one reads it: what it *names* is for that reader to judge.

    Refused are numbers of places to keep things in far beyond the file (the interpreter would make room for them),
    tuples in tuples in tuples (the hash of one deep enough ends the process), and more than a few containers that
    are used again (doubled 60 times, they are printed or hashed for ever). Strings longer than the file are, too.

    Args:
        stream: at the beginning of the pickle; left behind its end.
        size: bytes of the file.
        longest: letters of a name or a text, where the reader does more with them than keep them.

    Raises:
        ValueError: it is one of these, or no pickle.
    """
    stack: list[tuple[int, bool]] = []  # of each thing: tuples in tuples, and whether it is a container
    kept: dict[int, tuple[int, bool]] = {}
    shared = 0
    for opcode, argument, _ in pickletools.genops(stream):
        name = opcode.name
        if longest is not None and isinstance(argument, str) and len(argument) > longest:
            raise ValueError(f"a text of {len(argument):,} letters")
        if name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            place = len(kept) if name == "MEMOIZE" else argument
            if not (isinstance(place, int) and 0 <= place <= size):
                raise ValueError(f"it keeps something at place {place} in a file of {size} bytes")
            kept[place] = _top(stack)
        elif name in ("GET", "BINGET", "LONG_BINGET", "DUP"):
            thing = _top(stack) if name == "DUP" else kept.get(int(argument or 0), (0, False))
            shared += thing[1]
            stack.append(thing)
        elif name == "MARK":
            stack.append(_MARK)
        else:
            items = []
            for part in reversed(opcode.stack_before):
                if part is pickletools.stackslice:  # all down to the mark, the mark too
                    while (item := _pop(stack)) != _MARK:
                        items.append(item)
                elif part is not pickletools.markobject and not (name == "OBJ" and items):
                    items.append(_pop(stack))
            if name in _FILLS:
                stack.append(items[-1])
            elif name in _TUPLES:
                stack.append((1 + max((deep for deep, _ in items), default=0), bool(items)))
            else:
                stack += [(0, name in _CONTAINERS) for _ in opcode.stack_after]
            if stack and stack[-1][0] > _DEEPEST:
                raise ValueError(f"more than {_DEEPEST} tuples inside each other")
        if shared > _MOST_SHARED:
            raise ValueError(f"more than {_MOST_SHARED} containers that are used again")


def _top(stack: list[tuple[int, bool]]) -> tuple[int, bool]:
    if not stack:
        raise ValueError("it takes from an empty stack")
    return stack[-1]


def _pop(stack: list[tuple[int, bool]]) -> tuple[int, bool]:
    item = _top(stack)
    stack.pop()
    return item

"""Variants from outside: by a call, or by an entry point that is loaded when its name is asked for."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from dataclasses import dataclass
from types import ModuleType

import pytest

from noiseproof.registry import Registry, made_from


@dataclass(frozen=True)
class Apple:
    size: int = 3
    name = "apple"


@dataclass(frozen=True)
class Pear:
    name = "pear"


@dataclass(frozen=True)
class Plum:
    name = "plum"


def fruits() -> Registry[type]:
    return Registry("fruit", lambda made: made.name, [Apple, Pear], group="noiseproof.fruits")


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Another package, with a plum in its entry points, one that is named wrongly, and one that is broken."""
    module = ModuleType("orchard")
    module.Plum = Plum
    monkeypatch.setitem(sys.modules, "orchard", module)
    asked: list[str] = []

    def entry_points(*, group: str) -> list[importlib.metadata.EntryPoint]:
        asked.append(group)
        named = {"plum": "orchard:Plum", "damson": "orchard:Plum", "sloe": "orchard:Sloe", "fig": "no_such_orchard"}
        return [importlib.metadata.EntryPoint(name, value, group) for name, value in named.items()]

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    return asked


def test_what_is_registered_is_found_under_its_name_like_the_others():
    known = fruits()
    assert known.register(Plum) is Plum
    assert (list(known), len(known), known["plum"], known.find("apple")) == (["apple", "pear", "plum"], 3, Plum, Apple)
    assert known.register(Plum) is Plum  # again: a module that is imported twice


def test_two_variants_cannot_have_one_name():
    known = fruits()
    with pytest.raises(ValueError, match="a fruit named 'apple' is there already; give yours another name"):
        known.register(dataclass(type("Other", (), {"name": "apple"})))
    assert known["apple"] is Apple


def test_entry_points_are_looked_for_only_when_a_name_is_unknown(plugin: list[str]):
    known = fruits()
    assert (known["apple"], "pear" in known, list(known), plugin) == (Apple, True, ["apple", "pear"], [])
    assert known["plum"] is Plum
    assert plugin == ["noiseproof.fruits"]
    assert list(known) == ["apple", "pear", "plum"]
    assert (known["plum"], len(plugin)) == (Plum, 1)  # it is loaded once


def test_names_are_those_that_can_be_asked_for(plugin: list[str]):
    assert fruits().names() == ["apple", "pear", "plum", "damson", "sloe", "fig"]
    with pytest.raises(ValueError, match=re.escape("unknown fruit 'plumm'; did you mean 'plum'?")):
        fruits().find("plumm")
    assert "kiwi" not in fruits()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("damson", "the fruit 'damson' of orchard:Plum calls itself 'plum'"),
        ("sloe", "the fruit 'sloe' of orchard:Sloe cannot be loaded (AttributeError: "),
        ("fig", "the fruit 'fig' of no_such_orchard cannot be loaded (ModuleNotFoundError: No module named"),
    ],
)
@pytest.mark.usefixtures("plugin")
def test_an_entry_point_that_keeps_no_word_is_told(name: str, text: str):
    known = fruits()
    with pytest.raises(ValueError, match=re.escape(text)):
        known.find(name)
    assert list(known) == ["apple", "pear"]


def test_a_table_is_the_variant_it_describes():
    assert made_from(fruits(), {"name": "apple", "size": 5}, by="name") == Apple(5)
    with pytest.raises(ValueError, match="unknown setting of the fruit apple 'sise'; did you mean 'size'"):
        made_from(fruits(), {"name": "apple", "sise": 5}, by="name")
    with pytest.raises(ValueError, match="unknown fruit ''; known: apple, pear"):
        made_from(fruits(), {}, by="name")

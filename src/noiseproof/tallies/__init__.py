"""Tallies, one a file: what one draw adds to the counts of an input. A new one is one line in ``TALLIES``."""

from __future__ import annotations

from typing import Any

from noiseproof.registry import Registry, made_from
from noiseproof.tallies.base import VOID, Tally
from noiseproof.tallies.class_votes import ClassVotes
from noiseproof.tallies.votes import Votes

TALLIES: Registry[type[Tally]] = Registry("tally", lambda made: made.name, [ClassVotes], group="noiseproof.tallies")

CLASS_VOTES = ClassVotes()
"""The default."""


def tally_of(meaning: dict[str, Any]) -> Tally:
    """The tally of a run, from the meaning in its manifest.

    >>> tally_of({})
    ClassVotes()

    Raises:
        ValueError: it is unknown.
    """
    return made_from(TALLIES, meaning["tally"], by="name") if "tally" in meaning else CLASS_VOTES


def in_meaning(tally: Tally) -> dict[str, Any]:
    """What the meaning of a run says of its tally: nothing where it is the default.

    >>> in_meaning(CLASS_VOTES)
    {}
    """
    return {} if tally == CLASS_VOTES else {"tally": tally.config()}


__all__ = ["CLASS_VOTES", "TALLIES", "VOID", "ClassVotes", "Tally", "Votes", "in_meaning", "tally_of"]

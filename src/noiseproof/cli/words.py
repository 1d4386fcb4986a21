"""Words of a command line that stand for more words."""

from __future__ import annotations

from collections.abc import Sequence

AVERAGING = ("bench", "certify", "decide", "doctor", "plan", "predict")
"""Verbs that take several models, and no word that is no option: what follows a model can only be another."""


def expanded(words: Sequence[str]) -> list[str]:
    """A command line with each of several models behind a ``--model`` of its own.

    >>> expanded(["certify", "--model", "a", "b", "--sigma", "0.5"])
    ['certify', '--model', 'a', '--model', 'b', '--sigma', '0.5']
    """
    if not words or words[0] not in AVERAGING:
        return list(words)
    found: list[str] = []
    models = False  # whether a further word is another model
    for number, word in enumerate(words):
        is_value = words[number - 1] == "--model" if number else False
        if word.startswith("-") and not is_value:
            models = False
        elif is_value:
            models = True
        elif models:
            found.append("--model")
        found.append(word)
    return found

"""Settings files and recipes: words that stand behind those of the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any


def read(function: Callable[..., Any], verb: str, words: Sequence[str]) -> tuple[Callable[..., Any], list[str]]:
    """A verb's function as cyclopts reads it, and the words of the line with those of ``--config`` and ``--recipe``.

    A flag on the line wins over the settings file, the file over the recipe.

    Raises:
        ValueError: a setting is none of the verb's.
        RunError: the file cannot be read.
    """
    from noiseproof.cli.flags import arguments_of, chosen, names_of, with_flags
    from noiseproof.cli.recipes import read_recipe
    from noiseproof.errors import unknown
    from noiseproof.store.settings import read_toml

    settings: dict[str, Any] = {}
    config, recipe = chosen("config", words), chosen("recipe", words) if verb == "train" else None
    for source, table in (
        (f"recipe {recipe}", read_recipe(recipe) if recipe else {}),
        (config, read_toml(Path(config)) if config else {}),
    ):
        found = _as_now(verb, {name.replace("-", "_"): value for name, value in table.items()})
        known = [name for name in names_of(with_flags(function, [*words, *_words(found)])) if name != "config"]
        for name in found:
            if name not in known:
                raise ValueError(f"{source}: {unknown('setting', name, known)}")
        if "loss" in found and "loss_setting" in settings:
            del settings["loss_setting"]  # those of a recipe belong to the loss that it names
        settings |= found
    given = {word.partition("=")[0] for word in words}
    left = {name: value for name, value in settings.items() if not given & _flags(name)}
    if "--loss" in given:
        left.pop("loss_setting", None)
    arguments = {name: left.pop(name) for name in arguments_of(function) if name in left}
    more = _words(left)
    return with_flags(function, [*words, *more], arguments), [*words, *more]


def _as_now(verb: str, settings: dict[str, Any]) -> dict[str, Any]:
    """The settings of an older run folder under the names of today."""
    test = settings.pop("test", None) if verb == "decide" else None
    if test == "anytime":
        settings["procedure"] = test
    if verb == "predict" and settings.get("procedure") == "sequential":
        settings["procedure"] = "sequential-predict"
    return settings


def _flags(name: str) -> set[str]:
    flag = name.replace("_", "-")
    return {f"--{flag}", f"--no-{flag}"}


def _words(settings: Mapping[str, Any]) -> list[str]:
    """Settings as words: a value that looks like a flag is none."""
    words = []
    for name, value in settings.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            words += [f"--{flag}={each}" for each in (value if isinstance(value, list) else [value])]
    return words

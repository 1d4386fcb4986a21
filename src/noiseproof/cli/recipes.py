"""The settings of published trainings, by name: files that ship with the package."""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any


def recipes() -> None:
    """The names that train --recipe takes: settings of published trainings."""
    for name in recipe_names():
        print(name)


def recipe_names() -> list[str]:
    """The names that ``--recipe`` takes.

    >>> recipe_names()[0]
    'cohen2019/cifar10-resnet110-0.12'
    """
    return sorted(
        f"{paper.name}/{file.name.removesuffix('.toml')}"
        for paper in _root().iterdir()
        if paper.is_dir()
        for file in paper.iterdir()
        if file.name.endswith(".toml")
    )


def read_recipe(name: str) -> dict[str, Any]:
    """The settings of a recipe, under the names of the flags.

    Raises:
        ValueError: there is no such recipe.
    """
    from noiseproof.errors import unknown
    from noiseproof.store.settings import read_toml

    if name not in recipe_names():
        raise ValueError(unknown("recipe", name, recipe_names()))
    with resources.as_file(_root().joinpath(*f"{name}.toml".split("/"))) as path:
        return read_toml(Path(path))


def _root() -> Traversable:
    return resources.files("noiseproof").joinpath("recipes")

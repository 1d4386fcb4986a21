"""The settings of published trainings, by name: files that ship with the package."""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any

import typer


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


def _use(context: typer.Context, name: str | None) -> str | None:
    """Take the recipe's settings as defaults; a settings file wins over them, and a flag over both."""
    if name == "list":
        for known in recipe_names():
            typer.echo(known)
        raise typer.Exit
    if name is not None:
        settings = {key.replace("-", "_"): value for key, value in read_recipe(name).items()}
        context.default_map = settings | dict(context.default_map or {})
    return name


Recipe = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        metavar="NAME",
        is_eager=True,
        callback=_use,
        help="Settings of a published training; flags win; `--recipe list`.",
    ),
]

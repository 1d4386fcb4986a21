"""``noiseproof data``."""

from __future__ import annotations

from typing import Annotated

import typer

from noiseproof.cli import options
from noiseproof.cli.progress import ProgressBar

app = typer.Typer(help="Data sets: what there is, and downloads.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_sets() -> None:
    """The data sets, their splits, and how to have them."""
    from noiseproof.data import DATA_SETS

    for name, source in DATA_SETS.items():
        typer.echo(f"{name:20} {', '.join(source.splits):24} {source.remedy}")
    typer.echo(f"{'folder:PATH':20} {'':24} pictures in one folder a class")


@app.command("get")
def get(
    name: Annotated[str, typer.Argument(help="Data set.", metavar="NAME")],
    root: options.Root = None,
) -> None:
    """Download a data set that has a public address, and check it."""
    from noiseproof.data import get as get_data

    with ProgressBar(f"get {name}") as bar:
        folder = get_data(name, root=root, progress=bar.show)
    typer.echo(f"{name} is in {folder}")

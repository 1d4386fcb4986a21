"""``noiseproof data``."""

from __future__ import annotations

from typing import Annotated

import typer

from noiseproof.cli import options
from noiseproof.cli.progress import ProgressBar

app = typer.Typer(help="Data sets: what there is, and downloads.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_sets() -> None:
    """The data sets, and whether they are here."""
    from noiseproof.data import DATA_SETS, load
    from noiseproof.errors import DataError

    for name in DATA_SETS:
        try:
            state = f"{len(load(name, split='train')):,} training and {len(load(name)):,} test pictures"
        except DataError as error:
            state = f"not here: {error}"
        typer.echo(f"{name:20} {state}")
    typer.echo(f"{'folder:PATH':20} pictures in one folder a class")


@app.command("get")
def get(
    name: Annotated[str, typer.Argument(help="Data set.", metavar="NAME")],
    root: options.Root = None,
) -> None:
    """Download a data set that has a public address, and check it."""
    from noiseproof.data import get as get_data

    with ProgressBar(f"get {name}", "bytes") as bar:
        folder = get_data(name, root=root, progress=lambda done, total: bar.update(done, total))
    typer.echo(f"{name} is in {folder}")

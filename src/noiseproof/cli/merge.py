"""``noiseproof merge``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer


def merge(
    runs: Annotated[
        list[Path], typer.Argument(help="Run folders that are parts of one run, two or more.", metavar="RUN...")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the whole run, a new one.")],
) -> None:
    """Shards of one run, made with different --every, --start and --limit, as the one run folder they are parts of."""
    from noiseproof.store.folder import SETTINGS
    from noiseproof.store.manifest import KIND_IMPORT
    from noiseproof.store.merge import merge as merge_runs

    merged = merge_runs(runs, out=out)
    for path, count in merged.unfinished:
        typer.echo(f"noiseproof: {path} has inputs under way ({count}), which are left out", err=True)
    if equal := merged.same_picture:
        told = ", ".join(f"{index} (as {kept})" for index, kept in equal[:5])
        more = f" and {len(equal) - 5} more" if len(equal) > 5 else ""
        typer.echo(
            f"noiseproof: inputs left out, whose picture another shard has drawn on the same noise: {told}{more}",
            err=True,
        )
    kind = merged.run.manifest.kind
    if (merged.unfinished or equal) and kind != KIND_IMPORT:
        line = shlex.join(["noiseproof", kind, "--config", str(out / SETTINGS), "--out", str(out)])
        typer.echo(f"noiseproof: what is left out is drawn by: {line}", err=True)
    typer.echo(f"{out} holds {len(merged.run.records):,} inputs of {len(runs)} runs; next: noiseproof verify {out}")

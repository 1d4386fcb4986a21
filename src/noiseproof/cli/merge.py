"""``noiseproof merge``."""

from __future__ import annotations

import sys
from pathlib import Path

from noiseproof.asked.options import line


def merge(runs: list[Path], /, *, out: Path) -> None:
    """Shards of one run, made with --shard, as the one run folder they are parts of.

    Args:
        runs: Run folders that are parts of one run, two or more.
        out: Folder for the whole run, a new one.
    """
    from noiseproof.store.folder import SETTINGS
    from noiseproof.store.manifest import KIND_IMPORT
    from noiseproof.store.merge import merge as merge_runs

    merged = merge_runs(runs, out=out)
    for path, count in merged.unfinished:
        print(f"noiseproof: {path} has inputs under way ({count}), which are left out", file=sys.stderr)
    if equal := merged.same_picture:
        named = ", ".join(f"{index} (as {kept})" for index, kept in equal[:5])
        more = f" and {len(equal) - 5} more" if len(equal) > 5 else ""
        print(
            f"noiseproof: inputs left out, whose picture another shard has drawn on the same noise: {named}{more}",
            file=sys.stderr,
        )
    kind = merged.run.manifest.kind
    if (merged.unfinished or equal) and kind != KIND_IMPORT:
        again = line(kind, {"config": str(out / SETTINGS), "out": str(out)})
        print(f"noiseproof: what is left out is drawn by: {again}", file=sys.stderr)
    print(f"{out} holds {len(merged.run.records):,} inputs of {len(runs)} runs; next: {line('verify', {}, out)}")

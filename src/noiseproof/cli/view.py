"""``noiseproof view`` and ``noiseproof view bundle``: run folders in a browser."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

from noiseproof.cli.records import Radii


def view(folder: Path = Path(), /, *, host: str = "127.0.0.1", port: int = 8350, radii: Radii = "0:1.5:0.25") -> int:
    """All runs below a folder in a browser: a table that follows them, a page for each; read only (extra view).

    Args:
        folder: Where run folders lie.
        host: Address to listen on; beyond this machine a token is asked for, which is printed.
        port: 0 for a free one.
    """
    from noiseproof.procedures.radii import parse_radii
    from noiseproof.viewer.serve import serve

    with suppress(KeyboardInterrupt):
        serve(folder, host=host, port=port, radii=parse_radii(radii), said=_say)
    return 0


def bundle(folder: Path = Path(), /, *, out: Path, radii: Radii = "0:1.5:0.25") -> int:
    """The same as static files, for any web server; exits 1 if a run fails.

    Args:
        folder: Where run folders lie.
        out: Folder of the site.
    """
    from noiseproof.procedures.radii import parse_radii
    from noiseproof.progress import ProgressBar
    from noiseproof.viewer.bundle import site

    with ProgressBar("pages") as bar:
        table, wrong = site(folder, out=out, radii=parse_radii(radii), progress=bar.show)
    print(f"written: {table}, and a page for each run beside it")
    for said in wrong:
        print(f"noiseproof: {said}", file=sys.stderr)
    return 1 if wrong else 0


def _say(address: str) -> None:
    print(f"noiseproof: {address} until you press Ctrl-C", flush=True)

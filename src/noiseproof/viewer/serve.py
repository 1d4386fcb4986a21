"""The viewer at an address of this machine, until it is interrupted."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from noiseproof.errors import RunError, pip_install
from noiseproof.viewer.index import Index
from noiseproof.viewer.listening import address, is_own, listening_on

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


def serve(folder: Path, *, host: str, port: int, radii: Sequence[float], said: Callable[[str], None]) -> None:
    """Serve the run folders below a folder until the process is interrupted.

    Args:
        folder: what is looked at.
        host: the address to listen on; on any but those of this machine a token is asked for.
        port: likewise; 0 for a free one.
        radii: at which certified accuracy is told.
        said: told the address once it listens.

    Raises:
        RunError: no such folder, a package is missing, or the address cannot be had.
    """
    try:
        import uvicorn

        from noiseproof.viewer.app import application
    except ModuleNotFoundError as error:
        raise RunError(f"view needs the package {error.name}; {pip_install('view')}") from None
    index = Index(folder, radii)
    listening, token = listening_on(host, port), "" if is_own(host) else secrets.token_urlsafe(24)
    config = uvicorn.Config(
        application(index, token=token),
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
        server_header=False,
        limit_concurrency=200,
    )
    with index, listening:
        said(address(host, listening, token))
        uvicorn.Server(config).run(sockets=[listening])

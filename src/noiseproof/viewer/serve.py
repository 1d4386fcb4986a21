"""The viewer at an address of this machine, until it is interrupted."""

from __future__ import annotations

import secrets
import socket
from typing import TYPE_CHECKING

from noiseproof.errors import RunError, pip_install
from noiseproof.viewer.index import Index

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
    listening = _listening(host, port)
    own = host in ("localhost", "127.0.0.1", "::1")
    token = "" if own else secrets.token_urlsafe(24)
    shown = f"[{host}]" if ":" in host else host
    at = f"http://{shown}:{listening.getsockname()[1]}/" + (f"?token={token}" if token else "")
    config = uvicorn.Config(
        application(index, token=token),
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
        server_header=False,
        limit_concurrency=200,
    )
    with index, listening:
        said(at)
        uvicorn.Server(config).run(sockets=[listening])


def _listening(host: str, port: int) -> socket.socket:
    if not 0 <= port < 1 << 16:
        raise ValueError(f"port must be in [0, 65536), got {port}")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
        found.listen(128)
    except OSError as error:
        found.close()
        raise RunError(f"cannot listen on {host}, port {port}: {error.strerror}; give another --port") from None
    return found

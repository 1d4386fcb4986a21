"""The address that is listened on, and how it is said."""

from __future__ import annotations

import socket

from noiseproof.errors import RunError


def is_own(host: str) -> bool:
    """Whether an address is heard on this machine alone."""
    return host in ("localhost", "127.0.0.1", "::1")


def address(host: str, listening: socket.socket, token: str) -> str:
    """What a browser opens."""
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listening.getsockname()[1]}/" + (f"?token={token}" if token else "")


def listening_on(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 for a free one.

    Raises:
        ValueError: there is no such port.
        RunError: the address cannot be had.
    """
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

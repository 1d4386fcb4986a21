"""A viewer at a port of this machine, for tests."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from noiseproof.viewer.index import Index

RADII = (0.0, 0.25, 0.5)


@contextmanager
def served(folder: Path, token: str = "") -> Iterator[int]:
    """The port of a viewer over a folder."""
    import uvicorn

    from noiseproof.viewer.app import application

    index = Index(folder, RADII)
    index.find()
    index.look()
    while index.verify_one():
        pass
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(application(index, token=token), log_level="error", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        with index:
            thread.start()
            try:
                yield listening.getsockname()[1]
            finally:
                server.should_exit = True
                thread.join(timeout=20)

"""A viewer, or a service, at a port of this machine, for tests."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from noiseproof.viewer.index import Index

RADII = (0.0, 0.25, 0.5)


@contextmanager
def served(folder: Path, token: str = "") -> Iterator[int]:
    """The port of a viewer over a folder."""
    from noiseproof.viewer.app import application

    index = Index(folder, RADII)
    index.find()
    index.look()
    while index.verify_one():
        pass
    with index, _running(application(index, token=token)) as port:
        yield port


@contextmanager
def answering(job: Any, limits: Any, out: Path, token: str = "") -> Iterator[tuple[int, Any]]:
    """The port of a service about a job, and the service."""
    from noiseproof.runners.executors.in_process import checked
    from noiseproof.service.app import application
    from noiseproof.service.service import Service
    from noiseproof.store.state import State

    backend = job.backend(job.asked.compute.batch_size)
    try:
        service = Service(job, backend, checked(job, backend, State()), limits, out)
        with service, _running(application(service, token=token)) as port:
            yield port, service
    finally:
        backend.close()


@contextmanager
def _running(application: Any) -> Iterator[int]:
    import uvicorn

    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(application, log_level="critical", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(timeout=20)

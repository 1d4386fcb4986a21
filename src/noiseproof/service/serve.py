"""The service at an address, until it is asked to end."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from noiseproof.engine.halving import in_batches_that_fit
from noiseproof.errors import RunError, pip_install
from noiseproof.runners.automatic import with_backend
from noiseproof.runners.executors.in_process import checked
from noiseproof.service.question import picture_shape
from noiseproof.store.state import State
from noiseproof.viewer.listening import address, is_own, listening_on

if TYPE_CHECKING:
    from socket import socket

    from noiseproof.asked.limits import Limits
    from noiseproof.engine.pooled import PooledBackend
    from noiseproof.runners.job import Job

TOKEN = "NOISEPROOF_TOKEN"
"""The environment variable with the token that requests must have; a flag would stand in the list of processes."""
GRACE = 10.0
"""Seconds that what is under way has when the service is asked to end."""
MOST_CONNECTIONS = 500


def serve(job: Job, limits: Limits, out: Path, *, host: str, port: int, said: Callable[[str], None]) -> None:
    """Answer requests about the model of a job until the process is asked to end.

    Args:
        job: the model, the data that are shown, the noise.
        limits: of a request.
        out: where run folders are made, a request each.
        host: the address to listen on; beyond this machine a token is asked for.
        port: likewise; 0 for a free one.
        said: told the address once it listens, and how it ends.

    Raises:
        RunError: a package is missing, or the address cannot be had.
        DataError: the data are no 8-bit pictures.
        ModelError: the base classifier breaks its contract.
    """
    try:
        import starlette  # noqa: F401  # is it there?
        import uvicorn  # noqa: F401  # likewise
    except ModuleNotFoundError as error:
        raise RunError(f"serve needs the package {error.name}; {pip_install('view')}") from None
    picture_shape(job.data)
    token = os.environ.get(TOKEN) or ("" if is_own(host) else secrets.token_urlsafe(24))
    ready = with_backend(job, None, None)
    with listening_on(host, port) as listening:  # before the model is made ready: a port in use is said at once

        def act(backend: PooledBackend) -> None:
            _serve(ready, backend, limits, out, listening, token, lambda: said(address(host, listening, token)), said)

        in_batches_that_fit(ready.backend, act, ready.asked.compute.batch_size)


def _serve(
    job: Job,
    backend: PooledBackend,
    limits: Limits,
    out: Path,
    listening: socket,
    token: str,
    listens: Callable[[], None],
    said: Callable[[str], None],
) -> None:
    import uvicorn

    from noiseproof.service.app import application
    from noiseproof.service.service import Service

    environment = checked(job, backend, State())
    job.engine(backend).warm_up(job.input(job.indices[0]))
    service = Service(job, backend, environment, limits, out)

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket] | None = None) -> None:
            await super().startup(sockets)
            listens()

        async def shutdown(self, sockets: list[socket] | None = None) -> None:
            await service.end(GRACE, said, lambda: self.force_exit)
            await super().shutdown(sockets)

    config = uvicorn.Config(
        application(service, token=token),
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
    )
    with service:
        Server(config).run(sockets=[listening])

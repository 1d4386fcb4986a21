"""A small service on this machine: a linear base classifier on pictures of 4 x 4 pixels."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from noiseproof.asked.limits import Limits
from noiseproof.data import DataSet
from tests.serving import answering

SHAPE, CLASSES, SIGMA = (1, 4, 4), ("a", "b", "c"), 0.5


@pytest.fixture(scope="session")
def pictures() -> DataSet:
    generator = np.random.default_rng(0)
    return DataSet(
        "tiny:test", CLASSES, SHAPE, np.array([0, 1, 2, 0, 1]), generator.integers(0, 256, (5, *SHAPE), "u1")
    )


@pytest.fixture(scope="session")
def linear() -> Any:
    import torch

    base = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
    with torch.no_grad():
        base[1].weight.copy_(torch.linspace(-1, 1, 48).reshape(3, 16).mul(9).sin())
        base[1].bias.zero_()
    return base.eval()


class Client:
    """What a test asks, over real connections."""

    def __init__(self, port: int, service: Any, out: Path) -> None:
        self.port, self.service, self.out = port, service, out
        self.connections: list[HTTPConnection] = []

    def send(self, method: str, path: str, body: bytes | None = None, **headers: str) -> HTTPResponse:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        self.connections.append(connection)
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        return connection.getresponse()

    def close(self) -> None:
        """Hang up."""
        while self.connections:
            self.connections.pop().close()

    def raw(self, asked: str, body: bytes, kind: str = "application/json", **headers: str) -> HTTPResponse:
        return self.send("POST", f"/v1/{asked}", body, content_type=kind, **headers)

    def lines(self, **said: Any) -> list[dict[str, Any]]:
        answer = self.raw("certify", json.dumps(said).encode())
        assert answer.status == 200, answer.read()
        assert answer.getheader("content-type") == "application/x-ndjson"
        return [json.loads(line) for line in answer.read().splitlines()]

    def __call__(self, asked: str, **said: Any) -> dict[str, Any]:
        """An answer, of certify the last line."""
        if asked == "certify":
            return self.lines(**said)[-1]
        answer = self.raw(asked, json.dumps(said).encode())
        found = answer.read()
        assert answer.status == 200, found
        return json.loads(found)

    def refused(self, status: int, answer: HTTPResponse) -> str:
        """What a refused request is told, error and remedy."""
        told = json.loads(answer.read())
        assert (answer.status, set(told)) == (status, {"error", "remedy"}), told
        assert told["error"]
        assert told["remedy"]
        return f"{told['error']}; {told['remedy']}"

    def metric(self, name: str) -> float:
        text = self.send("GET", "/metrics").read().decode()
        return next((float(line.split()[-1]) for line in text.splitlines() if line.startswith(f"noiseproof_{name}")), 0)


@pytest.fixture
def make_job(linear, pictures) -> Callable[..., Any]:
    from noiseproof.procedures import Certify
    from tests.asking import job

    def make(model: Any = linear, **settings: Any) -> Any:
        return job(
            Certify(), model=model, data=pictures, sigma=SIGMA, device="cpu", workers=1, backend="torch", **settings
        )

    return make


@pytest.fixture
def serve(make_job, tmp_path) -> Callable[..., AbstractContextManager[Client]]:
    from contextlib import contextmanager

    @contextmanager
    def served(model: Any = None, token: str = "", batch_size: int | None = 16, **limits: Any) -> Iterator[Client]:
        job = make_job(batch_size=batch_size) if model is None else make_job(model, batch_size=batch_size)
        with answering(job, Limits(**limits), tmp_path / "out", token=token) as (port, service):
            client = Client(port, service, tmp_path / "out")
            yield client
            client.close()

    return served

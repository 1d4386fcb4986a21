"""What ends before its answer: clients that leave, requests that take too long, models that fail, services that end."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from noiseproof import verify
from noiseproof.cli.main import run as command
from noiseproof.errors import RunError
from noiseproof.store import read_run

pytestmark = pytest.mark.needs("starlette", "uvicorn")


@pytest.fixture
def slow(linear) -> tuple[Any, dict[str, Any]]:
    """A model that takes its time and fails as it is told to."""
    import copy

    import torch

    settings = {"seconds": 0.0, "fails": False, "calls": 0}

    class Waiting(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.base = copy.deepcopy(linear)

        def forward(self, x: Any) -> Any:
            settings["calls"] += 1
            time.sleep(settings["seconds"])
            if settings["fails"]:
                raise RuntimeError("out of order")
            return self.base(x)

    return Waiting().eval(), settings


def until(holds: Any, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come to this"
        time.sleep(0.01)


def the_run(out: Path) -> Path:
    (manifest,) = out.rglob("manifest.json")
    return manifest.parent


@pytest.mark.parametrize("asked", ["certify", "predict"])
def test_a_client_that_leaves_has_its_draws_cancelled(serve, slow, asked):
    model, settings = slow
    with serve(model) as client:
        settings["seconds"] = 0.02
        sent = json.dumps({"index": 0, "n": 100_000}).encode()
        line = HTTPConnection("127.0.0.1", client.port, timeout=20)
        line.request("POST", f"/v1/{asked}", sent, {"content-type": "application/json"})
        until(lambda: client.service.metrics.draws > 0)
        line.close()
        until(lambda: client.service.places.under_way == 0)
        drawn = client.service.metrics.draws
        time.sleep(0.3)  # what was under way comes in
        before = settings["calls"]
        time.sleep(0.3)
        assert settings["calls"] == before
        assert client.metric(f'requests_total{{question="{asked}",status="499"}}') == 1
        settings["seconds"] = 0.0
        assert client("predict", index=1, n=100)["draws"] == 100
        assert client.service.metrics.draws == drawn + 100
        (run,) = [path.parent for path in client.out.rglob("journal.jsonl") if not read_run(path.parent).records]
    held = verify(run)  # what was drawn is kept, and holds as far as it goes
    assert (held.records, held.unfinished) == (0, 1)
    assert not read_run(run).state.sealed


def test_a_client_that_leaves_while_it_waits_frees_its_place(serve, slow):
    model, settings = slow
    with serve(model, at_once=1, waiting=1) as client:
        settings["seconds"] = 0.02
        sent = json.dumps({"index": 0, "n": 100_000}).encode()
        lines = []
        for wait in ("under_way", "waiting"):
            line = HTTPConnection("127.0.0.1", client.port, timeout=20)
            line.request("POST", "/v1/predict", sent, {"content-type": "application/json"})
            lines.append(line)
            until(lambda wait=wait: getattr(client.service.places, wait) == 1)
        full = client.raw("predict", sent)
        assert 1 <= int(str(full.getheader("retry-after"))) <= 60
        assert "as many requests are under way (1) or wait (1) as may; come again in" in client.refused(429, full)
        lines[1].close()
        until(lambda: client.service.places.waiting == 0)
        lines[0].close()
        until(lambda: client.service.places.under_way == 0)
        settings["seconds"] = 0.0
        assert client("predict", index=1, n=100)["draws"] == 100
    assert len(list(client.out.rglob("manifest.json"))) == 2  # who was refused, or left while it waited, has no folder


def test_a_request_that_takes_too_long(serve, slow):
    model, settings = slow
    with serve(model, most_seconds=0.5) as client:
        settings["seconds"] = 0.05
        answer = client.raw("predict", b'{"index": 0, "n": 100000}')
        assert "a request may take 0.5 s; ask for fewer draws" in client.refused(503, answer)
        assert client.service.places.under_way == 0
        *_, counts, last = client.lines(index=0, n=100_000)
        assert counts["is"] == "counts"
        assert last == {"is": "error", "error": "a request may take 0.5 s", "remedy": "ask for fewer draws, or later"}


def test_a_model_that_fails_is_said_and_others_go_on(serve, slow):
    model, settings = slow
    with serve(model) as client:
        settings["fails"] = True
        said = client.refused(500, client.raw("predict", b'{"index": 0}'))
        assert "out of order" in said
        settings["fails"] = False
        assert client("predict", index=0, n=100)["draws"] == 100


def test_a_model_that_fails_under_way_ends_the_lines_with_an_error(serve, slow):
    model, settings = slow
    with serve(model) as client:
        settings["seconds"] = 0.01
        threading.Timer(0.5, settings.update, [{"fails": True}]).start()
        last = client.lines(index=0, n=100_000)[-1]
        assert last["is"] == "error"
        assert "out of order" in last["error"]
        settings |= {"fails": False, "seconds": 0.0}
        assert client("certify", index=0, n=1000)["draws"] == 1100


def test_a_full_disk_is_said(serve, monkeypatch):
    def full(*_: object) -> None:
        raise RunError("cannot write the journal: No space left on device; make room")

    with serve() as client:
        monkeypatch.setattr("noiseproof.service.service.RunFolder.add_range", full)
        assert "No space left on device; make room" in client.refused(503, client.raw("predict", b'{"index": 0}'))
        monkeypatch.undo()
        assert client("predict", index=0, n=100)["draws"] == 100


@pytest.fixture
def process(tmp_path, monkeypatch) -> Iterator[Any]:
    """Starts the command line as a process of its own, on a model of a Python file."""
    (tmp_path / "model.py").write_text(
        "import torch\n"
        "base = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10)).eval()\n"
        "torch.nn.init.orthogonal_(base[1].weight, gain=9, generator=torch.Generator().manual_seed(0))\n"
    )
    processes: list[subprocess.Popen[str]] = []

    def start(*more: str, port: int = 0) -> tuple[subprocess.Popen[str], int]:
        words = ["serve", "--model", str(tmp_path / "model.py:base"), "--sigma", "0.5", "--backend", "torch"]
        words += ["--workers", "1", "--out", str(tmp_path / "out"), "--port", str(port), *more]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        made = subprocess.Popen(
            [sys.executable, "-m", "noiseproof", *words], stdout=subprocess.PIPE, text=True, env=environment
        )
        processes.append(made)
        said = made.stdout.readline()  # type: ignore[union-attr]
        return made, int(re.fullmatch(r"noiseproof: http://127\.0\.0\.1:(\d+)/\n", said)[1])  # type: ignore[index]

    yield start
    for made in processes:
        made.kill()
        made.wait()
        made.stdout.close()  # type: ignore[union-attr]


def ask(port: int, n: int) -> Any:
    line = HTTPConnection("127.0.0.1", port, timeout=60)
    line.request("POST", "/v1/certify", json.dumps({"index": 0, "n": n}), {"content-type": "application/json"})
    return line.getresponse()


@pytest.mark.slow
def test_a_service_that_is_asked_to_end_finishes_what_it_can_and_one_that_is_killed_begins_again(process, tmp_path):
    first, port = process()
    whole = [json.loads(line) for line in ask(port, 1000).read().splitlines()]
    answer = ask(port, 20_000)
    begun = json.loads(answer.readline())
    first.send_signal(signal.SIGTERM)
    lines = [json.loads(line) for line in answer.read().splitlines()]
    assert lines[-1]["is"] == "certificate"
    assert first.wait(20) == 0
    assert first.stdout.read() == (  # type: ignore[union-attr]
        "noiseproof: ending; requests under way: 1, which have 10 s\n"
        "noiseproof: ended; requests finished: 1, cancelled: 0\n"
    )
    second, again = process(port=port)
    assert again == port
    answer = ask(port, 190_000)
    killed = json.loads(answer.readline())["run"]
    answer.readline()
    second.kill()
    second.wait()
    third, _ = process(port=port)
    after = [json.loads(line) for line in ask(port, 1000).read().splitlines()][-1]["run"]
    third.send_signal(signal.SIGINT)
    assert third.wait(20) == 0
    out = tmp_path / "out"
    assert [verify(out / run).records for run in (whole[-1]["run"], begun["run"], killed, after)] == [1, 1, 0, 1]
    assert verify(out / after, "all").redrawn.differing == 0  # type: ignore[union-attr]


def test_a_service_that_ends_cancels_what_takes_longer_and_takes_nothing_in(serve, slow):
    import anyio

    model, settings = slow
    with serve(model) as client:
        settings["seconds"] = 0.05
        answer = client.raw("certify", b'{"index": 0, "n": 100000}')
        said: list[str] = []
        ending = threading.Thread(target=anyio.run, args=[lambda: client.service.end(0.5, said.append, lambda: False)])
        ending.start()
        until(lambda: client.service.ending)
        assert client.refused(503, client.raw("predict", b'{"index": 0}'))
        health = client.send("GET", "/healthz")
        assert (health.status, json.loads(health.read())["status"]) == (503, "ending")
        ending.join()
        last = json.loads(answer.read().splitlines()[-1])
    assert (last["is"], last["error"]) == ("error", "the service ends")
    assert said[-1] == "ended; requests finished: 0, cancelled: 1"
    assert verify(the_run(client.out)).unfinished == 1


def test_a_port_in_use_and_a_missing_package_are_said_in_a_line(linear, tmp_path, capsys, monkeypatch):
    import socket

    (tmp_path / "model.py").write_text(
        "import torch\nbase = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10)).eval()\n"
    )
    words = ["serve", "--model", str(tmp_path / "model.py:base"), "--sigma", "0.5", "--backend", "torch"]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert command([*words, "--port", str(port), "--out", str(tmp_path / "out")]) == 1
    assert f"cannot listen on 127.0.0.1, port {port}: Address already in use; give another --port" in (
        capsys.readouterr().err
    )
    assert command([*words, "--at-once", "0"]) == 2
    assert "at_once must be >= 1, got 0" in capsys.readouterr().err
    assert command([*words, "--most-seconds", "inf"]) == 2
    assert "most_seconds must be > 0 and finite, got inf" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert command(words) == 1
    assert re.search(r"serve needs the package uvicorn.*\[view\]", capsys.readouterr().err)
    assert not (tmp_path / "out").exists()

"""What the service says of itself, and that it does what it says."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from noiseproof.procedures import Certify
from noiseproof.service.messages import CertifyMessage, DecideMessage, PredictMessage
from noiseproof.service.question import MESSAGES
from noiseproof.store import read_run

pytestmark = pytest.mark.needs("starlette", "uvicorn")


def test_everything_that_is_answered_is_described(serve):
    with serve(most_draws=777) as client:
        told = json.loads(client.send("GET", "/openapi.json").read())
        assert set(told["paths"]) == {f"/v1/{asked}" for asked in MESSAGES} | {"/healthz", "/metrics", "/openapi.json"}
        schemas = told["components"]["schemas"]
        for message in (PredictMessage, CertifyMessage, DecideMessage):
            assert set(schemas[message.__name__]["properties"]) == set(message.__struct_fields__)
        pixels = schemas["PredictMessage"]["properties"]["pixels"]
        assert [pixels["minItems"], pixels["items"]["minItems"], pixels["items"]["items"]["minItems"]] == [1, 4, 4]
        assert schemas["PredictMessage"]["properties"]["index"]["maximum"] == 4
        assert schemas["PredictMessage"]["properties"]["n"]["maximum"] == 777
        assert schemas["DecideMessage"]["required"] == ["radius"]
        assert "probability at least 1 - m alpha" in told["info"]["description"]
        health = json.loads(client.send("GET", "/healthz").read())
        assert (health["status"], health["shape"], health["classes"]) == ("ok", [1, 4, 4], ["a", "b", "c"])


@pytest.mark.parametrize(("most", "n"), [(200_000, 100_000), (3000, 2900)])
def test_defaults_are_those_of_the_procedure_as_far_as_a_request_may_have_them(serve, most, n):
    with serve(most_draws=most) as client:
        told = json.loads(client.send("GET", "/openapi.json").read())["components"]["schemas"]["CertifyMessage"]
        defaults = {name: told["properties"][name]["default"] for name in ("n0", "n", "alpha")}
        assert defaults == {"n0": 100, "n": n, "alpha": 0.001}
        first, *_, last = client.lines(index=0) if most < 10_000 else client.lines(index=0, n=2900)
        procedure = read_run(client.out / first["run"]).procedure
    assert procedure == Certify(n0=100, n=2900, alpha=0.001)
    assert last["draws"] == 3000


@pytest.mark.extra("schemathesis")
def test_requests_made_up_from_the_description_find_no_fault(serve, tmp_path):
    # not that all it describes is accepted: no schema says which text is a picture, or which n suffices for which alpha
    with serve(most_draws=2000) as client:
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"http://127.0.0.1:{client.port}/openapi.json"]
        command += ["--exclude-checks", "positive_data_acceptance", "--max-examples", "60", "--seed", "1", "--no-color"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500, cwd=tmp_path)
        assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
        answered = {asked: n for (asked, status), n in client.service.metrics.requests.items() if status == 200}
        assert set(answered) == set(MESSAGES)
        assert client.service.places.under_way == client.service.places.waiting == 0

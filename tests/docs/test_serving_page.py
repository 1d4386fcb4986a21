"""The lines of docs/serving.md do what the page says."""

from __future__ import annotations

import io
import json
import re
import shlex
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

from noiseproof import verify
from noiseproof.asked.limits import Limits
from noiseproof.service.question import longest_body
from tests.serving import answering

PAGE = Path(__file__).resolve().parents[2] / "docs" / "serving.md"
pytestmark = [
    pytest.mark.needs("starlette", "uvicorn"),
    pytest.mark.skipif(not PAGE.exists(), reason="the page is not beside the tests"),
]


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def sent(line: str, folder: Path) -> tuple[str, bytes, str]:
    """Address, body and content type of a line of curl."""
    words, kind, body, address = iter(shlex.split(line)[1:]), "", b"", ""
    for word in words:
        if word == "-H":
            kind = next(words).removeprefix("content-type: ")
        elif word == "-d":
            body = next(words).encode()
        elif word == "--data-binary":
            body = (folder / next(words).removeprefix("@")).read_bytes()
        elif not word.startswith("-"):
            split = urlsplit(word)
            assert split.netloc == "127.0.0.1:8360"
            address = f"{split.path}?{split.query}".rstrip("?")
    return address, body, kind


def test_the_lines_of_curl_are_answered_and_their_runs_verify(page, tmp_path):
    import torch
    from PIL import Image

    from noiseproof.data import load
    from noiseproof.procedures import Certify
    from tests.asking import job

    base = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10)).eval()
    torch.nn.init.orthogonal_(base[1].weight, gain=9, generator=torch.Generator().manual_seed(0))
    data = load("fashion-mnist-small:test")
    file = io.BytesIO()
    Image.fromarray(np.array(data.pixels(0)[0])).save(file, "PNG")
    (tmp_path / "picture.png").write_bytes(file.getvalue())
    lines = re.findall(r"^curl .*$", page, re.M)
    assert len(lines) == 3
    asked = job(Certify(), model=base, data=data, sigma=0.25, device="cpu", workers=1, backend="torch")
    with answering(asked, Limits(), tmp_path / "served") as (port, _):
        for line in lines:
            address, body, kind = sent(line, tmp_path)
            connection = HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("POST", address, body, {"content-type": kind})
            answer = connection.getresponse()
            said = json.loads(answer.read().splitlines()[-1])
            assert answer.status == 200, said
            assert verify(tmp_path / "served" / said["run"]).records == 1
            connection.close()
        wrong = json.loads(re.search(r"^```json\n(.*?)^```", page, re.M | re.S)[1])
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("POST", "/v1/predict", b'{"index": 0, "n": 5}', {"content-type": "application/json"})
        assert json.loads(connection.getresponse().read()) == wrong
        connection.close()


def test_the_limits_are_those_it_says(page):
    limits = Limits()
    for name, flag in (("at_once", "--at-once"), ("waiting", "--waiting"), ("most_seconds", "--most-seconds")):
        assert f"`{flag}` ({getattr(limits, name):g})" in page
    assert f"`--most-draws` ({limits.most_draws:,})" in page
    assert longest_body((1, 1, 1)) == 64 * 1024 + 12
    assert "a body of 64 kB and 12 bytes a pixel" in page

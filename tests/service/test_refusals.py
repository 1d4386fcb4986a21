"""What bad requests get: a status, an error and a remedy, and no run folder."""

from __future__ import annotations

import base64
import io
import json
import socket
import struct
import zlib
from typing import Any

import numpy as np
import pytest

from noiseproof.errors import DataError
from noiseproof.service.question import decoded, picture_shape
from noiseproof.service.refused import RefusedError

pytestmark = pytest.mark.needs("starlette", "uvicorn")

GREY = (1, 4, 4)


def saved(picture: Any, kind: str = "PNG", **more: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **more)
    return file.getvalue()


def bomb(width: int = 60_000, height: int = 60_000) -> bytes:
    """A PNG of a few hundred bytes that says it has 3.6 billion pixels, and unpacks to zeros for ever."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(10_000))) + chunk(b"IEND", b"")
    )


BODIES = [
    (b"", 400, "the body is not JSON"),
    (b"{", 400, "the body is not JSON: Input data was truncated"),
    (b"\xff\xfe", 400, "the body is not JSON"),
    (b'{"index": 0, "alpha": NaN}', 400, "the body is not JSON"),
    (b"[" * 50_000, 422, "Expected `object`, got `array`"),
    (b'{"pixels": ' + b"[" * 50_000, 422, "the request does not fit"),
    (b"{}", 422, "one of picture, pixels and index must be given, got none; give one"),
    (b'{"index": 0, "pixels": []}', 422, "one of picture, pixels and index must be given, got pixels and index"),
    (b'{"index": 5}', 422, "index must be in [0, 5), got 5"),
    (b'{"index": 0, "pixels": null}', 422, "Expected `array`, got `null` - at `$.pixels`"),
    (b'{"index": -1}', 422, "Expected `int` >= 0 - at `$.index`"),
    (b'{"index": 0, "seed": 1}', 422, "unknown field `seed`"),
    (b'{"index": 0, "n": "many"}', 422, "Expected `int`, got `str` - at `$.n`"),
    (b'{"index": 0, "n": 0}', 422, "Expected `int` >= 1 - at `$.n`"),
    (b'{"index": 0, "n": 5}', 422, "n must be >= 11 to predict anything at alpha=0.001, got 5; raise n"),
    (b'{"index": 0, "alpha": 1}', 422, "Expected `float` < 1.0 - at `$.alpha`"),
    (b'{"index": 0, "n": 5001}', 422, "a request may have 5,000 draws at most, got 5,001; ask for a smaller n"),
    (b'{"index": 0, "n": 1' + b"0" * 400 + b"}", 422, "the request does not fit"),
    (b'{"pixels": [[[0]]]}', 422, "pixels must have the shape [1, 4, 4], got [1, 1, 1]"),
    (b'{"pixels": [[[0,0,0,0],[0,0,0,0],[0,0,0,0],[0,0,0]]]}', 422, "or uneven rows"),
    (b'{"pixels": []}', 422, "pixels must have the shape [1, 4, 4], got [0, 0, 0]"),
    (b'{"pixels": [[[256,0,0,0]]]}', 422, "Expected `int` <= 255"),
    (b'{"picture": "%%%"}', 422, "picture must be base64"),
    (b'{"picture": "AAAA"}', 422, "picture: expected a picture, found no picture"),
    (
        b'{"picture": "' + base64.b64encode(bomb(1000)) + b'"}',
        422,
        "must be 4 x 4, as the model takes it, got 1000 x 60000",
    ),
    (b'{"picture": "' + base64.b64encode(bomb()) + b'"}', 422, "could be decompression bomb"),
]


@pytest.mark.parametrize(("body", "status", "said"), BODIES, ids=range(len(BODIES)))
def test_a_body_that_does_not_fit(serve, body, status, said):
    with serve(most_draws=5000) as client:
        assert said in client.refused(status, client.raw("predict", body))
        assert not client.out.exists()
        assert client.metric(f'requests_total{{question="predict",status="{status}"}}') == 1


def test_what_a_request_may_not_be_besides(serve):
    with serve(most_draws=5000) as client:
        ok = b'{"index": 0, "n": 100}'
        for kind in ("text/plain", "", "multipart/form-data; boundary=x", "image/gif"):
            assert "content-type must be one of application/json" in client.refused(
                415, client.raw("predict", ok, kind)
            )
        assert client.raw("predict", ok, "Application/JSON; charset=utf-8").status == 200
        assert "GET is not for /v1/predict" in client.refused(405, client.send("GET", "/v1/predict"))
        assert client.refused(404, client.send("GET", "/v2"))
        assert client.refused(404, client.send("GET", "/pictures/5.png"))
        assert client.refused(404, client.send("GET", "/pictures/0.exe"))
        said = client.refused(400, client.send("GET", "/healthz", Host="evil.example"))
        assert "another name than this machine has" in said
        picture = client.raw("predict?n=100&index=1", b"x", "image/png")
        assert "got index and the body" in client.refused(422, picture)
        assert "Expected `int`, got `str`" in client.refused(422, client.raw("predict?n=x", b"x", "image/png"))
        assert "n stands in the address, the body is JSON" in client.refused(422, client.raw("predict?n=100", ok))
        decide = client.raw("decide", b'{"index": 0}')
        assert "missing required field `radius`" in client.refused(422, decide)
        far = client.raw("decide", b'{"index": 0, "radius": 99, "n_max": 1000}')
        assert client.refused(422, far)
        attack = client.raw("attack", b'{"index": 0, "away_from": 3, "distance": 1}')
        assert "away_from must be in [0, 3), got 3" in client.refused(422, attack)


def test_a_body_is_no_longer_than_it_may_be_whatever_it_says(serve):
    with serve() as client:
        long = b'{"pixels": [' + b" " * 70_000
        assert "a request may have 65,728 bytes" in client.refused(413, client.raw("predict", long))
        # without a length, in chunks
        with socket.create_connection(("127.0.0.1", client.port), timeout=20) as line:
            head = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            line.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
            for _ in range(3):
                line.sendall(b"8000\r\n" + b" " * 0x8000 + b"\r\n")
            assert line.recv(100).startswith(b"HTTP/1.1 413")


def test_a_request_that_lies_about_its_length(serve, monkeypatch):
    monkeypatch.setattr("noiseproof.service.app.BODY_SECONDS", 0.3)
    with serve() as client:
        body = b'{"index": 0, "n": 100}'
        more = client.send("POST", "/v1/predict", body, content_type="application/json", content_length="60")
        assert "22 of 60 bytes came in 0.3 s" in client.refused(408, more)
        huge = client.send("POST", "/v1/predict", body, content_type="application/json", content_length=str(10**9))
        assert "a request may have 65,728 bytes" in client.refused(413, huge)  # at once, nothing is waited for
        less = client.send("POST", "/v1/predict", body, content_type="application/json", content_length="10")
        assert "the body is not JSON" in client.refused(400, less)
        assert client("predict", index=0, n=100)["draws"] == 100


def test_a_token_is_asked_for_everywhere(serve):
    body = b'{"index": 0, "n": 100}'
    with serve(token="right") as client:
        for path in ("/", "/healthz", "/metrics", "/openapi.json", "/pictures/0.png"):
            assert "a token is asked for" in client.refused(401, client.send("GET", path))
        for wrong in ("Bearer wrong", "right", "", "Bearer "):
            assert client.refused(401, client.raw("predict", body, Authorization=wrong))
        assert client.refused(401, client.raw("predict?token=right", body))
        assert client.raw("predict", body, Authorization="Bearer right").status == 200
        answer = client.send("GET", "/?token=right")
        assert (answer.status, answer.getheader("location")) == (303, "/")
        cookie = str(answer.getheader("set-cookie")).partition(";")[0]
        assert client.raw("predict", body, Cookie=cookie).status == 200
        told = json.loads(client.send("GET", "/openapi.json", Cookie=cookie).read())
        assert told["security"] == [{"token": []}]


@pytest.fixture
def image():
    from PIL import Image

    return Image


def test_pictures_that_are_taken(image):
    pixels = np.arange(16, dtype=np.uint8).reshape(4, 4) * 17
    assert (decoded(saved(image.fromarray(pixels)), GREY) == pixels[None]).all()
    colour = np.stack([pixels, pixels.T, 255 - pixels], axis=2)
    assert (decoded(saved(image.fromarray(colour)), (3, 4, 4)) == colour.transpose(2, 0, 1)).all()
    assert (decoded(saved(image.fromarray(pixels)), (3, 4, 4)) == pixels[None].repeat(3, 0)).all()
    assert decoded(saved(image.fromarray(pixels), "JPEG", quality=95), GREY).shape == GREY


def test_pictures_that_are_not(image):
    def said(content: bytes, shape: tuple[int, int, int] = GREY) -> str:
        with pytest.raises(RefusedError) as refused:
            decoded(content, shape)
        return f"{refused.value.status} {refused.value.error}; {refused.value.remedy}"

    grey = image.new("L", (4, 4))
    assert said(saved(image.effect_noise((4, 4), 90))[:-30]).startswith("422 picture: expected a whole picture")
    assert said(saved(image.new("L", (4, 5)))).startswith("422 picture must be 4 x 4, as the model takes it, got 4 x 5")
    assert said(saved(image.new("RGB", (4, 4)))).startswith("422 picture must be grey")
    assert "transparency" in said(saved(image.new("LA", (4, 4))))
    assert "16 bits" in said(saved(image.new("I;16", (4, 4)))) or "mode I;16" in said(saved(image.new("I;16", (4, 4))))
    assert said(saved(grey, "GIF")).startswith("415 picture must be PNG or JPEG, got GIF")
    assert said(saved(grey), (2, 4, 4)).startswith("422 a picture has 1 or 3 channels, the model takes 2")
    assert said(b"%!PS-Adobe-3.0 EPSF-3.0").startswith("422 picture: expected a picture, found no picture")
    assert said(b"")
    text = image.new("L", (4, 4))
    from PIL.PngImagePlugin import PngInfo

    hidden = PngInfo()
    hidden.add_text("x", "0" * 50_000_000, zip=True)  # 50 kB that unpack to 50 MB
    assert said(saved(text, pnginfo=hidden))


@pytest.mark.parametrize(
    ("shape", "grid", "said"), [((4,), None, "[4], on no grid"), ((1, 2, 2), 1023, "steps of 1/1023")]
)
def test_data_that_are_no_pictures_are_refused_at_the_start(shape, grid, said):
    from noiseproof.data import DataSet

    made = np.zeros((1, *shape), "f8" if grid is None else "u2")
    data = DataSet("numbers", ("a", "b"), shape, np.zeros(1, int), made, grid=grid)
    with pytest.raises(DataError, match="the service takes 8-bit pictures") as refused:
        picture_shape(data)
    assert said in str(refused.value)

"""What the service answers, over real connections, and that its counts hold."""

from __future__ import annotations

import base64
import io
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from noiseproof import Certify, Compute, Decide, Elsewhere, Gaussian, Predict, Subject, verify
from noiseproof import run as run_asked
from noiseproof.reports.page.gallery import pictures_of
from noiseproof.store import read_run

pytestmark = pytest.mark.needs("starlette", "uvicorn")

ASKED = {
    "predict": ({"n": 300}, Predict(n=300)),
    "certify": ({"n0": 50, "n": 1500, "alpha": 0.01}, Certify(n0=50, n=1500, alpha=0.01)),
    "decide": ({"radius": 0.1, "n_max": 2000}, Decide(radius=0.1, n_max=2000)),
}


def picture(pixels, **more) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels[0]).save(file, "PNG", **more)
    return file.getvalue()


@pytest.mark.parametrize("asked", ASKED)
def test_an_answer_is_what_a_run_of_its_seed_says(serve, linear, pictures, tmp_path, asked):
    settings, procedure = ASKED[asked]
    with serve() as client:
        said = client(asked, index=3, **settings)
        folder = client.out / said["run"]
    found = read_run(folder)
    meaning = found.manifest.meaning
    again = run_asked(
        procedure, Gaussian(sigma=0.5), Subject(model=linear, data=pictures, start=3, limit=1),
        Compute(device="cpu", backend="torch"), out=tmp_path / "again", seed=meaning["seed"],
    )  # fmt: skip
    assert again.manifest == found.manifest
    assert found.state.sealed
    (one,), (other,) = found.records, again.records
    assert (one.key, one.index, one.label, one.answers, one.outcome) == (
        other.key, other.index, other.label, other.answers, other.outcome
    )  # fmt: skip
    assert one.clean == other.clean == said["clean"]
    assert said["prediction"] == one.outcome.prediction
    assert said["draws"] == one.draws
    assert said["votes"] == np.sum([each.votes for each in one.answers if each.stage != "select"], axis=0).tolist()
    for name in ("radius", "p_lower", "p_upper", "norm", "p_value", "answer"):
        assert said.get(name) == getattr(one.outcome, name, None)
    assert verify(folder, 1, Elsewhere(model=linear, data=pictures)).redrawn.differing == 0


def test_two_requests_about_one_input_have_seeds_of_their_own(serve):
    with serve() as client:
        one, other = (client("predict", index=0, n=200) for _ in range(2))
        seeds = {read_run(client.out / said["run"]).manifest.meaning["seed"] for said in (one, other)}
    assert len(seeds) == 2
    assert one["run"] != other["run"]


@pytest.mark.parametrize("how", ["pixels", "base64", "body"])
def test_a_picture_that_is_sent_is_drawn_again_from_its_folder_alone(serve, linear, tmp_path, how):
    pixels = np.random.default_rng(1).integers(0, 256, (1, 4, 4), "u1")
    with serve() as client:
        if how == "body":
            answer = client.raw("predict?n=200&alpha=0.01", picture(pixels), "image/png")
            said = json.loads(answer.read())
        else:
            sent = (
                {"pixels": pixels.tolist()}
                if how == "pixels"
                else {"picture": base64.b64encode(picture(pixels)).decode()}
            )
            said = client("predict", n=200, alpha=0.01, **sent)
        folder = (client.out / said["run"]).rename(tmp_path / "moved")
    assert (np.load(folder / "input.npy") == pixels).all()
    run = read_run(folder)
    (record,) = run.records
    assert record.label is None
    assert (pictures_of(run, None).pixels(run, record) == pixels).all()  # what pages show
    again = verify(folder, "all", Elsewhere(model=linear)).redrawn
    assert (again.draws, again.differing) == (200, 0)
    np.save(folder / "input.npy", pixels ^ 1)
    with pytest.raises(Exception, match="is another picture than the certified one"):
        verify(folder, "all", Elsewhere(model=linear))


def test_certify_tells_its_counts_as_they_come_and_the_certificate_last(serve):
    with serve() as client:
        first, *counts, last = client.lines(index=2, n0=40, n=1000, copies=3)
    assert first["is"] == "begin"
    assert [each[:22] for each in first["copies"]] == ["data:image/png;base64,"] * 3
    assert {each["is"] for each in counts} == {"counts"}
    assert last["is"] == "certificate"
    for stage, of in (("select", 40), ("estimate", 1000)):
        drawn = [each["drawn"] for each in counts if each["stage"] == stage]
        assert drawn == sorted(set(drawn))
        assert drawn[-1] == of
    assert all(sum(each["votes"]) == each["drawn"] for each in counts)
    assert [each["p_lower"] is None for each in counts] == [each["stage"] == "select" for each in counts]
    assert counts[-1]["votes"] == last["votes"]
    assert counts[-1]["p_lower"] == last["p_lower"]
    assert last["name"] in ("a", "b", "c", None)


def test_many_at_once_share_batches_and_every_one_holds(serve, linear, pictures):
    with serve(at_once=8) as client:

        def one(number: int) -> str:
            asked = list(ASKED)[number % 3]
            return client(asked, index=number % 5, **ASKED[asked][0])["run"]  # type: ignore[no-any-return]

        with ThreadPoolExecutor(12) as pool:
            runs = list(pool.map(one, range(24)))
        assert client.service.places.under_way == client.service.places.waiting == 0
        assert sum(client.service.metrics.requests.values()) == 24
        assert len(set(runs)) == 24
        for run in runs:
            assert verify(client.out / run, 1, Elsewhere(model=linear, data=pictures)).redrawn.differing == 0


@pytest.fixture
def slow(linear):
    import copy

    import torch

    class Waiting(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.base, self.seconds, self.fails = copy.deepcopy(linear), 0.0, False

        def forward(self, x):
            time.sleep(settings["seconds"])
            if settings["fails"]:
                raise RuntimeError("out of order")
            return self.base(x)

    settings = {"seconds": 0.0, "fails": False}
    model = Waiting().eval()
    return model, settings


def test_a_long_request_does_not_hold_up_a_short_one(serve, slow):
    model, settings = slow
    with serve(model) as client:
        settings["seconds"] = 0.002
        ended: list[str] = []

        def long() -> None:
            client("predict", index=0, n=20_000)
            ended.append("long")

        thread = threading.Thread(target=long)
        thread.start()
        while not client.service.places.under_way:
            time.sleep(0.01)
        client("predict", index=1, n=100)
        ended.append("short")
        thread.join()
    assert ended == ["short", "long"]

from __future__ import annotations

import dataclasses
import itertools
import json
import re
import secrets
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from noiseproof.attacks import PGD, judge
from noiseproof.data import DataSet
from noiseproof.engine import TorchBackend
from noiseproof.errors import ModelError, RunError, UnsupportedError
from noiseproof.procedures import Predict
from noiseproof.store.attacks import read_attack
from noiseproof.types import ABSTAIN
from tests import asking

METHOD = PGD(steps=8, draws=8)
MODEL = """
import torch

def make():
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3)).eval()
"""


@pytest.fixture(autouse=True)
def _seeds(monkeypatch):
    """The operating system's seeds, fixed: a random test is never rerun until it is green."""
    seeds = itertools.count()
    monkeypatch.setattr(secrets, "randbits", lambda bits: next(seeds))


@pytest.fixture
def attacked(certified, model, data, tmp_path):
    """Attack the tiny certified run; changes win."""
    certified("run")

    def attack(out: str = "attack", **changes: Any) -> Any:
        settings = {
            "run": tmp_path / "run",
            "out": tmp_path / out,
            "model": model,
            "data": data,
            "method": METHOD,
            "n": 200,
            "alpha": 0.01,
            "device": "cpu",
            "batch_size": 32,
            "workers": 1,
        } | changes
        return asking.attack(settings.pop("run"), **settings)

    return attack


@pytest.fixture
def run(certified):
    return certified("run")


def certificates(run):
    return {record.key: record for record in run.records if not record.outcome.abstained}


def test_certified_at_r_is_not_broken_within_r_but_breaks_beyond(attacked, run):
    """The law of the room, on the exact grid: fewer contradictions than 1e-6 allows, most broken at 4 R."""
    found = attacked(at=(0.5, 1.0, 4.0), method=PGD(steps=8, draws=8, clip=False))
    keys = certificates(run)
    assert 0 < len(keys) < len(run.records), "some inputs are certified, some abstain"
    assert sorted({(p.key, p.multiple) for p in found.points}) == sorted((k, m) for k in keys for m in (0.5, 1.0, 4.0))
    assert found.contradiction == ""
    assert not any(point.broken for point in found.points if point.multiple <= 1)
    far = [point for point in found.points if point.multiple == 4]
    assert sum(point.broken for point in far) >= 0.7 * len(far)
    assert {point.certified == point.label for point in far if point.broken} == {True, False}, (
        "it leads away from the certified class, whether that is the label or not"
    )


def test_each_point_is_about_its_input_and_stays_in_its_ball(attacked, run, data):
    found = attacked(at=(1.0, 3.0), method=PGD(steps=20, draws=4, step=0.5))
    keys = certificates(run)
    for point in found.points:
        record = keys[point.key]
        assert (point.index, point.label) == (record.index, record.label)
        assert (point.certified, point.radius) == (record.outcome.prediction, record.outcome.radius)
        assert 0.3 * point.multiple * point.radius < point.distance <= point.multiple * point.radius
        assert point.n == 200
        assert sum(point.votes) <= 200
        assert point.prediction in (ABSTAIN, int(np.argmax(point.votes)))
        assert point.seconds > 0


def test_a_broken_point_is_kept_and_can_be_judged_again(attacked, run, data, model, tmp_path):
    found = attacked(at=(3.0,))
    broken = [point for point in found.points if point.broken]
    kept = {path.name for path in (tmp_path / "attack" / "broken").iterdir()}
    assert kept == {f"{point.index}-x3.0.npy" for point in broken}
    noise = run.noise.anywhere()
    backend = TorchBackend(model, num_classes=3, noise=noise, shape=data.shape, batch_size=64, workers=1)
    try:
        for point in broken:
            x = np.load(tmp_path / "attack" / "broken" / f"{point.index}-x3.0.npy")
            assert x.min() >= 0
            assert x.max() <= 1
            clean = data.pixels(point.index) / 255
            assert np.linalg.norm(x - clean) == pytest.approx(point.distance, rel=1e-12)
            (again,) = judge(backend, noise, Predict(n=2000), [x])
            assert again.prediction.prediction == point.prediction
    finally:
        backend.close()


def test_every_judgement_draws_its_seed_after_its_attack(attacked, monkeypatch):
    order: list[str] = []
    climb = PGD.climb

    def spied(self, *arguments, **settings):
        order.append("attack")
        return climb(self, *arguments, **settings)

    def randbits(bits):
        order.append("seed")
        return 2**63 + len(order)

    monkeypatch.setattr(PGD, "climb", spied)
    monkeypatch.setattr(secrets, "randbits", randbits)
    found = attacked(limit=2, batch_size=8)
    assert order == ["attack", "seed"] * 6
    assert sorted(point.seed for point in found.points) == [2**63 + 2 * i for i in range(1, 7)]


def test_a_stopped_attack_goes_on_where_it_stopped(attacked, tmp_path, monkeypatch):
    whole = attacked("whole", batch_size=8, limit=3)

    def stop(progress):
        assert progress.total == 9
        if progress.done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attacked(batch_size=8, limit=3, progress=stop)
    before = read_attack(tmp_path / "attack").points
    assert len(before) == 4
    attacks, shown = [], []
    climb = PGD.climb
    monkeypatch.setattr(PGD, "climb", lambda self, *a, **s: attacks.append(1) or climb(self, *a, **s))
    after = attacked(batch_size=8, limit=3, progress=shown.append)
    assert len(attacks) == 5
    assert [progress.done for progress in shown] == [5, 6, 7, 8, 9]
    assert set(before) <= set(after.points)

    def same(points):
        return [(p.key, p.multiple, p.distance) for p in points]

    assert same(after.points) == same(whole.points), "the attack's noise is the point's own"
    assert attacked(batch_size=8, limit=3).points == after.points
    assert len(attacks) == 5, "nothing is left to do"


def test_more_multiples_and_inputs_extend_and_batches_do_not_matter(attacked):
    first = attacked(at=(2.0,), limit=1)
    more = attacked(at=(1.0, 2.0), limit=3)
    assert len(first.points) == 1
    assert len(more.points) == 6
    assert set(first.points) <= set(more.points)
    other = attacked("other", at=(1.0, 2.0), limit=3, batch_size=200)
    for one, same in zip(more.points, other.points, strict=True):
        assert (one.key, one.multiple) == (same.key, same.multiple)
        assert one.distance == pytest.approx(same.distance, rel=1e-6)


def test_limit_counts_certified_inputs(attacked, run):
    first_two = [record.index for record in run.records if not record.outcome.abstained][:2]
    assert sorted({point.index for point in attacked(limit=2).points}) == first_two


def test_what_is_written(attacked, tmp_path):
    found = attacked(limit=2)
    assert {path.name for path in found.files} == {"table.txt", "table.md", "attack.png", "attack.pdf"}
    assert (tmp_path / "attack" / "table.txt").read_text() == found.text + "\n"
    assert all(path.stat().st_size for path in found.files)
    lines = [json.loads(line) for line in (tmp_path / "attack" / "journal.jsonl").read_text().splitlines()]
    assert lines[0]["is"] == "session"
    assert lines[0]["settings"]["at"] == "1.0,1.5,2.0"
    assert {"version", "device", "backend", "precision"} <= set(lines[0])
    meaning = json.loads((tmp_path / "attack" / "manifest.json").read_text())["meaning"]
    assert meaning["attack"] == METHOD.config() | {"seed": 0}
    assert meaning["judge"] == {"name": "predict", "n": 200, "alpha": 0.01}
    assert meaning["run"] == json.loads((tmp_path / "run" / "manifest.json").read_text())["meaning_hash"]


def test_a_false_certificate_is_a_contradiction(certified, make_model, attacked, tmp_path):
    """The model changed behind a name that stands for it: what was certified is no longer true."""
    model = make_model()
    certified("named", model=model, model_id="m")
    for parameter in model.parameters():
        parameter.data = -parameter.data
    found = attacked(run=tmp_path / "named", model=model, at=(0.5, 2.0))
    assert found.contradiction.startswith("CONTRADICTION: ")
    assert found.contradiction in (tmp_path / "attack" / "table.txt").read_text()
    assert found.contradiction in (tmp_path / "attack" / "table.md").read_text()


@pytest.mark.parametrize("seed", [0, 1])
def test_float_noise_is_judged_as_float_noise(certified, attacked, tmp_path, seed):
    certified("float", grid=None, limit=4)
    found = attacked(run=tmp_path / "float", at=(1.0, 4.0), seed=seed)
    assert found.contradiction == ""
    assert any(point.broken for point in found.points)


def test_another_model_is_refused_and_both_fingerprints_named(attacked, make_model, run, tmp_path):
    wanted = run.manifest.meaning["model"]["fingerprint"]
    with pytest.raises(ModelError, match="give the certified model with --model") as raised:
        attacked(model=make_model(seed=1))
    said = str(raised.value)
    assert wanted in said
    assert len(set(re.findall(r"\b[0-9a-f]{64}\b", said))) == 2
    assert not (tmp_path / "attack").exists()


def test_a_model_that_is_not_where_it_was(attacked):
    with pytest.raises(ModelError, match=r"run is of torch\.nn.*, an object in Python; give it there: elsewhere="):
        attacked(model=None)


def test_the_model_is_found_through_the_runs_settings(certified, attacked, data, tmp_path):
    (tmp_path / "m.py").write_text(MODEL)
    certified("python", model=f"{tmp_path / 'm.py'}:make", sigma=0.1)
    found = attacked(run=tmp_path / "python", model=None, limit=1)
    assert len(found.points) == 3
    (tmp_path / "m.py").write_text(MODEL.replace("Linear(16, 3)", "Linear(16, 3, bias=False)"))
    with pytest.raises(ModelError, match="has the fingerprint"):
        attacked("other", run=tmp_path / "python", model=None, limit=1)


def test_another_data_set_is_refused(attacked, data):
    labels = dataclasses.replace(data, labels=(data.labels + 1) % 3)
    with pytest.raises(RunError, match=r"the data set is not the one of .*labels is"):
        attacked(data=labels)
    pictures = DataSet(data.name, data.classes, data.shape, data.labels, data.images()[::-1].copy())
    with pytest.raises(RunError, match="is another picture than the certified one"):
        attacked(data=pictures)


def test_another_attack_is_refused_in_the_same_folder(attacked):
    attacked(limit=1)
    for change, text in (
        ({"method": PGD(steps=9, draws=8)}, "attack.steps is 8, not 9"),
        ({"seed": 5}, "attack.seed is 0, not 5"),
        ({"n": 300}, "judge.n is 200, not 300"),
    ):
        with pytest.raises(RunError, match=re.escape(text)):
            attacked(limit=1, **change)


def test_what_has_no_certificates_cannot_be_attacked(certified, attacked, data, model, tmp_path):
    asking.predict(
        model=model, data=data, sigma=0.5, out=tmp_path / "p", n=100, num_classes=3, device="cpu", workers=1, limit=1
    )
    with pytest.raises(RunError, match="is a run of predict, which has no radii; give a run of certify"):
        attacked(run=tmp_path / "p")
    certified("none", n0=1, n=11, sigma=20.0, grid=None, limit=3)
    with pytest.raises(RunError, match="none has no certified input to attack; certify more of them"):
        attacked(run=tmp_path / "none")
    with pytest.raises(RunError, match="is not a run folder"):
        attacked(run=tmp_path / "nowhere")
    assert not (tmp_path / "attack").exists()


def test_noise_that_is_not_gaussian_is_refused(attacked, monkeypatch):
    from noiseproof.noises.gaussian import RoundedFloatGaussian
    from noiseproof.store import Run

    monkeypatch.setattr(Run, "noise", property(lambda self: RoundedFloatGaussian(sigma=0.5)))
    with pytest.raises(
        UnsupportedError,
        match=r"attacks on rounded-float-gaussian noise cannot be judged: it cannot be drawn at any point",
    ):
        attacked()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"at": ()}, "at must be multiples of the radius, > 0 and finite, got []"),
        ({"at": (1.0, 0.0)}, "at must be multiples of the radius, > 0 and finite, got [1.0, 0.0]"),
        ({"at": (float("nan"),)}, "at must be multiples of the radius, > 0 and finite, got [nan]"),
        ({"limit": 0}, "limit must be >= 1, got 0"),
        ({"n": 5}, "n must be >= 8 to predict anything at alpha=0.01, got 5; raise n (or alpha)"),
        ({"batch_size": 0}, "batch_size must be >= 1, got 0"),
    ],
)
def test_settings_out_of_range(attacked, change, text, tmp_path):
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        attacked(**change)
    assert not (tmp_path / "attack").exists()


def test_the_number_of_threads_is_left_as_it_was(attacked):
    torch.set_num_threads(2)
    try:
        attacked(limit=1, at=(1.0,))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)

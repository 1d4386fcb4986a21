"""Before the first draw: what is refused, what is measured, and what becomes of the votes."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
import torch.nn.functional as F
from torch import nn

import noiseproof
from noiseproof import Gaussian, SmoothedClassifier, verify
from noiseproof.checks import brief_check
from noiseproof.data import DataSet
from noiseproof.engine import Segment, TorchBackend
from noiseproof.engine.backend import MANY, cpu_batch
from noiseproof.errors import ModelError
from noiseproof.noises import Words
from tests.asking import certify

SHAPE = (1, 4, 4)


class Planted(nn.Module):
    """Three scores of 16 pixels, changed by a fault; counts its calls."""

    def __init__(self, fault=lambda scores, calls: scores) -> None:
        super().__init__()
        self.weights = torch.randn(16, 3, generator=torch.Generator().manual_seed(0))
        self.fault, self.calls = fault, 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return self.fault(x.flatten(1) @ self.weights, self.calls)


FAULTS = {
    "dropout": ("between two calls", lambda scores, calls: F.dropout(scores, 0.5, training=True)),
    "memory": ("between two calls", lambda scores, calls: scores * (1 + calls % 2)),
    "order": ("in another order", lambda scores, calls: scores + torch.arange(len(scores)).view(-1, 1)),
    "mean": ("beside other rows", lambda scores, calls: scores - scores.mean(0)),
    "nan": ("NaN or infinite", lambda scores, calls: scores * torch.tensor([1.0, float("nan"), 1.0])),
}


def trembling(scores, calls):
    """Low bits that hang on nothing: what a kernel does that adds in any order."""
    return scores * (1 + 2e-5 * (calls % 3) * torch.tensor([1.0, -1.0, 0.0]))


@pytest.fixture
def data() -> DataSet:
    generator = np.random.default_rng(0)
    pictures = generator.integers(0, 256, (6, *SHAPE), dtype=np.uint8)
    return DataSet("tiny:test", ("a", "b", "c"), SHAPE, generator.integers(0, 3, 6), pictures)


def run(data, out, fault=None, **options):
    base = Planted() if fault is None else Planted(fault)
    settings = {"sigma": 0.5, "n0": 20, "n": 2000, "num_classes": 3, "device": "cpu", "batch_size": 32, "workers": 1}
    return certify(model=base.eval(), model_id="m", data=data, out=out, **(settings | options))


def backend(base, **options) -> TorchBackend:
    return TorchBackend(
        base, num_classes=3, noise=Gaussian(sigma=0.5).on(SHAPE), shape=SHAPE, batch_size=32, workers=1, **options
    )


@pytest.mark.parametrize("name", FAULTS)
def test_a_run_does_not_begin_with_what_is_no_function_of_its_row(data, tmp_path, name):
    text, fault = FAULTS[name]
    with pytest.raises(ModelError, match=text) as raised:
        run(data, tmp_path / "run", fault)
    assert "\n" not in str(raised.value)
    assert len(run(data, tmp_path / "run", limit=1).records) == 1  # the folder is not claimed by the model that failed


@pytest.mark.parametrize("name", FAULTS)
def test_nor_does_the_facade(data, name):
    text, fault = FAULTS[name]
    with pytest.raises(ModelError, match=text):
        SmoothedClassifier(Planted(fault).eval(), 3, Gaussian(sigma=0.5)).certify(data.images(), n=100)


def test_it_costs_five_batches_and_is_in_the_record(data, tmp_path):
    found = run(data, tmp_path / "run", limit=1)
    session = found.state.sessions[0]
    assert session["checked"] == {"rows": 32, "void": 0, "variation": 0.0, "tolerance": 0.0}
    assert "tolerance" not in session
    base, inputs = Planted().eval(), [data.pixels(0)]
    tried = backend(base)
    brief_check(tried, inputs)
    tried.close()
    assert base.calls == 5


def test_of_a_large_batch_some_rows_are_asked_about_and_fill_it(data):
    seen = []

    def company(scores, calls):
        seen.append(len(scores))
        return FAULTS["mean"][1](scores, calls)

    large = TorchBackend(
        Planted(), num_classes=3, noise=Gaussian(sigma=0.5).on(SHAPE), shape=SHAPE, batch_size=5120, workers=1
    )
    assert brief_check(large, [data.pixels(k) for k in range(5)]).rows == 512
    large.base = Planted(company)
    with pytest.raises(ModelError, match="beside other rows"):
        brief_check(large, [data.pixels(0)])
    large.close()
    assert set(seen) == {5120}  # filled with the same rows in any order


def test_the_largest_batch_of_a_cpu_is_asked_about_to_its_last_row(data):
    def at_its_end(scores, calls):
        return scores * (1 + torch.arange(len(scores)).eq(len(scores) - 1).view(-1, 1))

    rows = cpu_batch(SHAPE, inputs=MANY)
    backend = TorchBackend(
        Planted(at_its_end), num_classes=3, noise=Gaussian(sigma=0.5).on(SHAPE), shape=SHAPE, batch_size=rows, workers=1
    )
    with pytest.raises(ModelError, match="in another order"):
        brief_check(backend, [data.pixels(k) for k in range(5)])
    backend.close()


def test_where_nothing_is_left_to_draw_nothing_is_checked(data, tmp_path):
    run(data, tmp_path / "run")
    assert "checked" not in run(data, tmp_path / "run", FAULTS["mean"][1]).state.sessions[-1]


def test_the_facade_is_checked_once(data):
    base = Planted().eval()
    g = SmoothedClassifier(base, 3, Gaussian(sigma=0.5), workers=1, batch_size=50)
    first, calls = g.certify(data.images()[:1], n=400), base.calls
    assert calls == 10 + 5
    again = g.certify(data.images()[:1], n=400)
    assert base.calls == calls + 10
    assert first.p_lower == again.p_lower


def test_votes_within_the_tolerance_are_void():
    scores = torch.tensor([[4.0, 3.0, 0.0], [4.0, 3.5, -4.0], [1.0, 1.0, 0.5], [-8.0, -8.5, -9.0], [0.0, 0.0, 0.0]])
    rows = scores.repeat(7, 1)[:32]
    tried = backend(lambda x: rows)
    segment = Segment(np.zeros(SHAPE, np.uint8), Words(0, "k", "s"), 0, 5)
    try:
        plain = tried.submit([segment]).result().tolist()
        tried.tolerance = 1 / 8
        careful = tried.submit([segment]).result().tolist()
    finally:
        tried.close()
    assert plain == [[5, 0, 0]]
    assert careful == [[1, 0, 0]]  # margins 1/4, 1/8, 0, 1/18, 0 of the largest


def test_scores_that_tremble_make_near_ties_void_and_a_resumed_run_uses_the_same_number(data, tmp_path):
    def noticed(fault, out):
        found = run(data, tmp_path / out, fault, n=20_000, limit=2)
        return found, sum(record.void for record in found.records)

    plain, none = noticed(None, "plain")
    found, void = noticed(trembling, "trembling")
    assert none == 0 < void < 400
    tolerance = found.state.sessions[0]["tolerance"]
    assert tolerance == found.state.sessions[0]["checked"]["tolerance"] > 8 * 2e-5
    for one, other in zip(found.records, plain.records, strict=True):
        for careful, votes in zip(one.answers, other.answers, strict=True):
            assert all(np.array(careful.votes) <= votes.votes)
        assert one.outcome.p_lower <= other.outcome.p_lower
    assert verify(tmp_path / "trembling").void == void

    calm = run(data, tmp_path / "trembling", n=20_000, limit=3)  # measures 0 now; what was drawn with stands
    assert [session["tolerance"] for session in calm.state.sessions] == [tolerance] * 2
    assert calm.state.sessions[1]["checked"]["tolerance"] == 0


def test_another_tolerance_starts_partial_inputs_over(data, tmp_path):
    class StopError(Exception):
        pass

    def stop(progress):
        raise StopError

    with pytest.raises(StopError):
        run(data, tmp_path / "run", progress=stop)
    found = run(data, tmp_path / "run", trembling)
    lines = [json.loads(line) for line in (tmp_path / "run" / "journal.jsonl").read_text().splitlines()]
    assert any(line.get("is") == "restart" or line.get("entry", {}).get("is") == "restart" for line in lines)
    assert len(found.records) == len(data)
    assert verify(tmp_path / "run").records == len(data)


def test_the_package_offers_it():
    assert noiseproof.doctor.__module__ == "noiseproof.runners.doctor"

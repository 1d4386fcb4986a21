"""Draws for inputs that come one by one."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch

from noiseproof.engine import Drawn, Engine, Finished, Task, TorchBackend
from noiseproof.engine.shared import SharedDraws, even_shares
from noiseproof.noises import Gaussian
from noiseproof.noises.keys import input_key
from noiseproof.procedures import Certify, Decide, Predict

NOISE = Gaussian(sigma=0.5).on((1, 4, 4))


@pytest.fixture(scope="module")
def inputs() -> list[Any]:
    return list(np.random.default_rng(3).integers(0, 256, (4, 1, 4, 4), dtype=np.uint8))


@pytest.fixture
def backend():
    weights = torch.linspace(-1, 1, 48).mul(9).sin().reshape(16, 3)
    made = TorchBackend(
        lambda x: (x.flatten(1) - 0.5) @ weights, num_classes=3, noise=NOISE, shape=(1, 4, 4), batch_size=16, workers=2
    )
    yield made
    made.close()


@dataclass
class Heard:
    """What was told of an input."""

    events: list[Any] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def __call__(self, event: Any) -> None:
        self.events.append(event)
        if not isinstance(event, Drawn):
            self.ended.set()

    def counts(self) -> dict[str, Any]:
        assert self.ended.wait(30)
        total: dict[str, Any] = {}
        for event in self.events:
            if isinstance(event, Drawn):
                n, votes = total.get(event.stage, (0, 0))
                assert event.first == n
                total[event.stage] = n + event.n, votes + np.asarray(event.votes)
        return {stage: (n, votes.tolist()) for stage, (n, votes) in total.items()}


PROCEDURES = (Predict(n=500), Certify(n0=50, n=700), Decide(radius=0.05, n_max=2000))


def test_counts_are_those_of_an_engine_alone_whatever_shares_its_batches(backend, inputs):
    asked = [(seed, procedure, x) for seed, procedure in enumerate(PROCEDURES) for x in inputs]
    with SharedDraws(backend) as shared:
        heard = []
        for seed, procedure, x in asked:
            heard.append(Heard())
            shared.add(Engine(backend, NOISE, seed, binding=f"{seed}"), procedure, Task(input_key(x), x), heard[-1])
        counts = [each.counts() for each in heard]
    for (seed, procedure, x), mine, each in zip(asked, counts, heard, strict=True):
        alone = Heard()
        for event in Engine(backend, NOISE, seed, binding=f"{seed}").run(procedure, [Task(input_key(x), x)]):
            alone(event)
        assert alone.counts() == mine
        one, other = alone.events[-1], each.events[-1]
        assert isinstance(one, Finished)
        assert (one.requests, one.outcome) == (other.requests, other.outcome)


def test_who_leaves_is_drawn_for_no_more_and_hears_of_nothing_that_was_under_way(inputs, monkeypatch):
    monkeypatch.setattr("noiseproof.engine.shared.KEEP_EVERY", -1.0)  # whatever comes in is told
    begun, may = threading.Semaphore(0), threading.Semaphore(0)

    def base(x: torch.Tensor) -> torch.Tensor:
        begun.release()
        may.acquire()
        return torch.ones(len(x), 2)

    backend = TorchBackend(base, num_classes=2, noise=NOISE, shape=(1, 4, 4), batch_size=16, workers=1)
    x, engine = inputs[0], Engine(backend, NOISE)
    with SharedDraws(backend) as shared:
        gone, stays = Heard(), Heard()
        leaver = shared.add(engine, Predict(n=10**9), Task(input_key(x), x), gone)
        assert begun.acquire(timeout=30)  # its first batch is under way, and more wait behind it
        leaver.leave()
        may.release(backend.depth + 1)
        shared.add(engine, Predict(n=100), Task(input_key(x), x), stays)
        may.release(1000)
        assert stays.counts()["predict"][0] == 100
        drawn = 0
        while begun.acquire(timeout=0.3):
            drawn += 1
    assert gone.events == []
    assert drawn <= backend.depth + 7  # those that were under way, and the seven of the other
    backend.close()


def test_an_error_ends_those_of_its_batch_and_no_others(inputs):
    def base(x: torch.Tensor) -> torch.Tensor:
        if broken.is_set():
            failed.release()
            raise RuntimeError("out of order")
        return torch.ones(len(x), 2)

    broken, failed = threading.Event(), threading.Semaphore(0)
    backend = TorchBackend(base, num_classes=2, noise=NOISE, shape=(1, 4, 4), batch_size=16, workers=1)
    x = inputs[0]
    with SharedDraws(backend) as shared:
        broken.set()
        fails, goes = Heard(), Heard()
        shared.add(Engine(backend, NOISE), Predict(n=100), Task(input_key(x), x), fails)
        assert fails.ended.wait(30)
        assert "out of order" in str(fails.events[-1])
        assert all(failed.acquire(timeout=30) for _ in range(backend.depth))  # those behind it fail too
        broken.clear()
        shared.add(Engine(backend, NOISE), Predict(n=100), Task(input_key(x), x), goes)
        assert goes.counts()["predict"][0] == 100
        assert len(fails.events) == 1
    backend.close()


def test_shares_are_even_and_leave_no_row_free():
    generator = np.random.default_rng(0)
    for _ in range(300):
        wanted = generator.integers(0, 300, generator.integers(1, 40)).tolist()
        rows = int(generator.integers(1, 200))
        shares = even_shares(wanted, rows)
        assert sum(shares) == min(rows, sum(wanted))
        assert all(0 <= share <= most for share, most in zip(shares, wanted, strict=True))
        short = [share for share, most in zip(shares, wanted, strict=True) if share < most]
        if short:  # nobody who could take more has much less than another
            assert max(shares) - min(short) <= 1 + len(wanted)

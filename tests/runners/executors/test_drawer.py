"""An actor, asked as Ray asks it, in this process: what it draws, what it says of itself, when it takes no part."""

from __future__ import annotations

import pickle
import platform
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from noiseproof.engine import Segment, Task
from noiseproof.engine.clean import classes_without_noise
from noiseproof.engine.engine import Engine
from noiseproof.errors import ModelError
from noiseproof.noises import Words
from noiseproof.procedures import Certify
from noiseproof.runners.executors import drawer
from noiseproof.runners.executors.drawer import Drawer, Order, actors_asked, versions
from noiseproof.tallies import CLASS_VOTES
from tests.asking import job

ASKED = {"sigma": 0.5, "backend": "torch", "batch_size": 16, "workers": 2, "num_classes": 3}


@pytest.fixture
def asked(data, model, tmp_path) -> Any:
    return job(Certify(n=100), model=model, data=data, executor="ray", **ASKED)


@pytest.fixture
def make(asked) -> Callable[..., Drawer]:
    def made(**changes: Any) -> Drawer:
        told = pickle.dumps(actors_asked(asked, asked.indices[:4], "cpu", 16, 2))
        return Drawer(replace(Order(versions(), str(Path.cwd()), told, asked.model.fingerprint), **changes))

    return made


def test_it_draws_what_one_process_draws_however_it_is_cut(make, asked):
    actor = make()
    actor.hello()
    keys = ["one", "two", "three"]
    cut = [(0, 0, 37), (1, 5, 70), (0, 37, 63), (2, 0, 1), (1, 75, 25)]
    inputs = [asked.input(index) for index in (0, 1, 3)]
    segments = [Segment(inputs[k], Words(0, keys[k], "s"), a, n) for k, a, n in cut]
    counts, seconds, classes = actor.draw(segments, CLASS_VOTES, 0, [0, 1, 3])
    assert counts.dtype == np.int64
    assert counts.sum(axis=1).tolist() == [n for _, _, n in cut]
    assert seconds > 0
    backend = asked.backend(16)
    wanted = [
        (Task(keys[0], inputs[0]), [("s", 37), ("s", 63)]),
        (Task(keys[1], inputs[1]), [("s", 5), ("s", 70), ("s", 25)]),
    ]
    wanted.append((Task(keys[2], inputs[2]), [("s", 1)]))
    alone = {(task.key, answer.n): answer.votes for task, answer in Engine(backend, asked.noise).draw(wanted)}
    assert classes == classes_without_noise(inputs, backend)
    backend.close()
    for (k, _, n), votes in zip(cut, counts.tolist(), strict=True):
        assert tuple(votes) == alone[keys[k], n]


def test_what_it_says_of_itself(make):
    one, two = make().hello(), make().hello()
    assert one.digest == two.digest
    assert one.kind == two.kind
    assert one.environment["batch_size"] == 16
    assert one.environment["workers"] == 2
    assert one.environment["checked"]["rows"] == 16
    assert (one.tolerance, one.row_by_row, one.node) == (0.0, "", platform.node())
    assert one.rate > 100


def test_a_tolerance_is_kept(make, asked):
    actor = make()
    actor.hello()
    counts, _, _ = actor.draw([Segment(asked.input(0), Words(0, "k", "s"), 0, 50)], CLASS_VOTES, 0.5)
    assert counts.sum() < 50, "near ties are void"


@pytest.mark.parametrize("name", ["noiseproof", "torch"])
def test_another_version(make, name):
    told = versions() | {name: "9.9"}
    with pytest.raises(ModelError, match=f"has {name} {versions()[name]}, the driver 9.9; install the same") as raised:
        make(versions=told, asked=b"what that version alone can read").hello()
    assert str(raised.value).startswith(platform.node())


def test_another_model(make):
    with pytest.raises(ModelError, match=r"on .*: .* is another model than the driver's; copy it there"):
        make(fingerprint="f" * 64).hello()


def test_a_model_that_is_not_there(make, asked, tmp_path):
    told = actors_asked(asked, asked.indices[:4], "cpu", 16, 2)
    gone = replace(told, subject=replace(told.subject, model=str(tmp_path / "gone.safetensors")))
    with pytest.raises(ModelError, match=f"on {platform.node()}: .*gone.safetensors"):
        make(asked=pickle.dumps(gone)).hello()


def test_what_its_device_cannot_do(asked, make):
    told = actors_asked(asked, asked.indices[:4], "cpu", 16, 2)
    told = replace(told, compute=replace(told.compute, precision="tf32"))
    with pytest.raises(ModelError, match=f"on {platform.node()}: precision tf32 is arithmetic of a CUDA device"):
        make(asked=pickle.dumps(told)).hello()


def test_a_model_that_is_no_function_of_each_row(make, asked, monkeypatch):
    import torch

    class Mean(torch.nn.Module):
        def forward(self, x):
            return (x.flatten(1) - x.mean())[:, :3]

    found = job(Certify(n=100), model=Mean().eval(), data=asked.data, executor="ray", **ASKED)
    told = actors_asked(found, found.indices[:4], "cpu", 16, 2)
    monkeypatch.setattr(drawer.pickle, "loads", lambda text: told)  # a class of a test cannot be pickled
    with pytest.raises(ModelError, match="must be a deterministic function of each row"):
        make(fingerprint=found.model.fingerprint).hello()

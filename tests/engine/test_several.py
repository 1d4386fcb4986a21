"""Several devices behind one engine: the counts of one, batches in turn, and no two kinds of them."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from noiseproof.checks import brief_check
from noiseproof.engine import Drawn, Engine, OutOfMemoryError, Segment, Task, TorchBackend
from noiseproof.engine.choose import backend_for
from noiseproof.engine.graph import GraphBackend
from noiseproof.engine.several import SeveralBackend
from noiseproof.errors import ModelError
from noiseproof.noises import Gaussian, Words
from noiseproof.procedures import Certify

SHAPE = (3, 8, 8)
CLASSES = 4


class Sums(nn.Module):
    """Scores of small integers, moved by a number."""

    def __init__(self, shift: float = 0.0, fits: int = 1000) -> None:
        super().__init__()
        self.shift, self.fits, self.calls = shift, fits, 0

    def forward(self, x):
        self.calls += 1
        if len(x) > self.fits:
            raise torch.OutOfMemoryError("CUDA out of memory (pretended)")
        steps = (x * 255).round().flatten(1)
        return torch.stack([steps[:, k::CLASSES].sum(dim=1) + k * self.shift for k in range(CLASSES)], dim=1)


def made(base=None, kind=GraphBackend, **options):
    settings = {"num_classes": CLASSES, "noise": Gaussian(0.5).on(SHAPE), "shape": SHAPE, "batch_size": 16}
    return kind(base or Sums(), **settings | {"device": "cpu"} | options)


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, SHAPE, dtype=np.uint8)


def segment(n: int = 16) -> Segment:
    return Segment(picture(0), Words(7, "k", "estimate"), 0, n)


def counts(backend) -> dict:
    found = {}
    for event in Engine(backend, backend.noise, 5).run(
        Certify(n0=20, n=300), (Task(f"k{k}", picture(k)) for k in range(5))
    ):
        if isinstance(event, Drawn):
            place = event.task.key, event.stage
            found[place] = found.get(place, 0) + np.array(event.votes)
    backend.close()
    return {place: votes.tolist() for place, votes in found.items()}


@pytest.mark.parametrize("kind", [GraphBackend, TorchBackend])
@pytest.mark.parametrize("several", [1, 2, 3])
def test_counts_are_those_of_one_and_every_device_draws(kind, several):
    bases = [Sums() for _ in range(several)]
    backend = SeveralBackend([made(base, kind) for base in bases])
    assert backend.depth == several * made(kind=kind).depth
    assert counts(backend) == counts(made(kind=kind))
    calls = [base.calls for base in bases]
    assert max(calls) - min(calls) <= 1
    assert min(calls) > 20


def test_a_tolerance_holds_on_all():
    backend, plain = SeveralBackend([made(), made()]), made()
    backend.tolerance = plain.tolerance = 0.01
    wanted = plain.submit([segment()]).result().tolist()
    assert 0 < np.sum(wanted) < 16
    assert [backend.submit([segment()]).result().tolist() for _ in range(2)] == [wanted] * 2


def test_the_record_names_them_and_refuses_another_kind():
    backend = SeveralBackend([made(), made()])
    backend.measured["tolerance"] = 0.5
    said = backend.environment()
    assert (said["device"], said["devices"], said["tolerance"]) == ("cpu", ["cpu", "cpu"], 0.5)
    assert said["backend"] == backend.label == made().environment()["backend"]
    other = SeveralBackend([made(), made(batch_size=8)])
    with pytest.raises(
        ModelError, match=r"cpu is of another kind than cpu: batch_size is 8, not 16; give devices of one"
    ):
        other.environment()


def test_scores_that_hang_on_the_device_are_refused_before_a_draw():
    checked = brief_check(SeveralBackend([made(), made()]), [picture(0)])
    assert checked.variation == 0
    with pytest.raises(ModelError, match=r"scores on cpu are not those on cpu.*a single --device"):
        brief_check(SeveralBackend([made(), made(Sums(0.25))]), [picture(0)])


def test_memory_that_runs_out_on_one_is_told():
    backend = SeveralBackend([made(), made(Sums(fits=8))])
    backend.submit([segment()]).result()
    with pytest.raises(OutOfMemoryError, match="a batch of 16"):
        backend.submit([segment()]).result()


def test_backends_by_name():
    options = {"num_classes": CLASSES, "noise": Gaussian(0.5).on(SHAPE), "shape": SHAPE, "batch_size": 16}
    cpu = torch.device("cpu")
    assert type(backend_for("torch", Sums(), device=(cpu,), **options)) is TorchBackend
    both = backend_for("torch", Sums(), device=(cpu, cpu), **options)
    assert [type(each) for each in both.backends] == [TorchBackend, TorchBackend]
    assert counts(both) == counts(made())

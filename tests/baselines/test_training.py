from __future__ import annotations

import json
from itertools import chain

import pytest
import torch
from torch import nn

from noiseproof.baselines import train, training
from noiseproof.baselines.lipschitz import lipschitz_cnn
from noiseproof.errors import ModelError, RunError
from noiseproof.models.weights import load_weights


def test_it_learns_and_says_what_it_was(plain, pictures, tmp_path):
    seen = []
    path = train(plain(), data=pictures, out=tmp_path / "a", steps=30, batch_size=10, lr=0.01, progress=seen.append)
    assert path == tmp_path / "a" / "weights.safetensors"
    assert [each.done for each in seen] == list(range(1, 31))
    tensors, said = load_weights(path)
    assert said["architecture"] == "lipschitz-cnn"
    assert json.loads(said["baseline"])["tau"] == 10.0
    assert json.loads(said["baseline"])["steps"] == 30
    network = lipschitz_cnn(2, (1, 4, 4))
    network.load_state_dict(tensors)
    right = network(torch.from_numpy(pictures.images()).float() / 255).argmax(dim=1).numpy() == pictures.labels
    assert right.all()


def test_a_stopped_training_goes_on_to_the_same_weights(plain, pictures, tmp_path, monkeypatch):
    class Random(plain):
        def loss(self, network, x, y, fraction):
            return super().loss(network, x + torch.rand_like(x), y, fraction)

    monkeypatch.setattr(training, "_KEEP_EVERY", 3)
    whole = train(Random(), data=pictures, out=tmp_path / "whole", steps=8, batch_size=9)

    def stop(progress):
        if progress.done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(Random(), data=pictures, out=tmp_path / "parts", steps=8, batch_size=9, progress=stop)
    steps = []
    parts = train(
        Random(), data=pictures, out=tmp_path / "parts", steps=8, batch_size=9, progress=lambda p: steps.append(p.done)
    )
    assert steps == [4, 5, 6, 7, 8]  # from the last kept one, not from the beginning
    one, other = load_weights(whole)[0], load_weights(parts)[0]
    assert all(torch.equal(one[name], other[name]) for name in one)
    train(Random(), data=pictures, out=tmp_path / "parts", steps=8, batch_size=9, progress=steps.append)
    assert len(steps) == 5  # it was done


def test_every_pass_takes_every_picture_once_in_an_order_of_its_own():
    first = [training._batch(step, 10, 40, seed=1).tolist() for step in range(4)]
    second = [training._batch(step, 10, 40, seed=1).tolist() for step in range(4, 8)]
    assert sorted(chain(*first)) == sorted(chain(*second)) == list(range(40))
    assert first != second


def test_another_training_in_the_same_folder_is_refused(plain, pictures, tmp_path):
    train(plain(), data=pictures, out=tmp_path / "a", steps=1)
    with pytest.raises(RunError, match=r"a is another training \(differs: tau, lr\); choose another --out$"):
        train(plain(tau=3.0), data=pictures, out=tmp_path / "a", steps=1, lr=0.5)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x").write_text("")
    with pytest.raises(RunError, match=r"b holds other files and is no training of a baseline"):
        train(plain(), data=pictures, out=tmp_path / "b", steps=1)


def test_a_loss_that_is_no_number_stops_it(plain, pictures, tmp_path):
    class Broken(plain):
        def loss(self, network, x, y, fraction):
            return network(x).sum() * float("nan")

    with pytest.raises(ModelError, match=r"the loss of lipschitz is no number at step 0"):
        train(Broken(), data=pictures, out=tmp_path / "a", steps=1)


def test_arguments_are_checked(plain, pictures, tmp_path):
    with pytest.raises(ValueError, match=r"^steps must be >= 1, got 0$"):
        train(plain(), data=pictures, out=tmp_path / "a", steps=0)
    with pytest.raises(ValueError, match=r"^lr must be > 0 and finite, got -1\.0$"):
        train(plain(), data=pictures, out=tmp_path / "a", lr=-1)
    assert isinstance(plain().begin(2, (1, 4, 4)), nn.Sequential)

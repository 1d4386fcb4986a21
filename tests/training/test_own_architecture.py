"""A network of one's own: trained, resumed, certified from its run folder."""

from __future__ import annotations

import json

import pytest
import torch

from noiseproof.errors import ModelError, RunError
from noiseproof.models import load, load_weights
from noiseproof.models.denoised import load_denoiser
from tests.asking import job, train

NET = """
import torch

def net(num_classes):
    last = torch.nn.Linear(8, num_classes)
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(256, 8), torch.nn.ReLU(), last)

class Denoiser(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, x):
        return self.conv(x)
"""
SMALL = {"sigma": 0.25, "batch_size": 16, "lr": 0.05, "device": "cpu", "augment": "none"}


@pytest.fixture
def net(tmp_path):
    (tmp_path / "net.py").write_text(NET)
    return f"{tmp_path}/net.py:net"


@pytest.fixture
def trained(net, stripes, tmp_path):
    train(data=stripes, arch=net, epochs=2, out=tmp_path / "t", **SMALL)
    return tmp_path / "t"


def test_it_is_trained_and_its_run_folder_is_a_model(net, trained, stripes):
    model = load(trained)
    assert (model.architecture, model.num_classes, model.shape) == ("net.py:net", 3, (1, 16, 16))
    found = train(data=stripes, arch=net, epochs=2, out=trained, **SMALL)
    assert found.fingerprint == model.fingerprint
    right = model.module(torch.from_numpy(stripes.images()).float() / 255).argmax(1).numpy() == stripes.labels
    assert right.mean() > 0.6


def test_a_resumed_training_ends_with_the_same_weights(net, trained, stripes, tmp_path):
    train(data=stripes, arch=net, epochs=1, out=tmp_path / "again", **SMALL)
    train(data=stripes, arch=net, epochs=2, out=tmp_path / "again", **SMALL)
    assert load(tmp_path / "again").fingerprint == load(trained).fingerprint


def test_the_seed_is_that_of_its_weights_too(net, stripes, tmp_path, trained):
    train(data=stripes, arch=net, epochs=2, seed=1, out=tmp_path / "other", **SMALL)
    one, other = (
        load_weights(folder / "weights.safetensors")[0]["1.weight"] for folder in (trained, tmp_path / "other")
    )
    assert not torch.allclose(one, other, atol=0.05)


def test_a_changed_file_is_another_training_and_no_silent_model(net, trained, stripes, tmp_path):
    (tmp_path / "net.py").write_text(NET.replace("ReLU", "Tanh"))
    with pytest.raises(RunError, match="belongs to another training: arch_sha256 is"):
        train(data=stripes, arch=net, epochs=3, out=trained, **SMALL)
    with pytest.raises(ModelError) as caught:
        load(trained)
    assert str(caught.value) == (
        f"{trained} holds weights of {net}, which has changed since; give the file as it was, or arch (--arch {net}) "
        "for these weights in the network of now"
    )
    (tmp_path / "net.py").rename(tmp_path / "moved.py")
    with pytest.raises(ModelError, match=r"net.py:net, no such file; give arch \(--arch FILE.py:net\)$"):
        load(trained)


def test_told_where_it_lies_now_it_is_taken_and_a_change_is_said(trained, tmp_path, caplog):
    before = load(trained)
    (tmp_path / "net.py").rename(tmp_path / "moved.py")
    moved = load(trained, arch=f"{tmp_path}/moved.py:net")
    assert torch.equal(moved.module[1].weight, before.module[1].weight)
    assert not caplog.messages
    (tmp_path / "moved.py").write_text(NET.replace("ReLU", "Tanh"))
    load(trained, arch=f"{tmp_path}/moved.py:net")
    assert caplog.messages == [
        f"{trained}: {tmp_path}/moved.py:net is not the text that these weights were trained with"
    ]


def test_a_weights_file_alone_runs_no_python_that_is_not_named(net, trained):
    with pytest.raises(ModelError) as caught:
        load(trained / "weights.safetensors")
    assert str(caught.value) == (
        f"{trained}/weights.safetensors holds weights of net.py:net, and a Python file is run only where it is named; "
        "give arch (--arch net.py:net), with the path of the file"
    )
    assert load(trained / "weights.safetensors", arch=net).fingerprint == load(trained).fingerprint


def test_bare_weights_are_certified_with_classes_and_shape_of_the_data(net, trained, stripes, tmp_path):
    from noiseproof.procedures import Certify

    torch.save({f"module.{k}": v for k, v in load(trained).module.state_dict().items()}, tmp_path / "w.pt")
    made = job(Certify(n=100), model=str(tmp_path / "w.pt"), arch=net, data=stripes, sigma=0.25, device="cpu", limit=1)
    assert made.model.fingerprint == load(trained).fingerprint
    assert made.settings["arch"] == net


def test_a_training_begins_with_weights_of_ones_own(net, trained, stripes, tmp_path):
    torch.save(load(trained).module.state_dict(), tmp_path / "w.pt")
    train(data=stripes, arch=net, epochs=1, init=tmp_path / "w.pt", out=tmp_path / "more", **SMALL)
    meaning = json.loads((tmp_path / "more" / "manifest.json").read_text())["meaning"]
    assert meaning["init"] == load(trained).fingerprint


def test_a_denoiser_of_ones_own(net, stripes, tmp_path):
    arch = net.replace(":net", ":Denoiser")
    train(data=stripes, arch=arch, task="denoiser", epochs=1, out=tmp_path / "d", **SMALL)
    found = load_denoiser(tmp_path / "d", shape=(1, 16, 16))
    assert (found.architecture, found.channels) == ("net.py:Denoiser", 1)
    assert found.module(torch.rand(2, 1, 16, 16)).shape == (2, 1, 16, 16)
    with pytest.raises(ModelError, match="needs num_classes; it is given shape, as far as it takes them"):
        train(data=stripes, arch=net, task="denoiser", epochs=1, out=tmp_path / "e", **SMALL)

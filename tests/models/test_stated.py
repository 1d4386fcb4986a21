"""A normalisation that the source does not say: stated, or assumed aloud."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from noiseproof.asked import Subject
from noiseproof.errors import ModelError
from noiseproof.models import BaseModel, build, load, save_weights
from noiseproof.models.stated import with_normalisation

SHAPE = (3, 32, 32)
MEAN = (0.4914, 0.4822, 0.4465)


@pytest.fixture
def network():
    return build("resnet20", num_classes=10, shape=SHAPE).eval()


@pytest.fixture
def checkpoint(network, tmp_path):
    """In the published form, which does not say its normalisation."""
    state = {f"1.module.{name}": tensor for name, tensor in network.state_dict().items()}
    torch.save({"arch": "cifar_resnet20", "state_dict": state}, tmp_path / "c.pth.tar")
    return tmp_path / "c.pth.tar"


def refused(call, error=ModelError):
    with pytest.raises(error) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_assumed_is_said(checkpoint, caplog):
    load(checkpoint)
    assert caplog.messages == [
        f"{checkpoint} does not say its normalisation, assumed is that of resnet20 here: mean 0.4914,0.4822,0.4465, "
        "std 0.2023,0.1994,0.201; where it was trained with another, give --mean and --std "
        "(noiseproof doctor tries some)"
    ]


def test_what_is_stated_is_the_first_layer(checkpoint, network, caplog):
    x = torch.rand(2, *SHAPE)
    model = load(checkpoint, mean=MEAN, std=(0.5,))
    network.normalize = nn.Identity()
    centre = torch.tensor(MEAN).view(-1, 1, 1)
    assert torch.allclose(model.module(x), network((x - centre) / 0.5), atol=1e-6)
    assert torch.allclose(load(checkpoint, mean=MEAN).module(x), network(x - centre), atol=1e-6)
    assert torch.allclose(load(checkpoint, std=[0.5]).module(x), network(x / 0.5), atol=1e-6)
    assert not caplog.messages


def test_one_number_is_that_of_each_channel(checkpoint):
    assert load(checkpoint, mean=0.5, std=0.25).fingerprint == load(checkpoint, mean=[0.5] * 3, std="0.25").fingerprint


def test_the_fingerprint_holds_it(checkpoint):
    assumed = load(checkpoint)
    again = load(checkpoint, mean=MEAN, std=(0.2023, 0.1994, 0.2010))
    assert again.fingerprint == assumed.fingerprint
    stated = load(checkpoint, mean=MEAN).fingerprint
    assert stated == load(checkpoint, mean=MEAN, std=(1.0, 1.0, 1.0)).fingerprint != assumed.fingerprint
    assert load(checkpoint, mean=MEAN, std=(0.5,)).fingerprint != stated


def test_the_fingerprint_is_the_same_in_every_version():
    """A run of before must go on: what a stated normalisation adds to a fingerprint is part of the form of a run."""
    base = BaseModel(nn.Identity(), "net", 2, (1, 2, 2), "f" * 64, "m")
    stated = with_normalisation(base, 0.5, 0.25)
    assert stated.fingerprint == "4c782d91574885737d95fd8cc05216ec231a897343b7e0a32027cdd41c143b79"


def test_of_any_model_without_one(tmp_path):
    (tmp_path / "net.py").write_text(
        "import torch\nnet = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 3))\n"
    )
    plain = load(f"{tmp_path}/net.py:net", num_classes=3)
    model = load(f"{tmp_path}/net.py:net", num_classes=3, mean=(0.25,), std=(0.5,))
    x = torch.rand(2, 3, 2, 2)
    assert torch.allclose(model.module(x), plain.module((x - 0.25) / 0.5), atol=1e-6)
    assert model.fingerprint != plain.fingerprint
    assert not model.module.training


def test_one_that_the_source_says_is_not_overruled(tmp_path, network):
    said = {
        "architecture": "resnet20",
        "num_classes": "10",
        "shape": "[3, 32, 32]",
        "mean": "[0.5,0.5,0.5]",
        "std": "[1,1,1]",
    }
    path = tmp_path / "w.safetensors"
    save_weights(network, path, said)
    assert load(path, mean=(0.5,)).fingerprint == load(path).fingerprint
    assert refused(lambda: load(path, mean=(0.25,))) == (
        f"{path} says its own normalisation: mean 0.5,0.5,0.5, std 1,1,1, asked was mean 0.25,0.25,0.25, std 1,1,1; "
        "leave mean and std out"
    )


def test_numbers_that_fit_no_picture(checkpoint):
    assert refused(lambda: load(checkpoint, mean=(0.5, 0.5))) == (
        f"mean must have one number, or one for each of 3 channels of {checkpoint}, got 2"
    )
    for name, value, rule in (
        ("mean", "123.7,116.3,103.5", "in [0, 1]"),
        ("std", 58.4, "in (0, 1]"),
        ("std", "0", "in (0, 1]"),
    ):
        said = refused(lambda name=name, value=value: Subject(model="m", data="d", **{name: value}), ValueError)
        assert said == (
            f"{name} must be {rule}, in units of pixels in [0, 1], got {value!r}; divide by 255 what is in 0..255"
        )
    assert refused(lambda: Subject(model="m", data="d", mean="half"), ValueError) == (
        "mean must be a number, or numbers with commas between them, got 'half'"
    )
    assert Subject(model="m", data="d", mean=[0.5, 0.25]).mean == Subject(model="m", data="d", mean="0.5,0.25").mean


def test_an_ensemble_has_one_of_each_member(checkpoint, tmp_path):
    other = build("resnet20", num_classes=10, shape=SHAPE)
    torch.save({"arch": "cifar_resnet20", "state_dict": other.state_dict()}, tmp_path / "d.pth.tar")
    both = load([checkpoint, tmp_path / "d.pth.tar"], mean=MEAN)
    assert all(member.module.normalize.std.flatten().tolist() == [1, 1, 1] for member in both.members)
    assert refused(lambda: with_normalisation(both, MEAN, None)).endswith("give each member its own in a FILE.py")

import errno
import os

import pytest
import torch

from noiseproof.errors import ModelError
from noiseproof.models import build, load_weights, save_weights


def test_tensors_and_metadata_come_back(tmp_path):
    module = build("resnet20", num_classes=3, shape=(1, 8, 8)).to(memory_format=torch.channels_last)
    save_weights(module, tmp_path / "w.safetensors", {"architecture": "resnet20", "sigma": "0.25"})
    tensors, metadata = load_weights(tmp_path / "w.safetensors")
    assert metadata == {"architecture": "resnet20", "sigma": "0.25"}
    state = module.state_dict()
    assert tensors.keys() == state.keys()
    assert all(torch.equal(tensors[key], state[key]) for key in state)
    assert [file.name for file in tmp_path.iterdir()] == ["w.safetensors"]


def test_equal_weights_are_equal_files(tmp_path):
    module = torch.nn.Linear(3, 2)
    told = {name: name.upper() for name in "hgfedcba"} | {"names": "ärger"}
    for turn in range(6):  # the order that the package gives them differs from call to call
        said = dict(sorted(told.items(), reverse=turn % 2 == 0))
        save_weights(module, tmp_path / f"{turn}.safetensors", said)
        assert load_weights(tmp_path / f"{turn}.safetensors")[1] == told
    assert len({file.read_bytes() for file in tmp_path.iterdir()}) == 1


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "w.safetensors"
    save_weights(torch.nn.Linear(1, 1), path, {"which": "old"})

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left"):
        save_weights(torch.nn.Linear(1, 1), path, {"which": "new"})
    assert load_weights(path)[1] == {"which": "old"}
    assert [file.name for file in tmp_path.iterdir()] == ["w.safetensors"]


def test_no_file(tmp_path):
    with pytest.raises(ModelError, match=r"^no such file: .*none; expected weights in a .safetensors file$"):
        load_weights(tmp_path / "none")


@pytest.mark.parametrize("keep", [5, 100, -1])
def test_a_truncated_file(tmp_path, keep):
    path = tmp_path / "w.safetensors"
    save_weights(torch.nn.Linear(100, 10), path, {})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ModelError, match=r"is not a readable safetensors file .*; copy it again or train it again$"):
        load_weights(path)

"""Files that are called like a model and are something else: each is told for what it is, with what to do."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import tarfile
import zipfile

import numpy as np
import pytest
import torch
from torch import nn

from noiseproof.errors import ModelError
from noiseproof.models import load
from noiseproof.models.file_kind import CHECKPOINT, PROGRAM, SAFETENSORS, other_kind
from noiseproof.models.weights import save_weights

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
NETWORK = nn.Linear(2, 2)


def zipped(*names: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return packed.getvalue()


def tarred() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("model.pt"))
    return packed.getvalue()


def checkpoint(*, legacy: bool = False) -> bytes:
    written = io.BytesIO()
    torch.save(NETWORK.state_dict(), written, _use_new_zipfile_serialization=not legacy)
    return written.getvalue()


def safetensors(folder) -> bytes:
    save_weights(NETWORK, folder / "w.safetensors", {})
    return (folder / "w.safetensors").read_bytes()


def npz() -> bytes:
    written = io.BytesIO()
    np.savez(written, weight=np.zeros(3))
    return written.getvalue()


KINDS = {
    "pointer": (LFS, "a pointer of Git LFS, not the file; fetch it with `git lfs pull`"),
    "empty": (b"", "empty; copy it again"),
    "page": (b"\n<!DOCTYPE html><html>", "a web page, not the file; download it again by its direct address"),
    "gzip": (gzip.compress(b"x"), "a compressed file; unpack it, and give what was in it"),
    "tar": (tarred(), "a tar archive; unpack it, and give what was in it"),
    "pickle": (pickle.dumps({"a": np.zeros(3)}), "a pickle, and nothing in it was run; save module.state_dict() with"),
    "keras": (b"\x89HDF\r\n\x1a\n" + b"0" * 99, "an HDF5 file, as Keras writes them; export the model to ONNX, or"),
    "keras 3": (zipped("config.json", "model.weights.h5"), "a model of Keras; export it to ONNX, or give FILE.py:NAME"),
    "lite": (b"\x1c\0\0\0TFL3" + b"0" * 99, "a model of TensorFlow Lite; export it to ONNX, or give FILE.py:NAME"),
    "npz": (npz(), "a file of NumPy arrays; save tensors: torch.save({name: torch.from_numpy(array) for name, "),
    "zip": (zipped("a/model.pt", "b.txt"), "an archive of other things (a/model.pt, b.txt); unpack it, and give what"),
    "index": (json.dumps({"metadata": {}, "weight_map": {}}).encode(), "the index of weights in several files; give "),
    "script": (zipped("net/data.pkl", "net/constants.pkl"), "a TorchScript program, and nothing in it was run; give "),
}


@pytest.mark.parametrize("suffix", ["pt", "pth.tar", "bin", "safetensors", "pt2", "onnx", "weights"])
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_told_whatever_it_is_called(tmp_path, kind, suffix):
    if suffix == "onnx":
        pytest.importorskip("onnx")
        pytest.importorskip("onnxruntime")
    content, says = KINDS[kind]
    path = tmp_path / f"model.{suffix}"
    path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        load(path, arch=None if suffix in ("pt2", "onnx") else "lenet")
    assert str(caught.value).startswith(f"{path} is {says}")
    assert "\n" not in str(caught.value)


def test_files_of_ours_under_the_suffix_of_others(tmp_path):
    path = tmp_path / "x"
    torch.export.save(torch.export.export(NETWORK, (torch.zeros(1, 2),)), tmp_path / "w.pt2")
    for content, kind in (
        (checkpoint(), CHECKPOINT),
        (checkpoint(legacy=True), CHECKPOINT),
        (safetensors(tmp_path), SAFETENSORS),
        ((tmp_path / "w.pt2").read_bytes(), PROGRAM),
    ):
        path.write_bytes(content)
        assert other_kind(path) == kind
    assert [kind.rpartition(" ")[2] for kind in (CHECKPOINT, SAFETENSORS, PROGRAM)] == [".pt", ".safetensors", ".pt2"]


def test_a_damaged_file_of_its_own_kind_is_not_told_to_be_called_as_it_is(tmp_path):
    for name, content, says in (
        ("a.pt", checkpoint(legacy=True)[:300], "is not a readable checkpoint ("),
        ("a.safetensors", safetensors(tmp_path)[:-1], "is not a readable safetensors file ("),
        ("a.pt2", zipped("a/archive_format"), "is refused, and nothing in it was run: it has no models/model.json"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ModelError) as caught:
            load(tmp_path / name, arch=None if name == "a.pt2" else "lenet")
        assert f"{tmp_path / name} {says}" in str(caught.value)


def test_what_cannot_be_told_is_not_guessed(tmp_path):
    (tmp_path / "a").write_bytes(b"hello world")
    assert other_kind(tmp_path / "a") == other_kind(tmp_path) == other_kind(tmp_path / "nowhere") == ""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from noiseproof.data import DATA_SETS, load
from noiseproof.errors import DataError


def put(folder, files):
    folder.mkdir(parents=True)
    for name, raw in files.items():
        (folder / name).write_bytes(raw)


@pytest.mark.parametrize(("split", "prefix"), [("train", "train"), ("test", "t10k")])
def test_a_split_has_its_own_pictures_and_labels(tmp_path, tiny, tiny_files, tiny_arrays, split, prefix):
    put(tmp_path / "tiny", tiny_files)
    data = tiny.load(split, tmp_path)
    assert data.name == f"tiny:{split}"
    assert data.classes == ("cat", "dog")
    assert data.shape == (1, 2, 3)
    assert np.array_equal(data.images()[:, 0], tiny_arrays[f"{prefix}-images-idx3-ubyte.gz"])
    assert np.array_equal(data.labels, tiny_arrays[f"{prefix}-labels-idx1-ubyte.gz"])


def test_one_split_is_enough(tmp_path, tiny, tiny_files):
    put(tmp_path / "tiny", {name: raw for name, raw in tiny_files.items() if name.startswith("t10k")})
    assert len(tiny.load("test", tmp_path)) == 3
    (tmp_path / "tiny" / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match=r"^no tiny:test in .*tiny lacks t10k-labels-idx1-ubyte.gz\); run"):
        tiny.load("test", tmp_path)


def test_a_missing_set_names_the_places_and_the_remedies(tmp_path, tiny, bare_disk, monkeypatch):
    monkeypatch.setenv("NOISEPROOF_DATA", str(tmp_path / "chosen"))
    monkeypatch.setattr("noiseproof.data.places.SYSTEM", tmp_path / "system")
    with pytest.raises(DataError) as error:
        tiny.load("test", tmp_path)
    assert str(error.value) == (
        f"no tiny:test in {tmp_path}/tiny, {tmp_path}/chosen/tiny, {bare_disk}/.cache/noiseproof/tiny, "
        f"{tmp_path}/system/tiny; run `noiseproof data get tiny`, or ask a friend"
    )


def test_a_truncated_file_names_itself_and_the_remedy(tmp_path, tiny, tiny_files):
    put(tmp_path / "tiny", tiny_files)
    broken = tmp_path / "tiny" / "t10k-images-idx3-ubyte.gz"
    broken.write_bytes(broken.read_bytes()[:-9])
    with pytest.raises(DataError) as error:
        tiny.load("test", tmp_path)
    assert str(error.value).startswith(f"{broken}: expected a whole gzip stream, found ")
    assert str(error.value).endswith("; delete it and run `noiseproof data get tiny`")


def test_pictures_and_labels_that_do_not_belong_together_are_refused(tmp_path, tiny, tiny_files, to_idx):
    put(tmp_path / "tiny", tiny_files)
    labels = to_idx(np.zeros(2, dtype=np.uint8))
    (tmp_path / "tiny" / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    with pytest.raises(DataError, match=r"^tiny:test: expected one label a picture, found 3 pictures"):
        tiny.load("test", tmp_path)


@pytest.mark.parametrize(("name", "below"), [("mnist", "MNIST"), ("fashion-mnist", "FashionMNIST")])
def test_torchvision_s_folder_is_found_gzipped_or_not(tmp_path, tiny_files, name, below):
    folder = tmp_path / below / "raw"
    folder.mkdir(parents=True)
    for file, raw in tiny_files.items():
        plain = file.startswith("t10k")
        (folder / (file.removesuffix(".gz") if plain else file)).write_bytes(gzip.decompress(raw) if plain else raw)
    data = load(name, root=tmp_path)
    assert (data.name, data.shape, len(data)) == (f"{name}:test", (1, 2, 3), 3)
    assert len(load(f"{name}:train", root=tmp_path)) == 5
    assert DATA_SETS[name].where("test", tmp_path) == folder

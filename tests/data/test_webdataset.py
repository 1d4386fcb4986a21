from __future__ import annotations

import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from noiseproof.data import load
from noiseproof.errors import DataError

PICTURES = np.random.default_rng(20190213).integers(0, 256, (3, 4, 5), dtype=np.uint8)


def png(picture) -> bytes:
    Image.fromarray(picture).save(stream := io.BytesIO(), format="PNG")
    return stream.getvalue()


def shard(path, members):
    with tarfile.open(path, "w") as archive:
        for name, raw in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(raw)
            archive.addfile(member, io.BytesIO(raw))
    return str(path)


def samples(labels=(b"1", b"0\n", b"1"), kind="png"):
    members = {}
    for index, label in enumerate(labels):
        members |= {
            f"a/{index:03}.{kind}": png(PICTURES[index]),
            f"a/{index:03}.cls": label,
            f"a/{index:03}.json": b"{}",
        }
    return members


def test_a_sample_is_a_picture_and_its_label(tmp_path):
    data = load(shard(tmp_path / "d.tar", samples()))
    assert (data.name, data.shape, data.classes) == (f"{tmp_path}/d.tar", (1, 4, 5), ("0", "1"))
    assert data.labels.tolist() == [1, 0, 1]
    assert np.array_equal(data.images()[:, 0], PICTURES)


def test_shards_follow_each_other(tmp_path):
    for number in range(3):
        shard(tmp_path / f"d-{number:03}.tar", {"x.png": png(PICTURES[number]), "x.cls": str(number).encode()})
    data = load(f"{tmp_path}/d-{{000..002}}.tar:classes=3")
    assert data.labels.tolist() == [0, 1, 2]
    assert np.array_equal(data.images()[:, 0], PICTURES)
    assert len(load(f"{tmp_path}/d-{{001..002}}.tar")) == 2
    with pytest.raises(DataError, match=r"d-003\.tar: expected a whole tar file, found: no such file; get it again$"):
        load(f"{tmp_path}/d-{{000..003}}.tar")
    with pytest.raises(ValueError, match=r"^shards must be \{FIRST\.\.LAST\}, at most 100,000, got \{5\.\.1\} in "):
        load(f"{tmp_path}/d-{{5..1}}.tar")


def test_labels_by_name_need_their_order(tmp_path):
    spec = shard(tmp_path / "d.tar", samples((b"dog", b"cat", b"dog")))
    with pytest.raises(DataError, match=r"the labels in its \.cls files are text \('cat', 'dog'\)"):
        load(spec)
    assert load(f"{spec}:classes=dog+cat").labels.tolist() == [0, 1, 0]


def test_samples_that_are_not_whole_are_counted_and_left_out(tmp_path, caplog):
    members = samples()
    del members["a/001.cls"], members["a/002.png"]
    data = load(shard(tmp_path / "d.tar", members))
    assert len(data) == 1
    assert f"2 of 3 samples have no picture or no .cls, and were left out: {tmp_path}/d.tar: a/001" in caplog.text


def test_a_shard_without_such_samples_names_what_it_has(tmp_path):
    spec = shard(tmp_path / "d.tar", {"a.npy": b"x", "b.txt": b"y"})
    with pytest.raises(DataError, match=r"\(0001\.jpg and 0001\.cls\), found a\.npy, b\.txt; write such shards$"):
        load(spec)


def test_pictures_of_two_sizes_may_be_resized(tmp_path):
    members = samples() | {"a/002.png": png(PICTURES[2][:3])}
    spec = shard(tmp_path / "d.tar", members)
    with pytest.raises(
        DataError, match=rf"a/002: expected 5x4 grey as .*a/000 is, found 5x3 grey; .*{spec}:resize=5x4$"
    ):
        load(spec)
    assert load(f"{spec}:resize=5x4").shape == (1, 4, 5)


def test_a_damaged_picture_keeps_its_place(tmp_path):
    data = load(shard(tmp_path / "d.tar", samples() | {"a/001.png": b"no picture"}))
    assert list(data.pictures.unreadable) == [1]
    with pytest.raises(DataError, match="a/001: expected a picture"):
        data.pixels(1)

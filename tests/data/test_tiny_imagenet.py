from __future__ import annotations

import pytest
from PIL import Image

from noiseproof.data import load
from noiseproof.errors import DataError

WNIDS = ["n02", "n01"]


def picture(path, value, mode="RGB", size=(64, 64)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value if mode == "L" else (value, 0, 0)).save(path, format="PNG")


@pytest.fixture(params=["tiny-imagenet-200", "tiny-imagenet", "tiny-imagenet/tiny-imagenet-200"])
def tiny(request, tmp_path):
    place = tmp_path / request.param
    for number, wnid in enumerate(WNIDS):
        picture(place / "train" / wnid / "images" / f"{wnid}_0.JPEG", 10 + number)
        (place / "train" / wnid / f"{wnid}_boxes.txt").write_text("boxes\n")
    for number in range(3):
        picture(place / "val" / "images" / f"val_{number}.JPEG", 20 + number, mode="L" if number == 2 else "RGB")
    (place / "val" / "val_annotations.txt").write_text(
        "val_2.JPEG\tn02\t0\t0\t9\t9\nval_0.JPEG\tn01\t0\t0\t9\t9\nval_1.JPEG\tn02\t0\t0\t9\t9\n"
    )
    return place


def test_train_and_val_are_read_as_they_unpack(tiny, tmp_path, caplog):
    train = load("tiny-imagenet:train", root=tmp_path)
    assert (train.classes, train.shape) == (("n01", "n02"), (3, 64, 64))
    assert [(int(train.pixels(i)[0, 0, 0]), train[i][1]) for i in range(2)] == [(11, 0), (10, 1)]
    val = load("tiny-imagenet", root=tmp_path)
    assert val.name == "tiny-imagenet:val"
    assert [(int(val.pixels(i)[0, 0, 0]), val[i][1]) for i in range(3)] == [(22, 1), (20, 0), (21, 1)]
    assert val.pixels(0)[:, 0, 0].tolist() == [22, 22, 22]  # a grey one
    assert not caplog.records


def test_the_classes_are_in_the_order_of_their_names(tiny, tmp_path):
    more = [f"n{(37 * k) % 101:02}" for k in range(3, 40)]
    for wnid in more:
        (tiny / "train" / wnid / "images").mkdir(parents=True, exist_ok=True)
    assert load("tiny-imagenet:train", root=tmp_path).classes == tuple(sorted({"n01", "n02", *more}))


def test_a_val_in_class_folders_is_read_too(tiny, tmp_path):
    (tiny / "val" / "val_annotations.txt").unlink()
    picture(tiny / "val" / "n02" / "a.JPEG", 33)
    assert [(int(p[0][0, 0, 0] * 255), p[1]) for p in [load("tiny-imagenet", root=tmp_path)[0]]] == [(33, 1)]


def test_what_is_left_out_is_counted_and_named(tiny, tmp_path, caplog):
    picture(tiny / "val" / "images" / "more.JPEG", 1)
    load("tiny-imagenet", root=tmp_path)
    assert "1 entries are no pictures that can be read here, and were passed over: more.JPEG" in caplog.text


def test_a_row_without_its_picture_and_a_stranger_are_refused(tiny, tmp_path):
    table = tiny / "val" / "val_annotations.txt"
    table.write_text("val_9.JPEG\tn01\n")
    with pytest.raises(DataError, match=r"a line, found: no file images/val_9\.JPEG; unpack the archive again$"):
        load("tiny-imagenet", root=tmp_path)
    table.write_text("val_0.JPEG\tn77\n")
    with pytest.raises(DataError, match=r"expected pictures of the 2 classes in .*train, found n77; unpack"):
        load("tiny-imagenet", root=tmp_path)


def test_a_picture_of_another_size_is_refused(tiny, tmp_path):
    picture(tiny / "val" / "images" / "val_0.JPEG", 1, size=(32, 64))
    with pytest.raises(DataError, match=r"val_0\.JPEG: expected 64x64 RGB, found 32x64 RGB; get the data set again$"):
        load("tiny-imagenet", root=tmp_path).pixels(1)

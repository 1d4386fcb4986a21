from __future__ import annotations

import tarfile

import numpy as np
import pytest
from PIL import Image

from noiseproof.data import load
from noiseproof.errors import DataError

RNG_SEED = 20190213


@pytest.fixture
def arrays():
    rng = np.random.default_rng(RNG_SEED)
    return [rng.integers(0, 256, (4, 5, 3), dtype=np.uint8) for _ in range(4)]


@pytest.fixture
def tree(tmp_path, arrays):
    """Two classes of lossless RGB pictures, 5 wide and 4 high, made in another order than sorted."""
    root = tmp_path / "pets"
    for place, array in zip(("dog/2.png", "cat/b.bmp", "dog/10.PNG", "cat/a.png"), arrays, strict=True):
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(root / place)
    return root


def refused(root):
    with pytest.raises(DataError) as error:
        load(f"folder:{root}")
    assert "\n" not in str(error.value)
    return str(error.value)


def refused_at(root, index):
    """What is said of one picture; all others can be had."""
    data = load(f"folder:{root}")
    for other in set(range(len(data))) - {index}:
        assert data.pixels(other).shape == data.shape
    with pytest.raises(DataError) as error:
        data.pixels(index)
    assert data.pictures.unreadable == {index: str(error.value)}
    assert "\n" not in str(error.value)
    return str(error.value)


def test_subfolders_are_classes_and_everything_is_sorted(tree, arrays):
    data = load(f"folder:{tree}")
    assert data.name == f"folder:{tree}"
    assert data.classes == ("cat", "dog")
    assert data.labels.tolist() == [0, 0, 1, 1]
    assert data.shape == (3, 4, 5)
    expected = np.stack([arrays[3], arrays[1], arrays[2], arrays[0]]).transpose(0, 3, 1, 2)
    assert np.array_equal(data.images(), expected)
    assert np.array_equal(data.pixels(3), expected[3])


def test_grey_pictures_have_one_channel(tmp_path):
    (tmp_path / "a").mkdir()
    grey = np.arange(20, dtype=np.uint8).reshape(4, 5)
    Image.fromarray(grey).save(tmp_path / "a" / "x.png")
    data = load(f"folder:{tmp_path}")
    assert data.shape == (1, 4, 5)
    assert np.array_equal(data.pixels(0), grey[None])


def test_a_palette_picture_is_its_colours(tmp_path):
    (tmp_path / "a").mkdir()
    picture = Image.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 40, 50, 60])
    picture.putdata([1, 0])
    picture.save(tmp_path / "a" / "x.png")
    pixels = load(f"folder:{tmp_path}").pixels(0)
    assert pixels.tolist() == [[[40, 10]], [[50, 20]], [[60, 30]]]


def test_files_that_are_no_pictures_and_hidden_ones_are_passed_over(tree):
    (tree / "cat" / "notes.txt").write_text("not a picture")
    (tree / "cat" / "._a.png").write_text("not a picture")
    (tree / ".git").mkdir()
    (tree / "labels.csv").write_text("a,b")
    assert len(load(f"folder:{tree}")) == 4
    assert load(f"folder:{tree}").classes == ("cat", "dog")


def test_the_home_folder_may_be_written_with_a_tilde(tree, monkeypatch):
    monkeypatch.setenv("HOME", str(tree.parent))
    assert load("folder:~/pets").name == "folder:~/pets"


def test_the_first_odd_picture_is_named_with_its_size(tree, arrays):
    Image.fromarray(arrays[0][:, :4]).save(tree / "dog" / "2.png")
    Image.fromarray(arrays[0][:3]).save(tree / "dog" / "3.png")
    assert refused(tree) == (
        f"{tree}/dog/2.png: expected 5x4 RGB as {tree}/cat/a.png is, found 4x4 RGB; make all pictures one shape"
    )


def test_a_grey_picture_among_rgb_is_odd(tree, arrays):
    Image.fromarray(arrays[0][:, :, 0]).save(tree / "dog" / "2.png")
    assert refused(tree).startswith(f"{tree}/dog/2.png: expected 5x4 RGB as {tree}/cat/a.png is, found 5x4 grey;")


@pytest.mark.parametrize(
    ("mode", "found"),
    [("RGBA", "mode RGBA"), ("LA", "mode LA"), ("I;16", "mode I;16"), ("P", "transparency")],
)
def test_transparency_and_more_than_eight_bits_are_refused(tree, mode, found):
    arguments = {"transparency": 0} if mode == "P" else {}
    Image.new(mode, (5, 4)).save(tree / "cat" / "b2.png", **arguments)
    assert refused_at(tree, 2) == (
        f"{tree}/cat/b2.png: expected 8-bit grey or RGB without transparency, found {found}; convert the file"
    )


def test_a_file_that_is_no_picture_is_named(tree):
    (tree / "dog" / "2.png").write_text("not a picture")
    assert refused_at(tree, 3) == f"{tree}/dog/2.png: expected a picture, found no picture; replace or remove the file"


def test_the_first_picture_that_can_be_read_says_the_shape(tree):
    (tree / "cat" / "a.png").write_text("not a picture")
    assert refused_at(tree, 0) == f"{tree}/cat/a.png: expected a picture, found no picture; replace or remove the file"
    for file in tree.rglob("*.*"):
        file.write_text("not a picture")
    assert refused(tree) == f"{tree}/cat/a.png: expected a picture, found no picture; replace or remove the file"


def test_a_truncated_picture_is_named_when_it_is_decoded(tree):
    file = tree / "dog" / "2.png"
    file.write_bytes(file.read_bytes()[:60])
    data = load(f"folder:{tree}")
    with pytest.raises(DataError, match=rf"^{file}: expected a whole picture, found: .*; replace the file$"):
        data.pixels(3)


def test_a_picture_that_changes_while_in_use_is_refused(tree, arrays):
    data = load(f"folder:{tree}")
    Image.fromarray(arrays[0][:3]).save(tree / "cat" / "a.png")
    with pytest.raises(DataError, match=r"a\.png changed while the data set was in use; load the data set again$"):
        data.pixels(0)


@pytest.mark.parametrize("path", ["", "absent"])
def test_a_missing_folder_is_refused(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    assert refused(path) == (f"folder:{path}: expected a folder of class folders, found none; give an existing path")


def test_a_folder_without_classes_is_refused(tmp_path):
    folder = tmp_path / "flat"
    folder.mkdir()
    Image.new("RGB", (2, 2)).save(folder / "x.png")
    assert refused(folder) == (
        f"folder:{folder}: expected a subfolder for each class, found none; put one folder a class there"
    )


def test_an_empty_class_is_refused(tree):
    (tree / "cow").mkdir()
    assert refused(tree) == (
        f"{tree}/cow: expected pictures of the class 'cow', found none; put pictures there or remove the folder"
    )


def test_a_folder_of_splits_is_told_from_a_folder_of_classes(tree):
    assert refused(tree.parent).endswith(
        f"{tree}: expected pictures of the class 'pets', found none; did you mean folder:{tree}?"
    )


def test_a_tree_of_jpeg_pictures_loads(tmp_path, shared):
    """The first pictures of CIFAR-10 in JPEG, which lie in the archive class by class."""
    archive = shared / "data" / "cifar10-jpeg.tar.xz"
    if not archive.is_file():
        pytest.skip(f"no {archive}")
    with tarfile.open(archive, "r|xz") as stream:
        for _ in range(12):
            stream.extract(stream.next(), tmp_path, filter="data")
    data = load(f"folder:{tmp_path / 'test'}")
    assert data.classes == ("airplane",)
    assert data.shape == (3, 32, 32)
    assert len(data) == 10
    first = np.asarray(Image.open(tmp_path / "test" / "airplane" / "0000.jpg"))
    assert np.array_equal(data.pixels(0), first.transpose(2, 0, 1))
    assert data[9][1] == 0

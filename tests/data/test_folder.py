from __future__ import annotations

import struct
import tarfile
import zlib

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
        f"{tree}/dog/2.png: expected 5x4 RGB as {tree}/cat/a.png is, found 4x4 RGB; make all pictures one shape, "
        f"or let the data set be of resized ones: folder:{tree}:resize=5x4"
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


@pytest.mark.parametrize("path", ["~absent", "absent"])
def test_a_missing_folder_is_refused(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    assert refused(path) == (f"folder:{path}: expected a folder of class folders, found none; give an existing path")


def test_a_folder_without_classes_is_refused(tmp_path):
    folder = tmp_path / "flat"
    folder.mkdir()
    Image.new("RGB", (2, 2)).save(folder / "x.png")
    assert refused(folder) == (
        f"folder:{folder}: expected a subfolder for each class, found none; put one folder a class there; "
        f"of one class, give the folder above, folder:{tmp_path}"
    )
    (folder / "x.png").unlink()
    assert refused(folder).endswith("put one folder a class there")


def test_an_empty_class_keeps_its_place_and_is_named(tree, caplog):
    (tree / "cow").mkdir()
    data = load(f"folder:{tree}")
    assert data.classes == ("cat", "cow", "dog")
    assert data.labels.tolist() == [0, 0, 2, 2]
    assert caplog.messages == [f"folder:{tree}: no pictures of 1 classes: cow"]


def test_a_folder_whose_classes_are_all_empty_is_refused(tmp_path):
    (tmp_path / "cow").mkdir()
    assert refused(tmp_path) == (
        f"{tmp_path}/cow: expected pictures of the class 'cow', found none; put pictures there or remove the folder"
    )


@pytest.mark.parametrize("name", ["x.jfif", "x.jpe", "x.JPEG", "x.apng", "x.pnm", "x.dib", "x", "x.img", "x.png.bak"])
def test_what_pillow_reads_is_read_whatever_it_is_called(tree, arrays, name, caplog):
    kind = {"jfif": "JPEG", "jpe": "JPEG", "JPEG": "JPEG", "pnm": "PPM", "dib": "DIB"}.get(name.partition(".")[2])
    Image.fromarray(arrays[0]).save(tree / "dog" / name, kind or "PNG")
    data = load(f"folder:{tree}")
    assert data.labels.tolist() == [0, 0, 1, 1, 1]
    assert data.pixels(4).shape == (3, 4, 5)
    assert not caplog.messages


def test_what_is_passed_over_is_counted_and_named(tree, caplog):
    (tree / "dog" / "1.avif").write_bytes(b"\0\0\0\x1cftypavif")
    (tree / "dog" / "deep").mkdir()
    (tree / "x.png").touch()
    assert len(load(f"folder:{tree}")) == 4
    assert caplog.messages == [
        f"folder:{tree}: 3 entries are no pictures that can be read here, and were passed over: x.png, dog/1.avif, "
        "dog/deep; convert pictures to PNG"
    ]


def png_of_16_bits(colour, channels):
    """A PNG of 5 x 4 as its standard says it; 2 is RGB, 4 grey and 6 RGB with transparency."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", 5, 4, 16, colour, 0, 0, 0)),
        (b"IDAT", zlib.compress((b"\0" + bytes(range(1, 1 + 10 * channels))) * 4)),
        (b"IEND", b""),
    ]
    parts = [struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def tiff_of_16_bits():
    """An uncompressed RGB TIFF of 5 x 4, two bytes a channel."""
    entries = [(256, 3, 1, 5), (257, 3, 1, 4), (258, 3, 3, 122), (259, 3, 1, 1), (262, 3, 1, 2), (273, 4, 1, 128)]
    entries += [(277, 3, 1, 3), (278, 3, 1, 4), (279, 4, 1, 120)]
    head = b"II*\0" + struct.pack("<IH", 8, len(entries)) + b"".join(struct.pack("<HHII", *each) for each in entries)
    return head + struct.pack("<IHHH", 0, 16, 16, 16) + bytes(range(120))


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("b2.png", png_of_16_bits(2, 3), "16 bits a channel"),
        ("b2.tif", tiff_of_16_bits(), "16 bits a channel"),
        ("b2.ppm", b"P6 5 4 65535\n" + bytes(120), "16 bits a channel"),
        ("b2.ppm", b"P6 5 4 1023\n" + bytes(120), "16 bits a channel"),
        ("b2.pgm", b"P5 5 4 65535\n" + bytes(40), "mode I"),
        ("b2.png", png_of_16_bits(4, 2), "mode RGBA"),
    ],
)
def test_a_low_byte_is_never_dropped(tree, name, content, found):
    (tree / "cat" / name).write_bytes(content)
    assert refused_at(tree, 2) == (
        f"{tree}/cat/{name}: expected 8-bit grey or RGB without transparency, found {found}; convert the file"
    )


@pytest.mark.parametrize("name", ["b2.gif", "b2.png", "b2.webp", "b2.tif"])
def test_an_animation_is_more_than_its_first_frame(tree, arrays, name):
    frames = [Image.fromarray(array) for array in arrays]
    frames[0].save(tree / "cat" / name, save_all=True, append_images=frames[1:])
    assert refused_at(tree, 2).endswith("found 4 frames; convert the file")


def test_a_folder_of_splits_is_told_from_a_folder_of_classes(tree):
    assert refused(tree.parent).endswith(
        f"{tree}: expected pictures of the class 'pets', found none; did you mean folder:{tree}?"
    )


@pytest.mark.parametrize("split", ["train", "val", "Testing", "valid"])
def test_a_split_is_suggested_and_a_class_is_not(tree, tmp_path, split):
    tree.rename(tmp_path / split)
    (tmp_path / "pets" / "other").mkdir(parents=True)
    (tmp_path / split).rename(tmp_path / "pets" / split)
    assert refused(tree).endswith(f"did you mean folder:{tree}/{split}?")
    (tmp_path / "pets" / "other").rmdir()
    (tree / "few").mkdir()
    (tree / split / "cat" / "a.png").rename(tree / "few" / "a.png")  # a class of its own, as it seems
    assert refused(tree).endswith(f"did you mean folder:{tree}/{split}?")


def test_pictures_that_lie_too_deep_are_named(tree):
    (tree / "cat" / "more").mkdir()
    for name in ("a.png", "b.bmp"):
        (tree / "cat" / name).rename(tree / "cat" / "more" / name)
    said = f"{tree}/cat: expected pictures of the class 'cat', found none; "
    assert refused(tree) == said + f"its folder more is no class; put its pictures into {tree}/cat itself"


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


def test_pictures_of_several_sizes_may_be_resized_as_part_of_the_data(tree, arrays):
    Image.fromarray(np.full((8, 9, 3), 40, np.uint8)).save(tree / "dog" / "2.png")
    assert f"or let the data set be of resized ones: folder:{tree}:resize=5x4" in refused(tree)
    data = load(f"folder:{tree}:resize=5x4")
    assert data.name == f"folder:{tree}:resize=5x4"
    assert (data.shape, data.pictures.unreadable) == ((3, 4, 5), {})
    assert np.array_equal(data.pixels(1), arrays[1].transpose(2, 0, 1))  # of this size already: as it was
    assert (data.pixels(3) == 40).all()
    assert load(f"folder:{tree}:resize=2").shape == (3, 2, 2)


def test_resizing_cuts_to_the_proportions_about_the_centre(tmp_path):
    (tmp_path / "a").mkdir()
    wide = np.full((4, 12, 3), 200, np.uint8)
    wide[:, :2] = wide[:, -2:] = 0  # the middle third is the square that is kept
    Image.fromarray(wide).save(tmp_path / "a" / "x.png")
    assert (load(f"folder:{tmp_path}:resize=2").pixels(0) == 200).all()


@pytest.mark.parametrize("size", ["0", "5x", "big", "99999"])
def test_a_size_that_is_none_is_refused(tree, size):
    with pytest.raises(ValueError, match=rf"^resize must be a size in pixels, as 32x32 .* got '{size}'$"):
        load(f"folder:{tree}:resize={size}")

import csv
import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from noiseproof.data import load
from noiseproof.data.dataset import WholePictures
from noiseproof.errors import DataError

WNIDS = [f"n{1_000_000 + 17 * number:08d}" for number in range(1000)]


@pytest.fixture
def pixels():
    return np.random.default_rng(20190213).integers(0, 256, (300, 400, 3), dtype=np.uint8)


@pytest.fixture
def val(tmp_path, pixels):
    """All class folders, made in another order than sorted, and three pictures."""
    folder = tmp_path / "imagenet" / "val"
    for wnid in WNIDS[::-1]:
        (folder / wnid).mkdir(parents=True)
    for place in (f"{WNIDS[999]}/b.png", f"{WNIDS[3]}/z.png", f"{WNIDS[3]}/a.PNG"):
        Image.fromarray(pixels).save(folder / place)
    return folder


def table(folder, rows, header="file,index,wnid,name"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "labels.csv").write_text("\n".join([header, *rows]) + "\n")


def refused(spec, root):
    with pytest.raises(DataError) as error:
        load(spec, root=root)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_class_folders(tmp_path, val):
    (val / WNIDS[3] / "notes.txt").touch()
    (val / WNIDS[3] / "._a.png").touch()
    (val / "other").mkdir()
    data = load("imagenet:val", root=tmp_path)
    assert data.name == "imagenet:val"
    assert data.classes == tuple(WNIDS)
    assert data.labels.tolist() == [3, 3, 999]
    assert data.shape == data.pixels(0).shape == (3, 224, 224)
    assert data.pixels(0).dtype == np.uint8


def test_whole_pictures_and_what_is_known_of_their_files(tmp_path, val, pixels):
    pictures = load("imagenet:val", root=tmp_path).pictures
    assert isinstance(pictures, WholePictures)
    assert np.array_equal(pictures.whole(0), pixels.transpose(2, 0, 1))
    stamp = pictures.stamp()
    assert load("imagenet:val", root=tmp_path).pictures.stamp() == stamp
    Image.fromarray(pixels[:200]).save(val / WNIDS[3] / "z.png")
    assert load("imagenet:val", root=tmp_path).pictures.stamp() != stamp


def test_the_root_may_be_the_folder_itself_and_test_means_val(tmp_path, val):
    assert load("imagenet", root=val.parent).name == "imagenet:val"
    (val.parent / "train").symlink_to(val)
    assert load("imagenet:train", root=tmp_path).name == "imagenet:train"


def test_a_picture_is_decoded_when_asked_for(tmp_path, val):
    (val / WNIDS[3] / "a.PNG").write_bytes(b"nothing")
    data = load("imagenet:val", root=tmp_path)
    data.pixels(1)
    with pytest.raises(DataError, match=r"/a\.PNG: expected a picture, found no picture; replace or remove the file$"):
        data.pixels(0)


@pytest.mark.parametrize(
    ("size", "resized"),
    [((300, 400), (256, 341)), ((400, 300), (341, 256)), ((500, 375), (341, 256)), ((100, 50), (512, 256))],
)
def test_it_is_resized_and_cropped_as_usual(tmp_path, val, size, resized):
    """The sizes are torchvision's for Resize(256): the longer side rounded down."""
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    picture.save(val / WNIDS[3] / "a.PNG")
    whole = np.asarray(picture.resize(resized, Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    left, top = round((resized[0] - 224) / 2), round((resized[1] - 224) / 2)
    assert np.array_equal(load("imagenet", root=tmp_path).pixels(0), whole[:, top : top + 224, left : left + 224])


def test_the_resize_is_antialiased(tmp_path, val):
    """A fine chessboard becomes an even grey; a bilinear resize without antialias would keep its contrast."""
    board = np.indices((1024, 1024)).sum(axis=0) % 2 * 255
    Image.fromarray(np.repeat(board[..., None], 3, axis=2).astype(np.uint8)).save(val / WNIDS[3] / "a.PNG")
    assert np.ptp(load("imagenet", root=tmp_path).pixels(0)) <= 2


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGBA", "P"])
def test_pictures_of_other_modes_become_rgb(tmp_path, val, pixels, mode):
    suffix = "tif" if mode == "CMYK" else "png"
    (val / WNIDS[3] / "a.PNG").unlink()
    Image.fromarray(pixels).convert(mode).save(val / WNIDS[3] / f"a.{suffix}")
    assert load("imagenet", root=tmp_path).pixels(0).shape == (3, 224, 224)


@pytest.mark.parametrize(
    ("saved", "found"),
    [
        (lambda pixels: Image.fromarray(np.dstack([pixels, pixels[:, :, 0]])), "transparency"),
        (lambda pixels: Image.fromarray(pixels[:, :, 0].astype(np.uint16) * 256), "mode I;16"),
    ],
)
@pytest.mark.parametrize("read", ["pixels", "whole"])
def test_nothing_is_lost_in_silence(tmp_path, val, pixels, saved, found, read):
    saved(pixels).save(val / WNIDS[3] / "a.PNG")
    data = load("imagenet", root=tmp_path)
    with pytest.raises(DataError) as error:
        getattr(data if read == "pixels" else data.pictures, read)(0)
    assert str(error.value) == (
        f"{val / WNIDS[3]}/a.PNG: expected 8-bit grey or RGB without transparency, found {found}; convert the file"
    )


def test_what_is_passed_over_is_counted_and_named(tmp_path, val, caplog):
    (val / WNIDS[3] / "a.avif").touch()
    (val / WNIDS[3] / "notes.txt").touch()
    (val / WNIDS[3] / "c.jfif").touch()
    assert len(load("imagenet:val", root=tmp_path)) == 4
    (said,) = caplog.messages
    assert said.startswith(f"{val}: 2 entries are no pictures that can be read here, and were passed over: {WNIDS[3]}/")


def test_a_class_folder_too_few_leaves_the_labels_unknown(tmp_path, val):
    (val / WNIDS[0]).rmdir()
    assert refused("imagenet:val", tmp_path) == (
        f"{val}: expected 1000 class folders, found 999: without all of them the labels are unknown; "
        "make the others too (empty ones will do) or write a labels.csv"
    )


@pytest.mark.parametrize("spec", ["imagenet:val", "imagenet", "imagenet:train"])
def test_a_flat_folder_is_told_from_none(tmp_path, pixels, spec):
    place = tmp_path / ("train" if spec.endswith("train") else "val")
    place.mkdir()
    Image.fromarray(pixels).save(place / "ILSVRC2012_val_00000001.JPEG")
    kit = "put ILSVRC2012_validation_ground_truth.txt and meta.mat of the development kit there, "
    kit = "" if spec.endswith("train") else kit
    assert refused(spec, tmp_path) == (
        f"{place}: expected a folder for each class, found pictures without, whose labels nothing says; {kit}move "
        "each into the folder of its WordNet id (n01440764, ...), or write a labels.csv there with the columns file "
        "and index"
    )


@pytest.mark.parametrize(("spec", "below"), [("val", "val"), ("sample", "sample"), ("sample", ".")])
def test_a_table(tmp_path, pixels, spec, below):
    folder = tmp_path / "imagenet" / below
    table(folder, ["x.png,17,n01580077,jay", 'sub/y.png,0,n01440764,"tench, Tinca"'])
    (folder / "sub").mkdir()
    Image.fromarray(pixels).save(folder / "x.png")
    Image.fromarray(255 - pixels).save(folder / "sub" / "y.png")
    data = load(f"imagenet:{spec}", root=tmp_path)
    assert data.name == f"imagenet:{spec}"
    assert data.labels.tolist() == [17, 0]
    assert len(data.classes) == 1000
    assert (data.classes[17], data.classes[0], data.classes[5]) == ("jay", "tench, Tinca", "5")
    assert data.pixels(0).astype(int).mean() + data.pixels(1).astype(int).mean() == pytest.approx(255, abs=1)


def test_a_table_with_a_byte_order_mark(tmp_path, pixels):
    """Spreadsheets write one before UTF-8."""
    folder = tmp_path / "imagenet" / "sample"
    table(folder, ["x.png,17,n01580077,jay"], "\ufefffile,index,wnid,name")
    Image.fromarray(pixels).save(folder / "x.png")
    assert load("imagenet:sample", root=tmp_path).labels.tolist() == [17]


def test_a_sample_is_never_taken_for_the_validation_set(tmp_path, pixels):
    table(tmp_path / "imagenet", ["x.png,17,n01580077,jay"])
    Image.fromarray(pixels).save(tmp_path / "imagenet" / "x.png")
    assert refused("imagenet", tmp_path).startswith(f"no imagenet:val in {tmp_path}")


@pytest.mark.parametrize(
    ("rows", "header", "found"),
    [
        (["x.png,1000,n1,a"], "file,index,wnid,name", "index 1000, outside [0, 1000)"),
        (["x.png,-1,n1,a"], "file,index,wnid,name", "index -1, outside [0, 1000)"),
        (["x.png,one,n1,a"], "file,index,wnid,name", "invalid literal for int() with base 10: 'one'"),
        (["y.png,1,n1,a"], "file,index,wnid,name", "no file {}/y.png"),
        (["x.png,1"], "file,label", "no column 'index' but file, label"),
        (["x.png;1"], "file;index", "no column 'index' but file;index"),
    ],
)
def test_a_wrong_table(tmp_path, pixels, rows, header, found):
    folder = tmp_path / "imagenet" / "sample"
    table(folder, rows, header)
    Image.fromarray(pixels).save(folder / "x.png")
    assert refused("imagenet:sample", tmp_path) == (
        f"{folder}/labels.csv: expected the columns file and index (0..999), found: {found.format(folder)}; "
        "mend the table"
    )


def test_an_empty_table(tmp_path):
    table(tmp_path, [])
    assert refused("imagenet:sample", tmp_path).startswith("imagenet:sample holds no picture; ")


def test_real_pictures(shared, tmp_path):
    """Three members of the shared sample, JPEG of many sizes."""
    with zipfile.ZipFile(shared / "data" / "imagenet-100.zip") as archive:
        rows = list(csv.reader(io.StringIO(archive.read("labels.csv").decode())))
        chosen = [rows[1], rows[50], rows[100]]
        archive.extractall(tmp_path, [row[0] for row in chosen])
    table(tmp_path, [",".join(row) for row in chosen], ",".join(rows[0]))
    data = load("imagenet:sample", root=tmp_path)
    assert data.labels.tolist() == [0, 490, 990]
    assert data.images().shape == (3, 3, 224, 224)
    assert data.classes[0] == "tench"

import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from noiseproof.data import DATA_SETS, load
from noiseproof.data.cifar10 import CLASSES
from noiseproof.errors import DataError


def jpeg(array):
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "JPEG")
    return stream.getvalue()


@pytest.fixture
def files():
    """Two pictures a class and split, written in another order than sorted: bytes by path."""
    rng = np.random.default_rng(20190213)
    names = [
        f"{split}/{kind}/{n}.jpg" for split in ("test", "train") for kind in CLASSES[::-1] for n in ("0001", "0000")
    ]
    return {name: jpeg(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)) for name in names}


@pytest.fixture
def expected(files):
    paths = [f"test/{kind}/{n}.jpg" for kind in CLASSES for n in ("0000", "0001")]
    return np.stack([np.asarray(Image.open(io.BytesIO(files[path]))).transpose(2, 0, 1) for path in paths])


def tree(folder, files):
    for name, raw in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(raw)


def archive(path, files, above=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:xz") as tar:
        for name, raw in files.items():
            member = tarfile.TarInfo(f"{above}{name}")
            member.size = len(raw)
            tar.addfile(member, io.BytesIO(raw))


def check(data, expected):
    assert data.name == "cifar10-jpeg:test"
    assert (data.classes, data.shape) == (CLASSES, (3, 32, 32))
    assert data.labels.tolist() == np.repeat(np.arange(10), 2).tolist()
    assert np.array_equal(data.images(), expected)


def refused(root):
    with pytest.raises(DataError) as error:
        load("cifar10-jpeg", root=root)
    assert "\n" not in str(error.value)
    return str(error.value)


def kept(home):
    return sorted((home / ".cache/noiseproof/cifar10-jpeg").glob("*"))


@pytest.mark.parametrize("below", ["cifar10-jpeg", "."])
def test_class_folders(tmp_path, files, expected, below):
    tree(tmp_path / below, files)
    check(load("cifar10-jpeg", root=tmp_path), expected)
    assert load("cifar10-jpeg:train", root=tmp_path).name == "cifar10-jpeg:train"


@pytest.mark.parametrize("above", ["", "./", "CIFAR-10-images/"])
@pytest.mark.parametrize("below", ["cifar10-jpeg", "."])
def test_the_archive(tmp_path, files, expected, below, above):
    archive(tmp_path / below / "cifar10-jpeg.tar.xz", files, above)
    check(load("cifar10-jpeg", root=tmp_path), expected)


def test_what_the_archive_decodes_to_is_kept(tmp_path, bare_disk, files, expected, monkeypatch):
    archive(tmp_path / "cifar10-jpeg.tar.xz", files)
    load("cifar10-jpeg", root=tmp_path)
    assert [file.suffix for file in kept(bare_disk)] == [".npz"]
    monkeypatch.setattr("noiseproof.data.cifar10_jpeg.open_picture", None)
    check(load("cifar10-jpeg", root=tmp_path), expected)


def test_another_archive_or_decoder_or_split_is_decoded_anew(tmp_path, bare_disk, files, monkeypatch):
    archive(tmp_path / "cifar10-jpeg.tar.xz", files)
    before = load("cifar10-jpeg", root=tmp_path)
    load("cifar10-jpeg:train", root=tmp_path)
    monkeypatch.setattr("noiseproof.data.cifar10_jpeg.pillow", "another")
    load("cifar10-jpeg", root=tmp_path)
    assert len(kept(bare_disk)) == 3
    archive(tmp_path / "cifar10-jpeg.tar.xz", files | {"test/cat/0000.jpg": files["test/dog/0000.jpg"]})
    assert not np.array_equal(load("cifar10-jpeg", root=tmp_path).images(), before.images())


def test_a_damaged_cache_is_decoded_anew(tmp_path, bare_disk, files, expected):
    archive(tmp_path / "cifar10-jpeg.tar.xz", files)
    load("cifar10-jpeg", root=tmp_path)
    (file,) = kept(bare_disk)
    whole = file.read_bytes()
    for damaged in (b"", whole[:100], whole[:3000] + b"x" + whole[3001:], b"\x93NUMPY"):
        file.write_bytes(damaged)
        check(load("cifar10-jpeg", root=tmp_path), expected)
        assert file.read_bytes() == whole


def test_a_cache_that_cannot_be_written_does_no_harm(tmp_path, bare_disk, files, expected, caplog):
    archive(tmp_path / "cifar10-jpeg.tar.xz", files)
    bare_disk.mkdir()
    (bare_disk / ".cache").touch()
    check(load("cifar10-jpeg", root=tmp_path), expected)
    assert "cannot keep the decoded pictures in " in caplog.text


def test_other_files_are_passed_over(tmp_path, files, expected):
    others = {"README.md": b"x", "test/cat/notes.txt": b"x", "test/cat/._0000.jpg": b"x", "test/zebra/0.jpg": b"x"}
    tree(tmp_path, files | others)
    check(load("cifar10-jpeg", root=tmp_path), expected)
    archive(tmp_path / "packed" / "cifar10-jpeg.tar.xz", files | others)
    check(load("cifar10-jpeg", root=tmp_path / "packed"), expected)


def test_a_picture_of_another_size_or_none_is_named(tmp_path, files):
    tree(tmp_path, files)
    odd = tmp_path / "test" / "cat" / "0000.jpg"
    odd.write_bytes(jpeg(np.zeros((16, 32, 3), dtype=np.uint8)))
    assert refused(tmp_path) == f"{odd}: expected a picture of 32x32, found 32x16; get the data set again"
    odd.write_bytes(b"nothing")
    assert refused(tmp_path).startswith(f"{odd}: expected a picture, found no picture; ")
    odd.write_bytes(files["test/cat/0000.jpg"][:-100])
    assert refused(tmp_path).startswith(f"{odd}: expected a whole picture, found: ")


def test_a_class_without_pictures_is_named(tmp_path, files):
    tree(tmp_path, files)
    for file in (tmp_path / "test" / "dog").iterdir():
        file.unlink()
    assert refused(tmp_path) == f"{tmp_path}: expected pictures in test/dog, found none; get the data set again"


def test_a_truncated_archive(tmp_path, bare_disk, files):
    path = tmp_path / "cifar10-jpeg.tar.xz"
    archive(path, files)
    for length in (0, 100, -20000):
        path.write_bytes(path.read_bytes()[:length])
        assert refused(tmp_path).startswith(f"{path}: expected a whole tar.xz archive, found: ")
    assert kept(bare_disk) == []


def test_its_name_never_says_plain_cifar_10():
    assert DATA_SETS["cifar10-jpeg"].title == "CIFAR-10 (JPEG)"


def test_the_published_pictures(shared, tmp_path):
    """Two members a class of the real archive, in an archive of their own."""
    chosen = {}
    with tarfile.open(shared / "data" / "cifar10-jpeg.tar.xz", "r|xz") as tar:
        for member in tar:
            if member.name.startswith("train/"):
                break
            if member.name.endswith(("/0007.jpg", "/0999.jpg")):
                chosen[member.name] = tar.extractfile(member).read()
    archive(tmp_path / "cifar10-jpeg.tar.xz", chosen)
    paths = [f"test/{kind}/{number}.jpg" for kind in CLASSES for number in ("0007", "0999")]
    pictures = [np.asarray(Image.open(io.BytesIO(chosen[path]))).transpose(2, 0, 1) for path in paths]
    check(load("cifar10-jpeg", root=tmp_path), np.stack(pictures))

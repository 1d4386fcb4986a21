import dataclasses
import hashlib
import io
import pickle
import struct
import tarfile

import numpy as np
import pytest

from noiseproof.data import DATA_SETS, load
from noiseproof.data.cifar10 import CLASSES
from noiseproof.data.download import download
from noiseproof.data.published import PublishedFile
from noiseproof.errors import DataError

CIFAR10 = DATA_SETS["cifar10"]
BATCHES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]


@pytest.fixture
def batches():
    """Three pictures a batch: [(pixels [3, 3072], labels [3])] by the batch's name."""
    rng = np.random.default_rng(20190213)
    return {
        name: (rng.integers(0, 256, (3, 3072), dtype=np.uint8), rng.integers(0, 10, 3, dtype=np.uint8))
        for name in BATCHES
    }


def binary(pixels, labels):
    return np.column_stack([labels, pixels]).tobytes()


def python(pixels, labels):
    """As Python 2 pickled it; test_batches.py looks at this format closely."""

    def text(value):
        return b"T" + struct.pack("<i", len(value)) + value

    head = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x03M\x00\x0c\x86"
    kind = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    array = head + kind + b"\x89" + text(pixels.tobytes()) + b"tb"
    numbers = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    return b"\x80\x02}(" + text(b"labels") + numbers + text(b"data") + array + b"u."


KINDS = {"py": (python, ""), "bin": (binary, ".bin")}


def lay(folder, batches, kind, names=BATCHES):
    make, suffix = KINDS[kind]
    folder.mkdir(parents=True)
    for name in names:
        (folder / f"{name}{suffix}").write_bytes(make(*batches[name]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("below", ["cifar10/cifar-10-batches-{}", "cifar-10-batches-{}", "cifar10", "."])
def test_the_batches_are_found_and_read(tmp_path, batches, kind, below):
    root = tmp_path / "root"
    lay(root / below.format(kind), batches, kind)
    test, train = load("cifar10", root=root), load("cifar10:train", root=root)
    assert (test.name, train.name, test.shape, test.classes) == ("cifar10:test", "cifar10:train", (3, 32, 32), CLASSES)
    assert np.array_equal(test.images(), batches["test_batch"][0].reshape(3, 3, 32, 32))
    assert test.labels.tolist() == batches["test_batch"][1].tolist()
    assert np.array_equal(train.images(), np.concatenate([batches[n][0] for n in BATCHES[:5]]).reshape(15, 3, 32, 32))
    assert train.labels.tolist() == np.concatenate([batches[n][1] for n in BATCHES[:5]]).tolist()


def test_a_root_comes_before_the_usual_place_whatever_its_format(tmp_path, bare_disk, batches):
    lay(bare_disk / ".cache/noiseproof/cifar10/cifar-10-batches-py", batches, "py")
    other = {name: (255 - pixels, labels) for name, (pixels, labels) in batches.items()}
    lay(tmp_path / "root/cifar-10-batches-bin", other, "bin")
    assert load("cifar10").pixels(0).ravel()[0] == batches["test_batch"][0][0, 0]
    assert load("cifar10", root=tmp_path / "root").pixels(0).ravel()[0] == 255 - batches["test_batch"][0][0, 0]


def test_a_split_with_a_batch_missing_is_not_found(tmp_path, batches):
    lay(tmp_path / "cifar-10-batches-py", batches, "py", [name for name in BATCHES if name != "data_batch_4"])
    assert len(load("cifar10", root=tmp_path)) == 3
    lacks = r"batches-py lacks data_batch_4\)"
    with pytest.raises(
        DataError, match=rf"^no cifar10:train in .*{lacks}; run `noiseproof data get cifar10`, or put cifar-10"
    ):
        load("cifar10:train", root=tmp_path)


def test_the_classes_are_in_the_official_order():
    assert CLASSES == ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def archive(members):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, raw in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(raw)
            tar.addfile(member, io.BytesIO(raw))
    return stream.getvalue()


def here(folder, raw):
    """The data set whose archive is these bytes, which already lie in the folder: nothing is fetched."""
    folder.mkdir(parents=True)
    (folder / "cifar-10-python.tar.gz").write_bytes(raw)
    file = PublishedFile("cifar-10-python.tar.gz", len(raw), hashlib.sha256(raw).hexdigest())
    return dataclasses.replace(CIFAR10, files=(file,), addresses=("http://127.0.0.1:9/",))


def test_a_downloaded_archive_is_unpacked_where_load_finds_it(tmp_path, batches):
    members = {f"cifar-10-batches-py/{name}": python(*batches[name]) for name in BATCHES}
    source = here(tmp_path / "cifar10", archive(members))
    assert download(source, tmp_path / "cifar10") == tmp_path / "cifar10"
    assert len(load("cifar10:train", root=tmp_path)) == 15


@pytest.mark.parametrize("name", ["../escaped", "/../escaped", "a/../../escaped"])
def test_an_archive_that_leads_out_of_the_folder_is_refused(tmp_path, name):
    source = here(tmp_path / "cifar10", archive({name: b"x"}))
    with pytest.raises(DataError, match=r"cifar-10-python\.tar\.gz: cannot be unpacked: .*; get it again$"):
        download(source, tmp_path / "cifar10")
    assert not (tmp_path / "escaped").exists()


def test_the_published_archive():
    (file,) = CIFAR10.files
    assert (file.name, file.size) == ("cifar-10-python.tar.gz", 170_498_071)
    assert file.sha256 == "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
    assert CIFAR10.addresses == ("https://www.cs.toronto.edu/~kriz/",)


def test_a_plain_pickle_of_python_3_is_no_batch(tmp_path, batches):
    lay(tmp_path / "cifar-10-batches-py", batches, "py")
    pixels, labels = batches["test_batch"]
    stored = pickle.dumps({"data": pixels, "labels": labels.tolist()}, protocol=5)
    (tmp_path / "cifar-10-batches-py" / "test_batch").write_bytes(stored)
    with pytest.raises(
        DataError, match=r"test_batch: expected numbers only, found a pickle that asks for numpy\._?core"
    ):
        load("cifar10", root=tmp_path)

import sys
from importlib.machinery import ModuleSpec

import numpy as np
import pytest
from PIL import Image

from noiseproof.data import DATA_SETS, load
from noiseproof.data.dataset import WholePictures
from noiseproof.errors import DataError

LABELS = [(37 * number) % 1000 for number in range(20)]


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of the same layout, with pictures of its own and names of no class."""
    folder = tmp_path / "foolbox" / "data"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in reversed(range(20)):
        size = (400, 300) if number == 10 else (260, 260)
        picture = Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
        picture.save(folder / f"imagenet_{number:02d}_{LABELS[number]}.jpg", quality=95)
    (folder / "cifar10_00_3.png").touch()
    (folder / "imagenet_00_243.jpg.txt").touch()
    spec = ModuleSpec("foolbox", None, is_package=True)
    spec.submodule_search_locations = [str(folder.parent)]
    monkeypatch.setattr("noiseproof.data.foolbox_imagenet.find_spec", lambda name: spec)
    monkeypatch.setattr("noiseproof.data.foolbox_imagenet.imagenet_names", lambda: None)
    return folder


def refused():
    with pytest.raises(DataError) as error:
        load("foolbox-imagenet")
    assert "\n" not in str(error.value)
    return str(error.value)


def test_labels_are_in_the_names_of_the_files(package):
    data = load("foolbox-imagenet")
    assert data.name == "foolbox-imagenet:test"
    assert data.labels.tolist() == LABELS
    assert data.shape == (3, 224, 224)
    assert data.classes == tuple(map(str, range(1000)))


def test_classes_have_their_names_where_there_are_some(package, monkeypatch):
    names = tuple(f"class {number}" for number in range(1000))
    monkeypatch.setattr("noiseproof.data.foolbox_imagenet.imagenet_names", lambda: names)
    assert load("foolbox-imagenet").classes == names


def test_pictures_are_resized_bicubically_and_cropped_on_the_grid(package):
    data = load("foolbox-imagenet")
    with Image.open(package / f"imagenet_10_{LABELS[10]}.jpg") as picture:
        resized = picture.resize((341, 256), Image.Resampling.BICUBIC)
    wanted = np.asarray(resized).transpose(2, 0, 1)[:, 16:240, 58:282]
    assert data.pixels(10).dtype == np.uint8
    assert np.array_equal(data.pixels(10), wanted)
    assert isinstance(data.pictures, WholePictures)
    assert data.pictures.whole(10).shape == (3, 300, 400)


def test_another_number_of_pictures_is_refused(package):
    (package / f"imagenet_07_{LABELS[7]}.jpg").unlink()
    assert refused() == (
        f"{package}: expected imagenet_00_LABEL.jpg to imagenet_19_LABEL.jpg, found 19 such files; "
        "pip install foolbox==3.3.4"
    )


def test_a_missing_package_is_told_with_what_installs_it(monkeypatch):
    monkeypatch.setattr("noiseproof.data.foolbox_imagenet.find_spec", lambda name: None)
    assert refused() == (
        "foolbox-imagenet:test comes with the package foolbox, which is not installed; pip install foolbox"
    )
    assert DATA_SETS["foolbox-imagenet"].remedy == "pip install foolbox"


@pytest.mark.needs("foolbox")
def test_the_real_ones_are_read_and_the_package_is_not_imported():
    imported = "foolbox" in sys.modules
    data = load("foolbox-imagenet")
    assert ("foolbox" in sys.modules) == imported
    assert data.labels.tolist() == [
        *(243, 559, 438, 990, 949, 853, 609, 609, 915, 455),
        *(541, 630, 741, 471, 129, 99, 251, 22, 317, 305),
    ]
    assert data.images().shape == (20, 3, 224, 224)

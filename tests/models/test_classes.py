"""Classes by name: a folder in another order, with a class too few, with one that is unknown."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

from noiseproof.data import DataSet
from noiseproof.errors import DataError, ModelError
from noiseproof.models import BaseModel, ensemble
from noiseproof.models.classes import matched
from noiseproof.procedures import Certify
from noiseproof.training.extra import with_extra
from tests.asking import doctor, job, train

KNOWN = ("bird", "cat", "dog")


def model(classes=KNOWN, data="folder:train", **metadata) -> BaseModel:
    said = {"classes": json.dumps(classes)} | ({"data": data} if data else {}) | metadata
    return BaseModel(nn.Identity(), "net", len(classes), None, "f" * 64, "m", said)


def pictures(classes, name="folder:test", labels=None) -> DataSet:
    labels = np.arange(len(classes)) if labels is None else np.array(labels)
    return DataSet(name, tuple(classes), (1, 2, 2), labels, np.zeros((len(labels), 1, 2, 2), np.uint8))


@pytest.mark.parametrize(
    ("classes", "labels"),
    [
        (("bird", "cat", "dog"), [0, 1, 2]),
        (("dog", "bird", "cat"), [2, 0, 1]),
        (("bird", "dog"), [0, 2]),
        (("dog",), [2]),
        (("0", "1", "2"), [0, 1, 2]),
    ],
)
def test_labels_are_those_of_the_model(classes, labels):
    found = matched(pictures(classes), model())
    assert found.labels.tolist() == labels
    assert found.classes in (KNOWN, classes)


@pytest.mark.parametrize("classes", [("bird", "dog", "zebra"), ("ape", "bee", "cow"), ("zebra",), ("a", "b", "c", "d")])
def test_an_unknown_class_is_refused(classes):
    with pytest.raises(ModelError) as caught:
        matched(pictures(classes), model())
    others = ", ".join(name for name in classes if name not in KNOWN)
    assert str(caught.value) == (
        f"m knows the classes bird, cat, dog, but folder:test has {others} besides; give its own data, or call the "
        "classes as the model does"
    )


def test_names_of_one_list_of_classes_are_not_compared():
    for one, other in (("cifar10:train", "cifar10:test"), ("imagenet:train", "foolbox-imagenet:test")):
        assert matched(pictures(("n01", "n02", "n03"), other), model(data=one)).labels.tolist() == [0, 1, 2]
    with pytest.raises(ModelError, match="besides"):
        matched(pictures(("a", "b", "c"), "x.py:d"), model(data="y.py:d"))
    with pytest.raises(ModelError, match="besides"):
        matched(pictures(("a", "b", "c"), "x.py:d"), model(data="x.py:e"))


def test_published_names_that_share_none_are_by_place_with_a_warning(caplog):
    given = pictures(("n01", "n02", "n03"))
    assert matched(given, model(data=None)) is given
    assert caplog.messages == [
        "m calls its classes otherwise (bird, cat, dog) than folder:test (n01, n02, n03): "
        "taken is the k-th for the k-th"
    ]
    with pytest.raises(ModelError, match="has zebra besides"):
        matched(pictures(("bird", "dog", "zebra")), model(data=None))
    assert matched(pictures(("crane", "crane", "x")), model(("crane", "crane", "y"), None)).labels.tolist() == [0, 1, 2]


@pytest.fixture
def trained(tmp_path):
    """Colours of which each is a class: any order of the folder of test pictures is told by name."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 120)
    images = random.integers(0, 60, (120, 3, 8, 8)).astype(np.uint8)
    images[np.arange(120), labels] += 180
    train(
        data=DataSet("folder:train", KNOWN, (3, 8, 8), labels, images), arch="small-cnn", sigma=0.1, epochs=3, lr=0.05,
        batch_size=16, out=tmp_path / "t", device="cpu", augment="none",
    )  # fmt: skip
    order = np.array([1, 2, 0])  # dog, bird, cat
    return tmp_path / "t", DataSet("folder:test", ("dog", "bird", "cat"), (3, 8, 8), order[labels], images)


def test_a_trained_model_on_a_folder_in_another_order(trained):
    folder, data = trained
    made = job(Certify(n=100), model=folder, data=data, sigma=0.1, device="cpu")
    said = made.model.module(torch.from_numpy(data.images()).float() / 255).argmax(1).numpy()
    assert made.model.classes == KNOWN
    assert (said == made.data.labels).mean() > 0.9
    assert doctor(model=folder, data=data, sigma=0.1, device="cpu").finding("labels").verdict == "ok"


def test_members_of_an_ensemble_have_the_same_classes():
    one = model()
    other = BaseModel(nn.Identity(), "net", 3, None, "e" * 64, "n", {"classes": json.dumps(KNOWN[::-1])})
    with pytest.raises(ModelError, match="members of an ensemble must have the same classes, but m has"):
        ensemble([one, other])


def test_extra_pictures_have_the_same_classes():
    with pytest.raises(DataError, match="has the classes bird, dog, zebra, folder:train bird, cat, dog; give extra"):
        with_extra(pictures(KNOWN, "folder:train"), pictures(("bird", "dog", "zebra")))
    both = with_extra(pictures(KNOWN), pictures(("bird", "dog", "zebra")), labels=np.array([0, 1, 2]))
    assert both.classes == KNOWN


@pytest.mark.parametrize("said", ["[", '["a"]', '{"a": 1}', "[1, 2, 3]", "null"])
def test_what_a_foreign_file_says_of_its_classes_may_be_anything(said):
    assert model(classes=KNOWN).classes == KNOWN
    assert BaseModel(nn.Identity(), "net", 3, None, "f", "m", {"classes": said}).classes == ()

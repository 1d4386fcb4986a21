from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from noiseproof.data import given, load
from noiseproof.data.objects import of_items
from noiseproof.errors import DataError

PICTURES = np.random.default_rng(20190213).integers(0, 256, (20, 4, 5), dtype=np.uint8)


class Items:
    """As a Dataset of torch is: a length, and pairs by number."""

    def __init__(self, make=lambda picture: picture, labels=range(20), **attributes):
        self.make, self.labels = make, [label % 2 if isinstance(label, int) else label for label in labels]
        for name, value in attributes.items():
            setattr(self, name, value)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return self.make(PICTURES[index]), self.labels[index]


def refused(items):
    with pytest.raises(DataError) as said:
        of_items(items)
    assert "\n" not in str(said.value)
    return str(said.value)


@pytest.mark.parametrize(
    "make",
    [
        Image.fromarray,
        lambda picture: picture,
        lambda picture: picture[None],
        lambda picture: picture[..., None],
        lambda picture: picture[None].astype(np.float32) / np.float32(255),
        lambda picture: picture[None].astype(np.float32) * np.float32(1 / 255),
    ],
)
def test_items_become_8_bit_pictures(make):
    data = given(Items(make, classes=["even", "odd"]))
    assert (data.name, data.classes, data.shape, data.grid) == ("Items", ("even", "odd"), (1, 4, 5), 255)
    assert np.array_equal(data.images()[:, 0], PICTURES)
    assert data.labels.tolist() == [index % 2 for index in range(20)]


def test_a_data_set_of_torch():
    torch = pytest.importorskip("torch")
    x = torch.from_numpy(PICTURES)[:, None].float() / 255
    data = of_items(torch.utils.data.TensorDataset(x, torch.arange(20) % 2))
    assert (data.name, data.classes) == ("TensorDataset", ("0", "1"))
    assert np.array_equal(data.images()[:, 0], PICTURES)


def test_items_that_are_tables_as_those_of_hugging_face():
    class Rows(Items):
        class Names:
            names = ("even", "odd")

        features = {"img": None, "label": Names}  # noqa: RUF012

        def __getitem__(self, index):
            x, y = super().__getitem__(index)
            return {"id": index, "img": x, "label": y}

    data = of_items(Rows(Image.fromarray))
    assert data.classes == ("even", "odd")
    assert np.array_equal(data.images()[:, 0], PICTURES)


def test_items_that_are_others_the_second_time_are_refused_at_once():
    random = np.random.default_rng(0)
    said = refused(Items(lambda picture: np.roll(picture, random.integers(1, 4))))
    assert said == (
        "Items: item 0 is another one the second time; a certificate is about one input: take random transforms "
        "(crops, flips, noise) out of the data set"
    )


def test_one_that_changes_later_is_refused_when_it_is_asked_for():
    items = Items()
    data = of_items(items)
    assert data.pixels(3).shape == (1, 4, 5)
    items.make = lambda picture: picture + 1
    with pytest.raises(DataError, match=r"^Items: item 3 is another one the second time; "):
        data.pixels(3)


def test_normalised_floats_are_refused_with_where_that_belongs():
    said = refused(Items(lambda picture: picture / 128 - 1))
    assert said.startswith("Items: item 0: expected inputs in [0, 1], found -0.9")
    assert "normalisation belongs inside the model" in said
    assert "expected multiples of 1/255" in refused(Items(lambda picture: picture / 300))


def test_other_items_are_refused_by_what_is_wrong():
    assert "item 0: expected an input and its label, got ValueError: " in refused([(1, 2, 3)])
    assert "item 1 has the shape [1, 3, 5], item 0 [1, 4, 5]; make all of one shape" in refused(
        [(PICTURES[0], 0), (PICTURES[0][:3], 0)]
    )
    assert "the labels in labels are text ('cat', 'dog')" in refused(Items(labels=["dog", "cat"]))
    assert refused([]) == "list holds no item; give a data set with at least one"


def test_what_is_no_data_set_is_refused():
    with pytest.raises(
        ValueError, match=r"^data must be a spec, a DataSet or a data set of torch with a length, got int;"
    ):
        given(3)


def test_a_file_s_data_set_is_named_by_its_spec(tmp_path):
    (tmp_path / "d.py").write_text(
        "import numpy as np\n"
        "items = [(np.full((2, 2), k, np.uint8), k % 2) for k in range(4)]\n"
        "def made():\n    return items\n"
        "random = __import__('random')\n"
        "class Other:\n    def __len__(self):\n        return 4\n"
        "    def __getitem__(self, k):\n        return np.full((2, 2), random.randrange(256), np.uint8), 0\n"
        "other = Other()\n"
    )
    for name in ("items", "made"):
        data = load(f"{tmp_path}/d.py:{name}")
        assert (data.name, data.shape) == (f"{tmp_path}/d.py:{name}", (1, 2, 2))
    with pytest.raises(DataError, match=r"d\.py:other: item \d+ is another one the second time"):
        load(f"{tmp_path}/d.py:other")

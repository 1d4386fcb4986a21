import json
import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

import noiseproof.training.loop as loop
from noiseproof.data import DataSet
from noiseproof.errors import DataError
from noiseproof.training.augment import AUGMENTATIONS, ResizedCrops, choose, published_augmentation
from noiseproof.training.losses import GaussianLoss
from tests.asking import train


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def pictures(n=200):
    return torch.randint(1, 256, (n, 3, 8, 10), dtype=torch.uint8, generator=generator(5))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("kind", ["flip", "crop-flip"])
def test_it_is_the_crop_of_the_bordered_picture_then_the_flip(kind, dtype):
    x = pictures().to(dtype)
    choices = choose(kind, len(x), generator())
    border = 4 if kind == "crop-flip" else 0
    got = choices.apply(x, slice(0, len(x)))
    assert got.shape == x.shape
    assert got.dtype == dtype
    for index in range(len(x)):
        black = torch.zeros(3, 8 + 2 * border, 10 + 2 * border, dtype=dtype)
        black[:, border : border + 8, border : border + 10] = x[index]
        row, column = choices.shifts[index].tolist()
        wanted = black[:, row : row + 8, column : column + 10]
        assert torch.equal(got[index], wanted.flip(-1) if choices.flipped[index] else wanted)


def test_every_shift_and_both_directions_come_up_alike():
    """81 x 2 cells of 500 each: chi-square at 161 degrees of freedom; false alarm 1e-6 at 258."""
    choices = choose("crop-flip", 81_000, generator())
    cells = (choices.shifts[:, 0] * 9 + choices.shifts[:, 1]) * 2 + choices.flipped
    counts = torch.bincount(cells, minlength=162).double()
    assert len(counts) == 162
    assert ((counts - 500) ** 2 / 500).sum() < 258


def test_flips_alone_move_nothing():
    choices = choose("flip", 1000, generator())
    assert choices.shifts.abs().max() == 0
    assert 400 < choices.flipped.sum() < 600


def test_none_is_nothing():
    assert choose("none", 10, generator()) is None


def test_parts_of_an_epoch_are_the_epoch():
    x = pictures()
    choices = choose("crop-flip", len(x), generator())
    parts = [choices.apply(x[k : k + 7], slice(k, k + 7)) for k in range(0, len(x), 7)]
    assert torch.equal(torch.cat(parts), choices.apply(x, slice(0, len(x))))


def test_the_first_box_that_fits_is_taken():
    """Area 8 to 100 %, aspect 3/4 to 4/3 by its logarithm, as RandomResizedCrop has them."""
    n, height, width = 3000, 300, 400
    crops = choose("resized-crop-flip", n, generator())
    used = set()
    for place in range(n):
        top, left, h, w = crops.box(place, height, width)
        for tried, (area, shape) in enumerate(crops.tries[place].tolist()):
            used.add(tried)
            pixels = height * width * (0.08 + 0.92 * area)
            aspect = math.exp(math.log(3 / 4) + shape * (math.log(4 / 3) - math.log(3 / 4)))
            wanted = round(math.sqrt(pixels / aspect)), round(math.sqrt(pixels * aspect))
            if wanted[0] <= height and wanted[1] <= width:
                break
        assert (h, w) == wanted
        assert (top, left) == (int(crops.places[place, 0] * (301 - h)), int(crops.places[place, 1] * (401 - w)))
        assert 0 <= top <= height - h
        assert 0 <= left <= width - w
    assert used >= {0, 1, 2}
    assert 0.45 * n < crops.flipped.sum() < 0.55 * n


def test_what_decides_the_box_is_uniform():
    """20 cells of 1,000 in each of the 22 + 2 numbers: chi-square at 19 degrees of freedom; false alarm 1e-6 at 65."""
    crops = choose("resized-crop-flip", 20_000, generator())
    for numbers in (*crops.tries.flatten(1).T, *crops.places.T):
        counts = torch.histc(numbers, 20, 0, 1)
        assert ((counts - 1000) ** 2 / 1000).sum() < 65


@pytest.mark.parametrize(
    ("height", "width", "box"),
    [(1000, 90, (440, 0, 120, 90)), (90, 1000, (0, 440, 90, 120)), (100, 101, (0, 0, 100, 101))],
)
def test_where_no_try_fits_the_middle_is_taken(height, width, box):
    tries = torch.full((1, 10, 2), 0.999)  # nearly all of the area, at an aspect of nearly 4/3
    crops = ResizedCrops(tries, torch.rand(1, 2, generator=generator()), torch.zeros(1, dtype=torch.bool))
    assert crops.box(0, height, width) == box


@pytest.mark.parametrize("flipped", [False, True])
def test_the_box_is_resized_as_pil_does_it(flipped):
    from PIL import Image

    picture = torch.randint(0, 256, (3, 90, 120), dtype=torch.uint8, generator=generator(2))
    picture[:, 20:60, 30:80] //= 4
    crops = replace(choose("resized-crop-flip", 8, generator(1)), flipped=torch.full((8,), flipped))
    for place in range(8):
        top, left, h, w = crops.box(place, 90, 120)
        image = Image.fromarray(picture.permute(1, 2, 0).numpy()).crop((left, top, left + w, top + h))
        wanted = np.asarray(image.resize((32, 24), Image.Resampling.BILINEAR)).transpose(2, 0, 1).astype(int)
        got = crops.crop(picture, place, (24, 32))
        assert got.dtype == torch.uint8
        off = np.abs(got.numpy()[:, :, :: -1 if flipped else 1] - wanted)
        assert off.max() <= 1  # PIL rounds twice
        assert off.mean() < 0.2


def test_resized_crops_of_parts_of_an_epoch_are_the_epoch():
    x = pictures(20)
    crops = choose("resized-crop-flip", len(x), generator())
    whole = crops.apply(x, slice(0, 20))
    assert whole.shape == x.shape
    assert torch.equal(torch.cat([crops.apply(x[k : k + 7], slice(k, min(k + 7, 20))) for k in range(0, 20, 7)]), whole)


@dataclass
class Whole:
    """Pictures of many sizes, of which a data set shows a corner."""

    all: list[np.ndarray]
    decoded: list[int]

    def __len__(self):
        return len(self.all)

    def __getitem__(self, index):
        return self.all[index][:, :16, :16]

    def whole(self, index):
        if self.all[index].max() == 0:
            raise DataError(f"{index}.png: expected a picture")
        self.decoded.append(index)
        return self.all[index]

    def stamp(self):
        return "s" * 64


@pytest.fixture
def many_sizes():
    random = np.random.Generator(np.random.Philox(key=4))
    all_of_them = [random.integers(1, 256, (1, 20 + k % 9, 40 - k % 7), dtype=np.uint8) for k in range(30)]
    return DataSet("many:train", ("a", "b", "c"), (1, 16, 16), np.arange(30) % 3, Whole(all_of_them, []))


def test_whole_pictures_are_decoded_once_an_epoch_whatever_the_batch(many_sizes, tmp_path):
    seen = torch.cat(spied(many_sizes, tmp_path / "a", augment="resized-crop-flip", epochs=1, batch_size=7))
    assert sorted(many_sizes.pictures.decoded) == list(range(30))
    again = torch.cat(spied(many_sizes, tmp_path / "b", augment="resized-crop-flip", epochs=1, batch_size=30))
    assert torch.equal(seen, again)
    assert seen.shape == (30, 1, 16, 16)
    meaning = json.loads((tmp_path / "a" / "manifest.json").read_text())["meaning"]
    assert meaning["files_sha256"] == "s" * 64
    order = torch.randperm(30, generator=random_of("order")).tolist()
    crops = choose("resized-crop-flip", 30, random_of("augmentation"))
    for place, index in enumerate(order):
        wanted = crops.crop(torch.from_numpy(many_sizes.pictures.all[index]), place, (16, 16))
        assert torch.equal(seen[place], wanted.float() / 255)


def random_of(stream):
    return loop.generator(torch.device("cpu"), 0, stream, 0)


def test_a_whole_picture_that_cannot_be_read_ends_the_training(many_sizes, tmp_path):
    many_sizes.pictures.all[11][:] = 0
    with pytest.raises(DataError, match=r"^11\.png: expected a picture$"):
        spied(many_sizes, tmp_path, augment="resized-crop-flip", batch_size=4)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ("cifar10:train", "crop-flip"),
        ("cifar10-jpeg", "crop-flip"),
        ("fashion-mnist:train", "none"),
        ("mnist", "none"),
        ("svhn", "none"),
        ("imagenet:train", "resized-crop-flip"),
        ("folder:cifar10", "none"),
    ],
)
def test_what_the_recipes_use(data, kind):
    assert published_augmentation(data) == kind
    assert kind in AUGMENTATIONS


class Spy(GaussianLoss):
    seen: list[torch.Tensor]

    def __call__(self, model, x, y, **options):
        self.seen.append(x.clone())
        return super().__call__(model, x, y, **options)


def spied(stripes, out, **changes):
    loss = Spy()
    object.__setattr__(loss, "seen", [])
    settings = {"arch": "lenet", "sigma": 0.25, "epochs": 2, "batch_size": 40, "loss": loss}
    train(**({"data": stripes, "out": out} | settings | changes))
    return loss.seen


def test_an_epoch_depends_on_the_seed_and_its_number_only(stripes, tmp_path):
    whole = spied(stripes, tmp_path / "a", augment="crop-flip")
    spied(stripes, tmp_path / "b", augment="crop-flip", epochs=1)
    resumed = spied(stripes, tmp_path / "b", augment="crop-flip")
    small = spied(stripes, tmp_path / "c", augment="crop-flip", epochs=1, batch_size=7)
    other = spied(stripes, tmp_path / "d", augment="crop-flip", epochs=1, seed=1)
    assert len(resumed) == 1
    assert torch.equal(resumed[0], whole[1])
    assert torch.equal(torch.cat(small), whole[0])
    assert not torch.equal(other[0], whole[0])
    assert not torch.equal(whole[0].sort(dim=0)[0], whole[1].sort(dim=0)[0])


def test_the_pictures_of_a_data_set_without_a_recipe_are_left_alone(stripes, tmp_path):
    seen = spied(stripes, tmp_path, epochs=1)[0]
    clean = torch.from_numpy(stripes.images()).float() / 255
    assert torch.equal(seen.flatten(1).sum(1).sort()[0], clean.flatten(1).sum(1).sort()[0])


@pytest.mark.parametrize("as_name", [True, False])
def test_cifar_is_cropped_and_flipped_by_default_and_its_folder_says_so(stripes, tmp_path, monkeypatch, as_name):
    named = DataSet("cifar10-jpeg:train", stripes.classes, stripes.shape, stripes.labels, stripes.images())
    monkeypatch.setattr(loop, "given_data", lambda spec, *, split, root: named)
    seen = spied("cifar10-jpeg" if as_name else named, tmp_path, epochs=1)[0]
    assert torch.equal(seen, spied(stripes, tmp_path / "by-hand", epochs=1, augment="crop-flip")[0])
    assert '"augment": "crop-flip"' in (tmp_path / "manifest.json").read_text()

import pytest
import torch

import noiseproof.training.loop as loop
from noiseproof.data import DataSet
from noiseproof.training import GaussianLoss, train
from noiseproof.training.augment import AUGMENTATIONS, choose, published_augmentation


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


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ("cifar10:train", "crop-flip"),
        ("cifar10-jpeg", "crop-flip"),
        ("fashion-mnist:train", "none"),
        ("mnist", "none"),
        ("svhn", "none"),
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
    monkeypatch.setattr(loop, "load", lambda spec, *, split, root: named)
    seen = spied("cifar10-jpeg" if as_name else named, tmp_path, epochs=1)[0]
    assert torch.equal(seen, spied(stripes, tmp_path / "by-hand", epochs=1, augment="crop-flip")[0])
    assert '"augment": "crop-flip"' in (tmp_path / "manifest.json").read_text()

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image

from noiseproof.errors import RunError
from noiseproof.noises import Gaussian, Words
from noiseproof.noises.keys import input_key
from noiseproof.reports.noise_images import NamedPicture, draw_noise_images, noisy_picture

QUARTER = Gaussian(sigma=0.25)
GREY = np.full((1, 28, 28), 128, np.uint8)


def test_the_noise_is_the_project_s_own_on_a_stage_of_its_own():
    large = GREY.repeat(2, axis=1).repeat(2, axis=2)
    noisy = Gaussian(sigma=0.5).perturb(large, Words(3, input_key(large), "noise-images"), 0, 1)[0]
    shown = noisy_picture(GREY, Gaussian(sigma=0.5), 2, seed=3)
    assert noisy.min() < 0
    assert noisy.max() > 255
    assert shown.dtype == np.uint8
    assert shown.tolist() == np.clip(noisy, 0, 255).tolist()
    assert not np.array_equal(shown, noisy_picture(GREY, Gaussian(sigma=0.5), 2, seed=4))


def test_no_noise_is_the_picture_itself():
    picture = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)
    assert noisy_picture(picture, None, 1, seed=0).tolist() == picture.tolist()
    large = noisy_picture(picture, None, 3, seed=0)
    assert large.shape == (3, 12, 15)
    assert large[:, 1::3, 2::3].tolist() == picture.tolist()


@pytest.mark.parametrize("size", [1, 2, 4])
def test_averaging_a_larger_picture_divides_the_noise_by_its_size(size):
    shown = noisy_picture(np.full((1, 100, 100), 128, np.uint8), Gaussian(sigma=0.1), size, seed=0).astype(float)[0]
    averaged = shown.reshape(100, size, 100, size).mean(axis=(1, 3))
    assert averaged.std() / 255 == pytest.approx(0.1 / size, rel=0.05)


@pytest.mark.parametrize("channels", [1, 3])
def test_every_pixel_of_a_picture_is_in_the_figure_as_it_is(tmp_path, channels):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (channels, 200, 210), dtype=np.uint8)
    path = draw_noise_images([NamedPicture("a", pixels)], tmp_path / "a.png", noises=(None, QUARTER), sizes=(1, 2))
    figure = np.asarray(Image.open(path).convert("RGB"))
    for noise, size in ((None, 1), (None, 2), (QUARTER, 1), (QUARTER, 2)):
        want = np.broadcast_to(
            noisy_picture(pixels, noise, size, seed=0).transpose(1, 2, 0), (200 * size, 210 * size, 3)
        )
        want = want.repeat(2 // size, axis=0).repeat(2 // size, axis=1)
        corners = np.argwhere((figure == want[0, 0]).all(axis=2))
        assert any(np.array_equal(figure[y : y + 400, x : x + 420], want) for y, x in corners.tolist())


def test_the_same_pictures_give_the_same_bytes(tmp_path):
    one, two = (
        draw_noise_images([NamedPicture("a", GREY)], tmp_path / name, noises=(None, Gaussian(sigma=1)))
        for name in ("1.png", "2.png")
    )
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"path": "a.pdf"}, "out must end in .png, got 'a.pdf'"),
        ({"pictures": []}, "name at least one picture, one sigma and one size"),
        ({"noises": ()}, "name at least one picture, one sigma and one size"),
        ({"sizes": (0,)}, "size must be >= 1, got 0"),
        ({"sizes": (1, 997)}, "2 x 1 pictures of 27916 x 27916 pixels are too many for one figure"),
        (
            {"pictures": [NamedPicture("a", GREY), NamedPicture("b", GREY[:, 1:])]},
            "pictures must be of one shape [1 or 3, H, W], got (1, 27, 28), (1, 28, 28)",
        ),
        (
            {"pictures": [NamedPicture("a", np.zeros((2, 4, 4), np.uint8))]},
            "of one shape [1 or 3, H, W], got (2, 4, 4)",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused(tmp_path, monkeypatch, changes, text):
    monkeypatch.chdir(tmp_path)
    settings = {"pictures": [NamedPicture("a", GREY)], "path": "a.png", "noises": (None,), "sizes": (1,)} | changes
    with pytest.raises(ValueError, match=re.escape(text)):
        draw_noise_images(settings["pictures"], settings["path"], noises=settings["noises"], sizes=settings["sizes"])
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(RunError, match=r"^cannot write .*a.png: No such file or directory; choose another --out$"):
        draw_noise_images([NamedPicture("a", GREY)], tmp_path / "no" / "a.png", noises=(None,))

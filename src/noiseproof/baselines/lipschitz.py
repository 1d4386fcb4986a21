"""A network that changes by at most its Lipschitz constant: trained by ``deel-torchlip``, certified by its margin."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from noiseproof.arguments import real
from noiseproof.baselines.base import Certifier, Method, Radii
from noiseproof.errors import ModelError
from noiseproof.models.packages import need

_OUTWARDS = 1 + 1e-9  # float64 norms of matrices of some thousand rows are right to about 1e-12
_ONE_LIPSCHITZ = (nn.ReLU, nn.Flatten, nn.Identity)


@dataclass(frozen=True)
class Lipschitz(Method):
    """Trains with layers of ``deel-torchlip`` kept at spectral norm 1 and cross-entropy at a temperature.

    Certifies lead / (sqrt(2) L) for the product L of the layers' norms, computed after training: it need not be 1.

    Args:
        tau: factor of the scores in the loss, > 0: a large one is for accuracy, a small one for large radii.

    Raises:
        ValueError: tau is out of range.

    Source: Tsuzuku et al. 2018, proposition 1 (lead / (sqrt(2) L)); layers: Serrurier et al. 2021,
    ``deel-torchlip``; temperature: Bethune et al. 2022.
    """

    tau: float = 10.0

    name: ClassVar[str] = "lipschitz"
    architecture: ClassVar[str] = "lipschitz-cnn"
    source: ClassVar[str] = "1-Lipschitz network (deel-torchlip)"

    def __post_init__(self) -> None:
        object.__setattr__(self, "tau", real("tau", self.tau))
        if not 0 < self.tau < float("inf"):
            raise ValueError(f"tau must be > 0 and finite, got {self.tau}")

    def begin(self, num_classes: int, shape: tuple[int, ...]) -> nn.Module:
        """The layers of ``lipschitz_cnn``, each held at norm 1 by the package."""
        package = need("lipschitz", "baselines", "deel.torchlip")
        made: list[nn.Module] = []
        for layer in lipschitz_cnn(num_classes, shape):
            if isinstance(layer, nn.Conv2d):
                size, stride = layer.kernel_size[0], layer.stride[0]
                made.append(package.SpectralConv2d(layer.in_channels, layer.out_channels, size, stride=stride))
            elif isinstance(layer, nn.Linear):
                made.append(package.SpectralLinear(layer.in_features, layer.out_features))
            else:
                made.append(layer)
        return nn.Sequential(*made)

    def loss(self, network: nn.Module, x: Tensor, y: Tensor, fraction: float) -> Tensor:
        """Cross-entropy of tau times the scores, divided by tau."""
        del fraction
        return nn.functional.cross_entropy(self.tau * network(x), y) / self.tau

    def trained(self, network: nn.Module) -> nn.Module:
        """The same function in plain layers of torch."""
        assert isinstance(network, nn.Sequential), "begin made one"
        layers: list[nn.Module] = []
        for layer in network:
            export = getattr(layer, "vanilla_export", None)
            layers.append(layer if export is None else export())
        return nn.Sequential(*layers)

    def certifier(self, network: nn.Sequential, shape: tuple[int, ...]) -> Certifier:
        """Computes L once, in float64; so are the scores."""
        exact = network.double()
        constant = lipschitz_constant(exact, shape)

        def radii(x: Tensor) -> Radii:
            with torch.no_grad():
                best, classes = exact(x.double()).topk(2, dim=1)
            return Radii(classes[:, 0], (best[:, 0] - best[:, 1]) / (math.sqrt(2) * constant))

        return Certifier(radii, torch.float64, {"lipschitz": constant})


class SortPairs(nn.Module):
    """Sorts channels 2i, 2i + 1 of each input: smaller first. A permutation, so no distance changes by more than 1.

    Source: GroupSort of Anil et al. 2019, with groups of two.
    """

    def forward(self, x: Tensor) -> Tensor:
        """The same shape, [batch, channels, ...] with an even number of channels."""
        first, second = x[:, 0::2], x[:, 1::2]
        return torch.stack([torch.minimum(first, second), torch.maximum(first, second)], dim=2).flatten(1, 2)


def lipschitz_cnn(num_classes: int, shape: tuple[int, ...]) -> nn.Sequential:
    """Plain layers: conv 32 of 4x4 stride 4, twice fully connected 256, fully connected; sorted in pairs between.

    The patches of the convolution do not overlap, so its norm is that of its kernel and nothing is given away.

    Args:
        num_classes: length of the scores.
        shape: (C, H, W) of one input, H and W at least 4.

    Raises:
        ModelError: not such a shape.
    """
    if len(shape) != 3 or shape[0] < 1 or min(shape[1:]) < 4:
        raise ModelError(f"lipschitz-cnn takes pictures of shape (C, H, W) with H and W >= 4, got {shape}")
    channels, height, width = shape
    return nn.Sequential(
        nn.Conv2d(channels, 32, 4, stride=4),
        SortPairs(),
        nn.Flatten(),
        nn.Linear(32 * (height // 4) * (width // 4), 256),
        SortPairs(),
        nn.Linear(256, 256),
        SortPairs(),
        nn.Linear(256, num_classes),
    )


def lipschitz_constant(network: nn.Sequential, shape: tuple[int, ...]) -> float:
    """An upper bound on how much the scores change per change of the input, both in L2: the product of the norms.

    The norm of an affine layer is that of its whole matrix, zero padding included, in float64; the bound is rounded up.

    Args:
        network: of affine layers, ReLU, SortPairs and Flatten.
        shape: of one input.

    Raises:
        ModelError: a layer is of another kind.
    """
    bound, at = 1.0, torch.zeros((1, *shape), dtype=torch.float64)
    for layer in network:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            bound *= _norm(layer, tuple(at.shape[1:])) * _OUTWARDS
        elif not isinstance(layer, (*_ONE_LIPSCHITZ, SortPairs)):
            raise ModelError(
                f"lipschitz knows nn.Sequential of Conv2d, Linear, ReLU, SortPairs and Flatten only, "
                f"got {type(layer).__name__}"
            )
        with torch.no_grad():
            at = layer.double()(at)
    return bound


def _norm(layer: nn.Conv2d | nn.Linear, shape: tuple[int, ...]) -> float:
    """The largest singular value of the layer without its bias, as one matrix, in float64."""
    size = math.prod(shape)
    with torch.no_grad():
        layer = layer.double()
        offset = layer(torch.zeros((1, *shape), dtype=torch.float64))
        rows = (layer(torch.eye(size, dtype=torch.float64).view(size, *shape)) - offset).flatten(1)
        gram = rows @ rows.T if rows.shape[0] <= rows.shape[1] else rows.T @ rows
        return math.sqrt(float(torch.linalg.eigvalsh(gram)[-1]))

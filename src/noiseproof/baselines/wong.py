"""The dual bound of Wong et al. 2018 in L2, by their package ``convex_adversarial``."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from noiseproof.arguments import at_least_one, real, settle
from noiseproof.baselines.base import Certifier, Method, Radii
from noiseproof.errors import ModelError
from noiseproof.models import build
from noiseproof.models.packages import need

_PLAIN = 0.5  # of the steps, and little of the time: without it the bounds are too loose to learn from
_RAMP = 0.75
_FIRST = 0.05
_ROOM = 1e-4  # by which a bound in float32 must hold; see ``certify``
_DOUBLINGS = 24


@dataclass(frozen=True)
class Wong(Method):
    """Trains with the robust loss of the small network at eps, estimated by random projections; certifies exactly.

    The first half of the steps is plain cross-entropy, which costs little; then eps grows evenly from a twentieth of
    itself, until three quarters of the steps are done.

    Args:
        eps: L2 radius of the robust loss in input units, > 0.
        projections: random directions that each bound in training is estimated from; the certificate uses none.
        precision: largest relative gap between a certified radius and the next one that was tried and failed.

    Raises:
        ValueError: an argument is out of range.

    Source: Wong & Kolter 2018; Wong, Schmidt, Metzen, Kolter 2018, section 3.2 (L2 and projections).
    """

    eps: float = 0.25
    projections: int = 10
    precision: float = 1 / 32

    name: ClassVar[str] = "wong"
    architecture: ClassVar[str] = "small-cnn"
    source: ClassVar[str] = "Wong et al. 2018"

    def __post_init__(self) -> None:
        settle(self, {"eps": real, "projections": at_least_one, "precision": real})
        if not 0 < self.eps < float("inf"):
            raise ValueError(f"eps must be > 0 and finite, got {self.eps}")
        if not 0 < self.precision < 1:
            raise ValueError(f"precision must be in (0, 1), got {self.precision}")

    def begin(self, num_classes: int, shape: tuple[int, ...]) -> nn.Module:
        """The small network of the paper."""
        _package()
        return build(self.architecture, num_classes=num_classes, shape=shape)

    def loss(self, network: nn.Module, x: Tensor, y: Tensor, fraction: float) -> Tensor:
        """Cross-entropy of the worst scores that the bound allows at eps."""
        if fraction < _PLAIN:
            return F.cross_entropy(network(x), y)
        grown = min(1.0, _FIRST + (1 - _FIRST) * (fraction - _PLAIN) / (_RAMP - _PLAIN))
        few = self.projections < x[0].numel()  # no fewer than the pixels: the package has exact bounds only
        settings = {"proj": self.projections, "norm_type": "l2_normal"} if few else {"norm_type": "l2"}
        return F.cross_entropy(_package().RobustBounds(network, self.eps * grown, **settings)(x, y), y)

    def certifier(self, network: nn.Sequential, shape: tuple[int, ...]) -> Certifier:
        """The largest radius found at which the bound leaves the class no rival: doubling, then bisection.

        Bounds are exact, not projected, and in the precision of the network, whose rounding is not bounded: the class
        must lead by 1e-4 in the scores. What is returned was itself tried and held.
        """
        del shape
        _check(network)
        _package()

        def radii(x: Tensor) -> Radii:
            with torch.no_grad():
                predictions = network(x).argmax(dim=1)
            found, guess = [], self.eps
            for i in range(len(x)):
                found.append(self._largest(network, x[i : i + 1], predictions[i : i + 1], guess))
                guess = found[-1] or guess  # the next input is likely to be alike
            return Radii(predictions, torch.tensor(found, dtype=torch.float64))

        return Certifier(radii, torch.float32)

    def certificate(self) -> dict[str, object]:
        """The bound, and how finely its largest radius was looked for."""
        return super().certificate() | {"precision": self.precision, "room": _ROOM}

    def _largest(self, network: nn.Sequential, x: Tensor, y: Tensor, guess: float) -> float:
        """A radius that holds, at most ``precision`` below one that does not."""
        low, high = 0.0, guess
        for _ in range(_DOUBLINGS):
            if not holds(network, x, y, high):
                break
            low, high = high, 2 * high
        else:
            return low
        for _ in range(_DOUBLINGS):
            if high - low <= self.precision * high:
                break
            middle = (low + high) / 2 if low else high / 2
            low, high = (middle, high) if holds(network, x, y, middle) else (low, middle)
        return low


def holds(network: nn.Sequential, x: Tensor, y: Tensor, eps: float) -> bool:
    """Whether the bound at L2 radius eps leaves the class y no rival.

    Args:
        network: of ReLU, convolutions and linear layers.
        x: one input, [1, *shape].
        y: its class, int64 [1].
        eps: in input units.
    """
    with torch.no_grad():
        # upper bounds on how far each other class leads y
        lead = _package().RobustBounds(network, eps, norm_type="l2")(x, y)
        return bool(lead.scatter(1, y.view(-1, 1), -torch.inf).amax() < -_ROOM)


def _package() -> ModuleType:
    return need("wong", "baselines", "convex_adversarial")


def _check(network: nn.Module) -> None:
    known = (nn.Conv2d, nn.Linear, nn.ReLU, nn.Flatten)
    layers = list(network) if isinstance(network, nn.Sequential) else [network]
    for layer in layers:
        plain = not isinstance(layer, nn.Conv2d) or (
            layer.groups == 1 and layer.dilation == (1, 1) and layer.padding_mode == "zeros"
        )
        if not isinstance(layer, known) or not plain:
            raise ModelError(
                f"wong knows nn.Sequential of Conv2d, Linear, ReLU and Flatten only, got {type(layer).__name__}; "
                "give a network such as --arch small-cnn"
            )

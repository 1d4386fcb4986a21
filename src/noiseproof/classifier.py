"""The smoothed classifier: the facade for people with a model and a batch in their hands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from noiseproof.arguments import integer
from noiseproof.checks import brief_check
from noiseproof.engine import Engine, Finished, OutOfMemoryError, Task
from noiseproof.engine.choose import backend_for
from noiseproof.engine.contract import check_eval_mode
from noiseproof.errors import UnsupportedError
from noiseproof.noises import Gaussian, Noise
from noiseproof.noises.keys import input_key
from noiseproof.procedures import Certify, Decide, Predict, Procedure
from noiseproof.types import ABSTAIN, Certificate, Decision, Prediction

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noiseproof.engine.pooled import PooledBackend
    from noiseproof.types import Outcome


@dataclass(frozen=True)
class Certificates:
    """Certificates of a batch, one entry an input.

    Attributes:
        prediction: class, or ``ABSTAIN`` (-1); int64 ``[batch]``.
        radius: certified radius in input units, 0.0 where abstained; float64 ``[batch]``.
        p_lower: lower confidence bound on the top class's probability; float64 ``[batch]``.
        abstained: bool ``[batch]``.
        norm: the norm of the radius.
    """

    prediction: NDArray[np.int64]
    radius: NDArray[np.float64]
    p_lower: NDArray[np.float64]
    abstained: NDArray[np.bool_]
    norm: str


@dataclass(frozen=True)
class Predictions:
    """Predictions of a batch, one entry an input.

    Attributes:
        prediction: class, or ``ABSTAIN`` (-1); int64 ``[batch]``.
        p_value: of the test between the two largest counts; float64 ``[batch]``.
        abstained: bool ``[batch]``.
    """

    prediction: NDArray[np.int64]
    p_value: NDArray[np.float64]
    abstained: NDArray[np.bool_]


@dataclass(frozen=True)
class Decisions:
    """Decisions about a batch, one entry an input.

    Attributes:
        answer: "certified", "not certified" or "undecided"; str ``[batch]``.
        prediction: the certified class, or ``ABSTAIN`` (-1); int64 ``[batch]``.
        certified: bool ``[batch]``.
        draws: that it took; int64 ``[batch]``.
        radius: what was asked about, in input units.
        norm: the norm of the radius.
    """

    answer: NDArray[np.str_]
    prediction: NDArray[np.int64]
    certified: NDArray[np.bool_]
    draws: NDArray[np.int64]
    radius: float
    norm: str


class SmoothedClassifier(nn.Module):
    """g(x) = the class that the base classifier most probably gives x + noise.

    The base classifier takes inputs in [0, 1] plus noise (never clipped) and normalises inside, if at all. It must
    be in eval mode. Certificates of one (seed, input) always use the same draws; give another seed for fresh ones.

    Args:
        base: ``[batch, *shape] -> [batch, num_classes]`` scores.
        num_classes: how many classes there are.
        noise: what is added.
        seed: of the noise.
        soft_draws: draws of the soft vote in ``forward``.
        device: where to compute; by default where the base classifier's parameters are.
        batch_size: rows a forward pass; by default 64 on a CPU, 1000 elsewhere; halved when memory runs out.
        workers: batches computed at once; by default a core each on a CPU.

    Source: Cohen, Rosenfeld, Kolter 2019, sections 2 and 3.

    >>> base = nn.Sequential(nn.Flatten(), nn.Linear(4, 2)).eval()
    >>> g = SmoothedClassifier(base, num_classes=2, noise=Gaussian(sigma=0.5))
    >>> g.certify(torch.zeros(3, 1, 2, 2), n=1000).radius.shape
    (3,)
    """

    def __init__(
        self,
        base: Callable[[torch.Tensor], torch.Tensor],
        num_classes: int,
        noise: Noise,
        *,
        seed: int = 0,
        soft_draws: int = 16,
        device: str | torch.device | None = None,
        batch_size: int | None = None,
        workers: int | None = None,
    ) -> None:
        super().__init__()
        soft_draws, num_classes = (
            integer("soft_draws", soft_draws, least=1),
            integer("num_classes", num_classes, least=2),
        )
        self.base = base
        self.num_classes, self.noise, self.seed = num_classes, noise, integer("seed", seed)
        self.soft_draws, self.batch_size, self.workers = soft_draws, batch_size, workers
        self._device = None if device is None else torch.device(device)
        self._tolerances: dict[tuple[str, int], float] = {}

    @property
    def device(self) -> torch.device:
        """Where to compute: the device given, or where the base classifier's parameters are now."""
        first = next(self.base.parameters(), None) if isinstance(self.base, nn.Module) else None
        return self._device or (torch.device("cpu") if first is None else first.device)

    def forward(self, x: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """The soft vote: mean softmax over ``soft_draws`` noisy copies, ``[batch, num_classes]``.

        Differentiable; ordinary float noise, keyed by the seed unless a generator is given. It certifies nothing.

        Args:
            x: ``[batch, *shape]`` in [0, 1].
            generator: source of the noise, on the device of x.

        Raises:
            UnsupportedError: the noise is not Gaussian.
        """
        if not isinstance(self.noise, Gaussian):
            raise UnsupportedError(f"the soft vote knows Gaussian noise only, not {self.noise.family}")
        if generator is None:
            generator = torch.Generator(x.device).manual_seed(self.seed & 0x7FFFFFFF)
        total = torch.zeros(x.shape[0], self.num_classes, dtype=x.dtype, device=x.device)
        for _ in range(self.soft_draws):
            noise = torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)
            total = total + self.base(x + self.noise.sigma * noise).softmax(dim=1)
        return total / self.soft_draws

    def certify(
        self,
        x: torch.Tensor | NDArray[Any],
        *,
        n0: int = 100,
        n: int = 100_000,
        alpha: float = 0.001,
        two_sided: bool = False,
        quantise: bool = False,
    ) -> Certificates:
        """CERTIFY on a whole batch: with probability 1 - alpha each, g is constant within the radius or abstains.

        Args:
            x: ``[batch, *shape]``: floats in [0, 1] on the noise's grid, or uint8.
            n0: draws that select the class.
            n: fresh draws that estimate its probability.
            alpha: failure probability per input.
            two_sided: bound the runner-up by its own count (both at alpha/2).
            quantise: for inputs on no grid: move them to the noise's grid and take off the radius what that may cost.

        Raises:
            ValueError: an argument is out of range, or the input is not in [0, 1] or off the grid.
            ModelError: the base classifier is in training mode, or does not return ``num_classes`` scores.
        """
        shrink: NDArray[np.float64] | float = 0.0
        if quantise:
            if not isinstance(self.noise, Gaussian):
                raise UnsupportedError(f"quantise knows Gaussian noise only, not {self.noise.family}")
            x, shrink = self.noise.quantised(x.detach().cpu().numpy() if isinstance(x, torch.Tensor) else x)
        said = self._run(Certify(n0=n0, n=n, alpha=alpha, two_sided=two_sided), x)
        certificates = [outcome for outcome, _ in said if isinstance(outcome, Certificate)]
        radius = np.maximum(np.array([c.radius for c in certificates], dtype=np.float64) - shrink, 0.0)
        return Certificates(
            prediction=np.where(radius > 0, np.array([c.prediction for c in certificates], dtype=np.int64), ABSTAIN),
            radius=radius,
            p_lower=np.array([c.p_lower for c in certificates], dtype=np.float64),
            abstained=radius == 0,
            norm=self.noise.norm,
        )

    def predict(self, x: torch.Tensor | NDArray[Any], *, n: int = 1000, alpha: float = 0.001) -> Predictions:
        """PREDICT on a whole batch: with probability 1 - alpha each, the class of g or an abstention.

        Args:
            x: ``[batch, *shape]``: floats in [0, 1] on the noise's grid, or uint8.
            n: draws.
            alpha: failure probability per input.

        Raises:
            ValueError: an argument is out of range, or the input is not in [0, 1] or off the grid.
            ModelError: the base classifier is in training mode, or does not return ``num_classes`` scores.
        """
        said = self._run(Predict(n=n, alpha=alpha), x)
        predictions = [outcome for outcome, _ in said if isinstance(outcome, Prediction)]
        return Predictions(
            prediction=np.array([p.prediction for p in predictions], dtype=np.int64),
            p_value=np.array([p.p_value for p in predictions], dtype=np.float64),
            abstained=np.array([p.abstained for p in predictions], dtype=np.bool_),
        )

    def decide(
        self, x: torch.Tensor | NDArray[Any], *, radius: float, alpha: float = 0.001, n_max: int = 100_000
    ) -> Decisions:
        """DECIDE on a whole batch: is g constant within the radius? With as few draws as it takes.

        Args:
            x: ``[batch, *shape]``: floats in [0, 1] on the noise's grid, or uint8.
            radius: in input units in the norm of the noise.
            alpha: probability per input of certifying what does not hold.
            n_max: draws an input at most.

        Raises:
            ValueError: an argument is out of range, or n_max draws cannot certify the radius.
            ModelError: the base classifier is in training mode, or does not return ``num_classes`` scores.
        """
        said = self._run(Decide(radius=radius, alpha=alpha, n_max=n_max), x)
        decisions = [outcome for outcome, _ in said if isinstance(outcome, Decision)]
        return Decisions(
            answer=np.array([d.answer for d in decisions], dtype=np.str_),
            prediction=np.array([d.prediction for d in decisions], dtype=np.int64),
            certified=np.array([not d.abstained for d in decisions], dtype=np.bool_),
            draws=np.array([draws for _, draws in said], dtype=np.int64),
            radius=float(radius),
            norm=self.noise.norm,
        )

    def _run(self, procedure: Procedure, x: torch.Tensor | NDArray[Any]) -> list[tuple[Outcome, int]]:
        check_eval_mode(self.base)
        inputs = x.detach().cpu().numpy() if isinstance(x, torch.Tensor) else np.asarray(x)
        if inputs.ndim < 2:
            raise ValueError(f"x must be a batch [batch, *shape], got shape {inputs.shape}")
        encoded = self.noise.encode(inputs)
        keys: dict[str, NDArray[Any]] = {}
        for one in encoded:
            keys[input_key(one, taken=keys)] = one
        noise = self.noise.on(encoded.shape[1:])
        batch_size = self.batch_size
        outcomes: dict[str, tuple[Outcome, int]] = {}
        while len(outcomes) < len(keys):
            backend = backend_for(
                "torch",
                self.base,
                num_classes=self.num_classes,
                noise=noise,
                shape=encoded.shape[1:],
                device=self.device,
                batch_size=batch_size,
                workers=self.workers,
            )
            tasks = [Task(key, one) for key, one in keys.items() if key not in outcomes]
            try:
                backend.tolerance = self._checked(backend, encoded)
                for event in Engine(backend, noise, self.seed).run(procedure, tasks):
                    if isinstance(event, Finished):
                        outcomes[event.task.key] = event.outcome, sum(n for _, n in event.requests)
            except OutOfMemoryError:
                if backend.batch_size == 1:
                    raise
                batch_size = backend.batch_size // 2  # the same draws again, in smaller batches
            finally:
                backend.close()
        return [outcomes[key] for key in keys]

    def _checked(self, backend: PooledBackend, encoded: NDArray[Any]) -> float:
        """The brief check, once for each device and batch size: the margin under which votes are none."""
        place = (str(backend.device), backend.batch_size)
        if place not in self._tolerances:
            self._tolerances[place] = brief_check(backend, list(encoded[:16])).tolerance
        return self._tolerances[place]

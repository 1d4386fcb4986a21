"""The smoothed classifier: the facade for people with a model and a batch in their hands."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import nn

from noiseproof.arguments import by_name, integer, real
from noiseproof.asked.kinds import check_kinds
from noiseproof.checks import brief_check
from noiseproof.engine import Engine, Finished, OutOfMemoryError, Task
from noiseproof.engine.choose import backend_for
from noiseproof.engine.contract import (
    as_batch,
    check_backend,
    check_base,
    check_eval_mode,
    check_options,
    check_precision,
    checked_scores,
    choose_device,
    pair_of,
)
from noiseproof.engine.require import check_available
from noiseproof.errors import ModelError
from noiseproof.models.base import fingerprint
from noiseproof.models.contents import contents
from noiseproof.noises.keys import binding, input_key
from noiseproof.outcomes import Outcomes
from noiseproof.procedures import Certify, Decide, Predict, Procedure
from noiseproof.progress import Progress
from noiseproof.screen import as_html
from noiseproof.types import ABSTAIN, Certificate, Decision, Prediction

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noiseproof.engine.pooled import PooledBackend
    from noiseproof.noises import Noise
    from noiseproof.types import Outcome


@dataclass(frozen=True)
class _Kept:
    """A backend between two calls, and what it was made of."""

    backend: PooledBackend
    base: object
    made_of: tuple[object, ...]


class SmoothedClassifier(nn.Module):
    """g(x) = the class that the base classifier most probably gives x + noise.

    The base classifier takes inputs in [0, 1] plus noise (never clipped) and normalises inside, if at all. It must
    be in eval mode. Certificates of one (seed, input) always use the same draws as long as weights, noise and settings
    are the same, n apart; give another seed for fresh ones.

    What it computes with, a copy of the base classifier and its workers, is kept for the next call as long as nothing
    it depends on changes; weights may be changed in place at any time. ``close``, or ``with``, gives it back.

    Args:
        base: ``[batch, *shape] -> [batch, num_classes]`` scores.
        num_classes: how many classes there are.
        noise: what is added.
        seed: of the noise.
        soft_draws: draws of the soft vote in ``forward``.
        device: where to compute; by default where the base classifier's parameters are.
        batch_size: rows a forward pass; by default 64 on a CPU, 1000 elsewhere; halved when memory runs out.
        workers: batches computed at once; by default a core each on a CPU.
        precision: of the forward pass: "fp32", or "bf16".
        backend: what computes the scores: "torch", "onnxruntime" or "openvino".
        progress: called while a batch is drawn; copies have none.

    Raises:
        ValueError: an argument is out of range.

    Source: Cohen, Rosenfeld, Kolter 2019, sections 2 and 3.

    >>> from noiseproof.noises import Gaussian
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
        precision: str = "fp32",
        backend: str = "torch",
        progress: Callable[[Progress], None] | None = None,
    ) -> None:
        super().__init__()
        check_base(base)
        check_kinds({"noise": noise} | ({} if progress is None else {"progress": progress}))
        check_options(precision=precision, batch_size=batch_size, workers=workers)
        check_backend(backend, precision=precision, device=device or "cpu")
        self.soft_draws = integer("soft_draws", soft_draws, least=1)
        self.num_classes = integer("num_classes", num_classes, least=2)
        self.base, self.noise, self.seed = base, noise, integer("seed", seed)
        self.batch_size, self.workers = batch_size, workers
        self.precision, self.backend, self.progress = precision, backend, progress
        self._device = None if device is None else choose_device(str(device))
        self._kept: _Kept | None = None
        self._calls = threading.RLock()  # one at a time

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
            UnsupportedError: the noise has no float draws.
            ValueError: x is no tensor of floats.
            ModelError: the base classifier does not return ``num_classes`` scores.
        """
        if not isinstance(x, torch.Tensor) or not x.is_floating_point():
            got = str(x.dtype) if isinstance(x, torch.Tensor) else type(x).__name__
            raise ValueError(f"x must be a tensor of floats in [0, 1], got {got}")
        if generator is None:
            generator = torch.Generator(x.device).manual_seed(self.seed & 0x7FFFFFFF)
        total = torch.zeros(x.shape[0], self.num_classes, dtype=x.dtype, device=x.device)
        for _ in range(self.soft_draws):
            scores = self.base(x + self.noise.sample(x, 1, generator)[0])
            total = total + checked_scores(scores, len(x), self.num_classes).softmax(dim=1)
        return total / self.soft_draws

    @by_name
    def certify(
        self,
        x: torch.Tensor | NDArray[Any],
        *,
        n0: int = 100,
        n: int = 100_000,
        alpha: float = 0.001,
        two_sided: bool = False,
        quantise: bool = False,
    ) -> Outcomes:
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
        procedure = Certify(n0=n0, n=n, alpha=alpha, two_sided=two_sided)
        if not quantise:
            return self._outcomes(Certificate, self._run(procedure, x))
        x, shrink = self.noise.quantised(x.detach().cpu().numpy() if isinstance(x, torch.Tensor) else x)
        said = [
            (_smaller(outcome, less), n) for (outcome, n), less in zip(self._run(procedure, x), shrink, strict=True)
        ]
        return self._outcomes(Certificate, said)

    @by_name
    def predict(self, x: torch.Tensor | NDArray[Any], *, n: int = 1000, alpha: float = 0.001) -> Outcomes:
        """PREDICT on a whole batch: with probability 1 - alpha each, the class of g or an abstention.

        Args:
            x: ``[batch, *shape]``: floats in [0, 1] on the noise's grid, or uint8.
            n: draws.
            alpha: failure probability per input.

        Raises:
            ValueError: an argument is out of range, or the input is not in [0, 1] or off the grid.
            ModelError: the base classifier is in training mode, or does not return ``num_classes`` scores.
        """
        return self._outcomes(Prediction, self._run(Predict(n=n, alpha=alpha), x))

    @by_name
    def decide(
        self, x: torch.Tensor | NDArray[Any], *, radius: float, alpha: float = 0.001, n_max: int = 100_000
    ) -> Outcomes:
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
        return self._outcomes(Decision, self._run(Decide(radius=radius, alpha=alpha, n_max=n_max), x))

    def certified_accuracy(
        self,
        loader: Iterable[tuple[torch.Tensor, torch.Tensor]],
        *,
        radius: float,
        n0: int = 100,
        n: int = 100_000,
        alpha: float = 0.001,
    ) -> float:
        """The share of a loader's inputs that CERTIFY finds right and certified at least this far.

        Args:
            loader: yields ``(x, labels)``, x as ``certify`` takes it.
            radius: in input units in the norm of the noise, >= 0.
            n0: draws that select the class.
            n: fresh draws that estimate its probability.
            alpha: failure probability per input.

        Raises:
            ValueError: an argument is out of range, or the loader yields nothing.
            ModelError: the base classifier is in training mode, or does not return ``num_classes`` scores.
        """
        if not real("radius", radius) >= 0:
            raise ValueError(f"radius must be >= 0, got {radius}")
        right = of = 0
        for batch in loader:
            x, known = pair_of(batch)
            said = self.certify(x, n0=n0, n=n, alpha=alpha)
            right += int((said.certified & (said.prediction == known) & (said.radius >= radius)).sum())
            of += len(said)
        if not of:
            raise ValueError("loader must yield inputs, got none")
        return right / of

    def __repr__(self) -> str:
        """In a line, however large the base classifier is."""
        base = type(self.base).__name__
        return f"SmoothedClassifier({base}, {self.num_classes} classes, {self.noise}, seed={self.seed})"

    def _repr_html_(self) -> str:
        """For notebooks: how it computes."""
        names = ["noise", "num_classes", "seed", "device", "batch_size", "workers", "precision", "backend"]
        said = [getattr(self, name) for name in names]
        return as_html(repr(self), {"": names, "value": said}, len(names))

    def close(self) -> None:
        """Give back the workers and the memory that were kept for the next call, which makes its own again."""
        with self._calls:
            if self._kept is not None:
                self._kept.backend.close()
                self._kept = None

    def __enter__(self) -> Self:
        """For ``close`` at the end."""
        return self

    def __exit__(self, *_: object) -> None:
        """See ``close``."""
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        """A copy, or what is pickled, makes a backend of its own."""
        kept = {name: value for name, value in self.__dict__.items() if name != "_calls"}
        return kept | {"_kept": None, "progress": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """See ``__getstate__``."""
        super().__setstate__(state)  # type: ignore[no-untyped-call]  # of torch
        self._calls = threading.RLock()

    def _outcomes(self, kind: type[Outcome], said: list[tuple[Outcome, int]]) -> Outcomes:
        return Outcomes(kind, [outcome for outcome, _ in said], [draws for _, draws in said], self.noise.norm)

    def _run(self, procedure: Procedure, x: torch.Tensor | NDArray[Any]) -> list[tuple[Outcome, int]]:
        check_eval_mode(self.base)
        inputs = as_batch(x)
        encoded = self.noise.encode(inputs)
        keys: dict[str, NDArray[Any]] = {}
        for one in encoded:
            keys[input_key(one, taken=keys)] = one
        with self._calls:
            try:
                return self._drawn(procedure, encoded, keys) if keys else []
            except ModelError as error:
                if inputs.ndim > 3:
                    raise
                raise ModelError(
                    f"{error}; x was taken for {len(inputs)} inputs: of one picture give x[None]"
                ) from error

    def _drawn(
        self, procedure: Procedure, encoded: NDArray[Any], keys: dict[str, NDArray[Any]]
    ) -> list[tuple[Outcome, int]]:
        outcomes: dict[str, tuple[Outcome, int]] = {}
        draws = 0
        made_of = self._made_of(self.noise.on(encoded.shape[1:]), encoded.shape[1:])
        bound_to = self._bound_to(procedure, self.noise.on(encoded.shape[1:]))
        backend, batch_size = self._take(made_of), self.batch_size
        threads = torch.get_num_threads()  # a worker that starts sets it for threads that are none of ours
        while len(outcomes) < len(keys):
            fresh = backend is None
            backend = backend or self._made(self.noise.on(encoded.shape[1:]), encoded.shape[1:], batch_size)
            tasks = [Task(key, one) for key, one in keys.items() if key not in outcomes]
            try:
                if fresh:
                    backend.tolerance = brief_check(backend, list(encoded[:16])).tolerance
                for event in Engine(backend, backend.noise, self.seed, binding=bound_to).run(procedure, tasks):
                    if isinstance(event, Finished):
                        outcomes[event.task.key] = event.outcome, sum(n for _, n in event.requests)
                    else:
                        draws += event.n
                    if self.progress is not None:
                        self.progress(Progress(len(outcomes), len(keys), "inputs", f"{draws:,} draws"))
            except OutOfMemoryError:
                backend.close()
                if backend.batch_size == 1:
                    raise
                batch_size = backend.batch_size // 2  # the same draws again, in smaller batches
                backend = None
            except BaseException:
                backend.close()
                raise
            finally:
                torch.set_num_threads(threads)
        assert backend is not None, "there is an input"
        self._kept = _Kept(backend, self.base, made_of)
        return [outcomes[key] for key in keys]

    def _bound_to(self, procedure: Procedure, noise: Noise) -> str:
        """What the words of a call are bound to, as those of a run are; of what is no module, to no weights."""
        kind = type(self.base)  # named as in a run of this very module, which then has the same draws
        name = f"{kind.__module__}.{kind.__qualname__}"
        of_weights = fingerprint(self.base, name) if isinstance(self.base, nn.Module) else ""
        about = {"noise": noise.config(), "procedure": procedure.config()}
        return binding(about | {"model": {"fingerprint": of_weights}})

    def _made(self, noise: Noise, shape: tuple[int, ...], batch_size: int | None) -> PooledBackend:
        check_available(self.backend, self.precision)
        check_precision(self.base, self.precision)
        return backend_for(
            self.backend,
            self.base,
            num_classes=self.num_classes,
            noise=noise,
            shape=shape,
            device=self.device,
            batch_size=batch_size,
            precision=self.precision,
            workers=self.workers,
        )

    def _made_of(self, noise: Noise, shape: tuple[int, ...]) -> tuple[object, ...]:
        """What a backend depends on; the last is the base classifier as it is now, None where that cannot be told."""
        settings = (self.backend, self.precision, self.num_classes, self.batch_size, self.workers)
        return (*settings, noise, shape, self.device, contents(self.base))

    def _take(self, made_of: tuple[object, ...]) -> PooledBackend | None:
        """The backend of the last call, where it still is what a new one would be; else it is given back."""
        kept, self._kept = self._kept, None
        if kept is None:
            return None
        called_as_it_is = getattr(kept.backend, "base", None) is self.base
        if kept.base is self.base and kept.made_of == made_of and (made_of[-1] is not None or called_as_it_is):
            return kept.backend
        kept.backend.close()
        return None


def _smaller(outcome: Outcome, shrink: float) -> Outcome:
    """A certificate for the input itself, where the radius is that of its grid point."""
    assert isinstance(outcome, Certificate)
    radius = max(outcome.radius - float(shrink), 0.0)
    return replace(outcome, radius=radius, prediction=outcome.prediction if radius > 0 else ABSTAIN)

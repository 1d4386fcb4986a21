"""Certified accuracy as a metric of a training loop: torchmetrics' three calls, and callbacks of two trainers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from noiseproof.arguments import integer, real
from noiseproof.asked.kinds import check_kinds
from noiseproof.classifier import SmoothedClassifier
from noiseproof.engine.contract import checked_labels

if TYPE_CHECKING:
    from collections.abc import Callable

    from noiseproof.noises import Noise


class CertifiedAccuracy:
    """The share of inputs at which the smoothed classifier is right and certified at one radius.

    Cheap enough for every epoch: DECIDE stops an input as soon as it is told, most after a few hundred draws. An input
    is wrongly certified with probability at most ``alpha``, so of m inputs more than
    ``stats.false_certificates(m, alpha, rho)`` are with probability at most rho; a model that is chosen by this metric
    is to be certified with another seed. Under ``torch.distributed``, ``compute`` adds up the inputs of all processes.

    Args:
        noise: what is added.
        radius: in input units in the norm of the noise.
        num_classes: how many classes there are.
        alpha: probability per input of certifying what does not hold.
        n_max: draws of an input at most.
        seed: of the noise; a metric that compares epochs keeps it.

    Raises:
        ValueError: an argument is out of range.

    >>> from noiseproof.noises import Gaussian
    >>> dark = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))  # class 0 below half brightness
    >>> weights = {"weight": torch.tensor([[-1.0] * 4, [1.0] * 4]), "bias": torch.tensor([2.0, -2.0])}
    >>> _ = dark[1].load_state_dict(weights)
    >>> metric = CertifiedAccuracy(Gaussian(sigma=0.25), radius=0.25, num_classes=2)
    >>> metric.update(dark, torch.zeros(3, 1, 2, 2), torch.tensor([0, 0, 1]))
    >>> metric.compute()
    tensor(0.6667)
    """

    def __init__(
        self,
        noise: Noise,
        radius: float,
        *,
        num_classes: int,
        alpha: float = 0.001,
        n_max: int = 10_000,
        seed: int = 0,
    ) -> None:
        check_kinds({"noise": noise})
        self.noise, self.radius = noise, real("radius", radius)
        self.num_classes = integer("num_classes", num_classes, least=2)
        self.seed = integer("seed", seed)
        if not radius >= 0:
            raise ValueError(f"radius must be >= 0, got {radius}")
        self._asked = {"radius": radius, "alpha": alpha, "n_max": n_max}
        self._smoothed: SmoothedClassifier | None = None
        self.reset()

    def reset(self) -> None:
        """Forget all inputs."""
        self.certified = self.inputs = self.draws = 0

    def update(self, base: nn.Module, x: Tensor, y: Tensor | None = None) -> None:
        """Count a batch.

        Args:
            base: the base classifier as it is now; it is asked in eval mode, and put back.
            x: inputs ``[batch, *shape]`` in [0, 1] on the noise's grid, without noise.
            y: true classes, integers ``[batch]``.

        Raises:
            ValueError: predictions were given instead of a classifier, y are no classes, such as scores, or x is not
                in [0, 1] or off the grid.
            ModelError: the base classifier is no function of each row.
        """
        if not isinstance(base, nn.Module) or y is None:
            raise ValueError(
                "update takes a base classifier (a torch.nn.Module), inputs and classes, got "
                f"{type(base).__name__} first{' and no classes' if y is None else ''}: what is counted is drawn under "
                "noise, so scores are not enough; write metric.update(model, x, y)"
            )
        known = checked_labels("y", y, len(x))
        if self._smoothed is None or self._smoothed.base is not base:
            self.close()
            self._smoothed = SmoothedClassifier(base, self.num_classes, self.noise, seed=self.seed)
        training = {module: module.training for module in base.modules()}
        try:
            base.eval()
            said = self._smoothed.decide(x, **self._asked)  # type: ignore[arg-type]  # of their names
        finally:
            for module, was in training.items():
                module.training = was
        self.certified += int((said.prediction == known).sum())
        self.inputs += len(said)
        self.draws += int(said.draws.sum())

    def compute(self) -> Tensor:
        """The share so far, float32; of all processes where there are several. NaN before the first input."""
        counts = torch.tensor([self.certified, self.inputs], dtype=torch.float64)
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            if torch.distributed.get_backend() == "nccl":
                counts = counts.cuda()
            torch.distributed.all_reduce(counts)
        return (counts[0] / counts[1]).float().cpu()

    def close(self) -> None:
        """Give back the workers that are kept from batch to batch."""
        if self._smoothed is not None:
            self._smoothed.close()
            self._smoothed = None


def trainer_callback(
    metric: CertifiedAccuracy,
    data: Any,  # noqa: ANN401  # any iterable of batches
    *,
    scores: Callable[[nn.Module], nn.Module],
    name: str = "eval_certified_accuracy",
) -> Any:  # noqa: ANN401  # transformers is imported here alone
    """A callback of the Hugging Face Trainer: certified accuracy with each evaluation, beside its metrics and logs.

    Args:
        metric: of which noise and radius.
        data: batches of (x, y), such as a data loader; x in [0, 1], before what a processor does.
        scores: makes a base classifier of the model that is trained: it normalises x and takes the logits out.
        name: under which it is logged.

    Raises:
        ImportError: transformers is not installed.
    """
    from transformers import TrainerCallback

    class OnEvaluate(TrainerCallback):  # type: ignore[misc]  # untyped
        def on_evaluate(self, args: Any, state: Any, control: Any, **more: Any) -> None:  # noqa: ANN401  # untyped there
            del args, control
            metric.reset()
            base = scores(more["model"])
            for x, y in data:
                metric.update(base, x, y)
            found = float(metric.compute())
            more["metrics"][name] = found
            state.log_history.append({name: found, "step": state.global_step, "epoch": state.epoch})

    return OnEvaluate()


def lightning_callback(metric: CertifiedAccuracy, *, name: str = "certified_accuracy") -> Any:  # noqa: ANN401  # likewise
    """A callback of Lightning: certified accuracy over the validation batches (x, y), logged at the end of the epoch.

    Args:
        metric: of which noise and radius; asked about the LightningModule itself.
        name: under which it is logged.

    Raises:
        ImportError: lightning is not installed.
    """
    from lightning.pytorch import Callback

    class OnValidation(Callback):  # type: ignore[misc]  # untyped
        def on_validation_epoch_start(self, *_: object) -> None:
            metric.reset()

        def on_validation_batch_end(self, _: object, module: nn.Module, __: object, batch: Any, *___: object) -> None:  # noqa: ANN401  # (x, y)
            metric.update(module, *batch)

        def on_validation_epoch_end(self, _: object, module: Any) -> None:  # noqa: ANN401  # a LightningModule
            module.log(name, metric.compute())

    return OnValidation()

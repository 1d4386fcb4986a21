"""How a base classifier or a denoiser is trained."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from noiseproof.arguments import flag, integer, real
from noiseproof.asked.options import asked_of, line
from noiseproof.errors import unknown

TaskName = Literal["classifier", "denoiser"]
Optimizer = Literal["sgd", "adam"]
Schedule = Literal["step", "cosine"]
Augmentation = Literal["none", "flip", "crop-flip", "resized-crop-flip"]
TrainingPrecision = Literal["fp32", "bf16"]
# What help and completion list without torch; that the registries hold the same names is held by their tests.
Architecture = Literal["lenet", "resnet20", "resnet110", "resnet50", "small-cnn", "dncnn"]
LossName = Literal["gaussian", "stability", "consistency", "macer", "smoothadv", "smoothmix", "cat-rs", "mse"]

_ONE_OF = {
    "task": ("task", TaskName),
    "optimizer": ("optimizer", Optimizer),
    "schedule": ("schedule", Schedule),
    "augment": ("augmentation", Augmentation),
    "precision": ("precision", TrainingPrecision),
}

_RANGES: dict[str, tuple[str, Callable[[float], bool]]] = {
    "sigma": (">= 0", lambda value: value >= 0),
    "lr": ("> 0", lambda value: value > 0),
    "momentum": ("in [0, 1)", lambda value: 0 <= value < 1),
    "weight_decay": (">= 0", lambda value: value >= 0),
    "gamma": ("in (0, 1]", lambda value: 0 < value <= 1),
}


@dataclass(frozen=True, kw_only=True)
class Training:
    """What a training is asked for; the defaults are the MNIST-like recipe of Zhai et al. 2020.

    In Python ``data`` and ``extra`` may also be a ``DataSet``, ``loss`` a ``Loss``.

    Attributes:
        data: Data set, folder:PATH, FILE.npz, ...; `noiseproof data list`. Its split train where none is named.
        sigma: Standard deviation of the noise, pixels in [0, 1]; 0 is plain training; of several, each into OUT/S.
        task: What is trained; a denoiser is to stand before a classifier.
        arch: Of the network, by default lenet; of a denoiser dncnn or dncnn-DEPTHxWIDTH; FILE.py:NAME for your own.
        epochs: Passes over the data.
        batch_size: Pictures a step, over all processes together.
        optimizer: By default sgd, of a denoiser adam.
        lr: Initial learning rate; by default 0.01, of adam 0.001.
        momentum: Of sgd.
        weight_decay: On all weights.
        schedule: Of the rate: in steps, or along a half cosine to 0.
        step_size: Epochs between two drops of the rate.
        gamma: Factor of a drop.
        loss: By default gaussian; a denoiser's mse, or stability.
        loss_setting: NAME=VALUE such as lambda=10; again for another; by default as published for sigma and data.
        targets: Of cat-rs: a run folder of predict on the training pictures.
        init: An earlier model whose weights to begin with; a last layer of other classes is left out.
        extra: More pictures of the same kind to learn from.
        extra_labels: A model that labels them, instead of their own labels.
        augment: By default as published for the data set.
        seed: Of everything random.
        precision: Of the forward pass.
        compile: Use torch.compile; needs a C++ compiler.
        device: One of auto, cpu, cuda, cuda:1, ...
        threads: CPU threads inside an operation; more than one on idle machines only, where nothing waits for them.
        tensorboard: Write scalars to OUT/tensorboard, too.
        root: Where data sets lie (or NOISEPROOF_DATA).

    Raises:
        ValueError: a setting is out of range or unknown; the text names it, the rule and the value.
    """

    data: Any = field(metadata={"flag": str})
    sigma: float | tuple[float, ...] = field(metadata={"flag": str})
    task: TaskName = "classifier"
    arch: str | None = field(default=None, metadata={"flag": Architecture | str | None})
    epochs: int = 90
    batch_size: int = 256
    optimizer: Optimizer | None = None
    lr: float | None = None
    momentum: float = 0.9
    weight_decay: float = 1e-4
    schedule: Schedule = "step"
    step_size: int = 30
    gamma: float = 0.1
    loss: Any = field(default=None, metadata={"flag": LossName | str | None})
    loss_setting: Mapping[str, Any] = field(default_factory=dict, metadata={"flag": tuple[str, ...]})
    targets: Path | None = None
    init: str | Path | None = field(default=None, metadata={"flag": str | None})
    extra: Any = field(default=None, metadata={"flag": str | None})
    extra_labels: str | Path | None = field(default=None, metadata={"flag": str | None})
    augment: Augmentation | None = None
    seed: int = 0
    precision: TrainingPrecision = "fp32"
    compile: bool = False
    device: str = "auto"
    threads: int = 1
    tensorboard: bool = False
    root: Path | None = None

    def __post_init__(self) -> None:
        checked: dict[str, Any] = {"sigma": _sigma(self.sigma), "loss_setting": _settings(self.loss_setting)}
        for name, (kind, known) in _ONE_OF.items():
            value = getattr(self, name)
            if value is not None and value not in get_args(known):
                raise ValueError(unknown(kind, str(value), get_args(known)))
        if self.arch is not None and not isinstance(self.arch, str):
            raise ValueError(f"arch must be a name, or FILE.py:NAME for a network of your own, got {self.arch!r}"[:200])
        for name in ("epochs", "batch_size", "step_size", "threads"):
            checked[name] = integer(name, getattr(self, name), least=1)
        checked["seed"] = integer("seed", self.seed)
        for name in _RANGES.keys() - {"sigma"}:
            if getattr(self, name) is not None:
                checked[name] = _number(name, getattr(self, name))
        for name in ("compile", "tensorboard"):
            checked[name] = flag(name, getattr(self, name))
        for name in ("targets", "root"):
            if getattr(self, name) is not None:
                checked[name] = Path(getattr(self, name))
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @property
    def sigmas(self) -> tuple[float, ...]:
        """The noise levels, one or several."""
        return self.sigma if isinstance(self.sigma, tuple) else (self.sigma,)

    def line(self, out: str | Path) -> str:
        """The command line that asks for it."""
        return line("train", asked_of(self) | {"out": str(out)})


def _number(name: str, value: object) -> float:
    number, (rule, holds) = real(name, value), _RANGES[name]
    if not (holds(number) and math.isfinite(number)):
        raise ValueError(f"{name} must be {rule}, got {number}")
    return number


def _sigma(given: object) -> float | tuple[float, ...]:
    """One noise level or several, as numbers or as text.

    >>> _sigma("0.12,.5"), _sigma("1")
    ((0.12, 0.5), 1.0)
    """
    several: Iterable[object] = given if isinstance(given, tuple | list) else (given,)
    if isinstance(given, str):
        try:
            several = [float(part) for part in given.split(",")]
        except ValueError:
            raise ValueError(f"sigma must be a number, or numbers with commas between them, got {given!r}") from None
    values = tuple(_number("sigma", each) for each in several)
    if not values or len(set(values)) < len(values):
        raise ValueError(f"sigma must name each value once, got {given!r}")
    return values if len(values) > 1 else values[0]


def _settings(given: Mapping[str, object] | Iterable[str] | None) -> dict[str, object]:
    """The settings of a loss; of texts: true or false, whole numbers, numbers, or words.

    >>> _settings(["steps=10", "eta=0.5", "one_step=true"])
    {'steps': 10, 'eta': 0.5, 'one_step': True}
    """
    if isinstance(given, Mapping):
        return dict(given)
    found: dict[str, object] = {}
    for text in given or ():
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals and value):
            raise ValueError(f"loss_setting must be NAME=VALUE such as lambda=10, got {text!r}")
        if name in found:
            raise ValueError(f"loss_setting must name each setting once, got {name} twice")
        found[name] = _value(value)
    return found


def _value(text: str) -> bool | int | float | str:
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text

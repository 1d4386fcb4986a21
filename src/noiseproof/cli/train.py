"""``noiseproof train``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from noiseproof.cli import options
from noiseproof.cli.progress import ProgressBar
from noiseproof.cli.recipes import Recipe

_NOUNS = {"classifier": "model", "denoiser": "denoiser"}


def train(
    context: typer.Context,
    data: options.Data,
    out: options.Out,
    sigma: Annotated[
        str,
        typer.Option(
            "--sigma",
            metavar="S[,S...]",
            help="Standard deviation of the noise, in [0, 1] pixel units; of several, each trains into DIR/S.",
        ),
    ],
    task: Annotated[str, typer.Option("--task", help="classifier or denoiser.")] = "classifier",
    arch: Annotated[
        str | None,
        typer.Option(
            "--arch",
            help="lenet, small-cnn, resnet20, resnet110, resnet50; denoisers: dncnn, dncnn-DEPTHxWIDTH.  "
            "[default: lenet; dncnn]",
        ),
    ] = None,
    epochs: Annotated[int, typer.Option("--epochs", help="Passes over the data.")] = 90,
    batch_size: Annotated[int, typer.Option("--batch-size", help="Pictures a step.")] = 256,
    optimizer: Annotated[
        str | None, typer.Option("--optimizer", help="sgd or adam.  [default: sgd; of a denoiser adam]")
    ] = None,
    lr: Annotated[
        float | None, typer.Option("--lr", help="Initial learning rate.  [default: 0.01; of adam 0.001]")
    ] = None,
    momentum: Annotated[float, typer.Option("--momentum", help="Of SGD.")] = 0.9,
    weight_decay: Annotated[float, typer.Option("--weight-decay", help="Of SGD.")] = 1e-4,
    schedule: Annotated[str, typer.Option("--schedule", help="step or cosine.")] = "step",
    step_size: Annotated[int, typer.Option("--step-size", help="Epochs between two drops of the rate.")] = 30,
    gamma: Annotated[float, typer.Option("--gamma", help="Factor of a drop.")] = 0.1,
    loss: Annotated[
        str | None,
        typer.Option(
            "--loss",
            help="gaussian, stability, consistency, macer, smoothadv, smoothmix, cat-rs; denoisers: mse, stability.  "
            "[default: gaussian; mse]",
        ),
    ] = None,
    loss_setting: Annotated[
        list[str] | None,
        typer.Option(
            "--loss-setting",
            metavar="NAME=VALUE",
            help="Setting of the loss, such as lambda=10; again for another; default: as published for sigma and data.",
        ),
    ] = None,
    targets: Annotated[
        Path | None,
        typer.Option(
            "--targets",
            metavar="RUN",
            help="For cat-rs: a run of predict on the training pictures.",
        ),
    ] = None,
    init: Annotated[
        str | None, typer.Option("--init", metavar="MODEL", help="An earlier model whose weights to begin with.")
    ] = None,
    extra: Annotated[
        str | None, typer.Option("--extra", metavar="DATA", help="More pictures of the same kind to learn from.")
    ] = None,
    extra_labels: Annotated[
        str | None,
        typer.Option("--extra-labels", metavar="MODEL", help="A model that labels them; default: their own labels."),
    ] = None,
    augment: Annotated[
        str | None,
        typer.Option(
            "--augment", help="none, flip, crop-flip or resized-crop-flip; default: as published for the data set."
        ),
    ] = None,
    seed: options.Seed = 0,
    precision: options.Precision = "fp32",
    compiled: Annotated[bool, typer.Option("--compile", help="Use torch.compile; needs a C++ compiler.")] = False,
    device: options.Device = "auto",
    threads: Annotated[int, typer.Option("--threads", help="CPU threads inside an operation; idle machines only.")] = 1,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write scalars to DIR/tensorboard, too.")] = False,
    root: options.Root = None,
    recipe: Recipe = None,
    config: options.Config = None,
) -> None:
    """Train a base classifier under noise; a checkpoint every epoch, the same line again resumes."""
    del config, recipe  # their settings have become defaults
    from noiseproof.training import train as train_model
    from noiseproof.training.device import find_device
    from noiseproof.training.distributed import is_first_process, joined

    folders = _folders(out, sigma)
    source = {name: getattr(context.get_parameter_source(name), "name", None) for name in ("loss", "loss_setting")}
    if source == {"loss": "COMMANDLINE", "loss_setting": "DEFAULT_MAP"}:
        loss_setting = None  # those of a recipe or a settings file belong to the loss that it names
    settings = _settings(loss_setting or [])
    with joined(find_device(device)):  # once for all of them: torchrun's processes meet only once
        for value, folder in folders.items():
            with ProgressBar(f"train sigma {value}" if len(folders) > 1 else "train") as bar:
                train_model(
                    data=data,
                    task=task,
                    arch=arch or ("dncnn" if task == "denoiser" else "lenet"),
                    out=folder,
                    sigma=value,
                    epochs=epochs,
                    batch_size=batch_size,
                    optimizer=optimizer,
                    lr=lr,
                    momentum=momentum,
                    weight_decay=weight_decay,
                    schedule=schedule,
                    step_size=step_size,
                    gamma=gamma,
                    loss=loss,
                    loss_setting=settings,
                    targets=targets,
                    init=init,
                    extra=extra,
                    extra_labels=extra_labels,
                    augment=augment,
                    seed=seed,
                    precision=precision,
                    compiled=compiled,
                    device=device,
                    threads=threads,
                    tensorboard=tensorboard,
                    root=root,
                    progress=bar.show,
                )
            if is_first_process():
                given = f"MODEL --denoiser {folder}" if task == "denoiser" else folder
                typer.echo(f"{folder} holds the trained {_NOUNS[task]}; next: noiseproof certify --model {given} ...")


def _folders(out: Path, text: str) -> dict[float, Path]:
    """Where the model of each sigma goes: a single one into ``out`` itself.

    >>> [str(folder) for folder in _folders(Path("runs"), "0.12,.5").values()]
    ['runs/0.12', 'runs/0.5']
    """
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"sigma must be a number, or numbers with commas between them, got {text!r}") from None
    if len(set(values)) < len(values):
        raise ValueError(f"sigma must name each value once, got {text!r}")
    for value in values:
        if not 0 <= value < float("inf"):  # before the first one is trained
            raise ValueError(f"sigma must be >= 0, got {value}")
    return {value: out / str(value) for value in values} if len(values) > 1 else {values[0]: out}


def _settings(texts: Sequence[str]) -> dict[str, bool | int | float | str]:
    """The settings of a loss: true or false, whole numbers, numbers, or words.

    >>> _settings(["steps=10", "eta=0.5", "one_step=true"])
    {'steps': 10, 'eta': 0.5, 'one_step': True}
    """
    found: dict[str, bool | int | float | str] = {}
    for text in texts:
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

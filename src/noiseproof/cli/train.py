"""``noiseproof train``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from noiseproof.cli import options
from noiseproof.cli.progress import ProgressBar

if TYPE_CHECKING:
    from noiseproof.training import TrainProgress


def train(
    data: options.Data,
    out: options.Out,
    sigma: options.Sigma,
    arch: Annotated[str, typer.Option("--arch", help="Architecture: lenet, resnet20, resnet110, resnet50.")] = "lenet",
    epochs: Annotated[int, typer.Option("--epochs", help="Passes over the data.")] = 90,
    batch_size: Annotated[int, typer.Option("--batch-size", help="Pictures a step.")] = 256,
    lr: Annotated[float, typer.Option("--lr", help="Initial learning rate.")] = 0.01,
    momentum: Annotated[float, typer.Option("--momentum", help="Of SGD.")] = 0.9,
    weight_decay: Annotated[float, typer.Option("--weight-decay", help="Of SGD.")] = 1e-4,
    schedule: Annotated[str, typer.Option("--schedule", help="step or cosine.")] = "step",
    step_size: Annotated[int, typer.Option("--step-size", help="Epochs between two drops of the rate.")] = 30,
    gamma: Annotated[float, typer.Option("--gamma", help="Factor of a drop.")] = 0.1,
    loss: Annotated[str, typer.Option("--loss", help="Training loss.")] = "gaussian",
    seed: options.Seed = 0,
    precision: options.Precision = "fp32",
    device: options.Device = "auto",
    threads: Annotated[int, typer.Option("--threads", help="CPU threads inside an operation; idle machines only.")] = 1,
    root: options.Root = None,
    config: options.Config = None,
) -> None:
    """Train a base classifier under noise; a checkpoint every epoch, the same line again resumes."""
    del config  # its settings have become defaults
    from noiseproof.training import train as train_model

    with training_bar("train") as show:
        train_model(
            data=data,
            arch=arch,
            out=out,
            sigma=sigma,
            epochs=epochs,
            batch_size=batch_size,
            lr=lr,
            momentum=momentum,
            weight_decay=weight_decay,
            schedule=schedule,
            step_size=step_size,
            gamma=gamma,
            loss=loss,
            seed=seed,
            precision=precision,
            device=device,
            threads=threads,
            root=root,
            progress=show,
        )
    typer.echo(f"{out} holds the trained model; next: noiseproof certify --model {out} ...")


@contextmanager
def training_bar(title: str) -> Iterator[Callable[[TrainProgress], None]]:
    """A progress bar that a training loop can call."""
    with ProgressBar(title, "epochs") as bar:

        def show(progress: TrainProgress) -> None:
            bar.update(
                progress.epoch + progress.batch // progress.batches,
                progress.epochs,
                note=f"loss {progress.loss:.3f}, accuracy under noise {progress.accuracy:.1%}, "
                f"{progress.images_per_second:,.0f} pictures/s",
                seconds_left=progress.seconds_left,
            )

        yield show

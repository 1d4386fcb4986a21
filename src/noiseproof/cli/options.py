"""Options that several verbs share, and the settings file that may hold any of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def _read_config(context: typer.Context, path: Path | None) -> Path | None:
    """Take the file's settings as defaults; a flag on the command line wins."""
    if path is None:
        return None
    from noiseproof.errors import unknown
    from noiseproof.store.settings import read_toml

    settings = {name.replace("-", "_"): value for name, value in read_toml(path).items()}
    known = {str(parameter.name): parameter for parameter in context.command.params if parameter.name != "config"}
    for name, value in settings.items():
        if name not in known:
            raise ValueError(f"{path}: {unknown('setting', name, known)}")
        many = getattr(known[name], "multiple", False) or known[name].nargs != 1
        if many and not isinstance(value, list):
            settings[name] = [value]
        if isinstance(value, list) and not many:
            raise ValueError(f"{path}: {name} must be one value, got {value}")
    defaults: dict[str, Any] = dict(context.default_map or {})
    context.default_map = defaults | settings
    return path


def numbers(name: str, text: str) -> list[float]:
    """Numbers separated by commas.

    Raises:
        ValueError: one is none.
    """
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"{name} must be numbers such as 1,1.5,2, got {text!r}") from None


def behind(denoiser: str | None, models: list[str] | None, *, sigma: float | None = None) -> list[str]:
    """The models, each behind the denoiser where there is one; an empty list where there is no model.

    Args:
        denoiser: its spec, or None.
        models: specs of models.
        sigma: the noise level of a denoiser that must be told one and whose spec does not say it.

    Raises:
        ValueError: there is a denoiser and no model.
    """
    if denoiser is None:
        return models or []
    if not models:
        raise ValueError(f"denoiser goes with --model, the classifier behind it, got {denoiser} alone")
    from noiseproof.models.denoised import denoised_spec

    return [denoised_spec(model, denoiser, sigma=sigma) for model in models]


Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        is_eager=True,
        callback=_read_config,
        help="Settings in TOML, same names as flags.",
    ),
]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Run folder; the same line again resumes in it.")]
Model = Annotated[
    list[str],
    typer.Option(
        "--model",
        help="Run folder of train, weights, file.py:name, ...: `noiseproof models` lists all; several are averaged.",
        metavar="MODEL...",
    ),
]
CertifiedModel = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        help="The run's model, where it no longer lies where it lay; of an ensemble, each with a --model of its own.",
        metavar="MODEL",
    ),
]
Consensus = Annotated[
    int | None,
    typer.Option(
        "--consensus", metavar="K", help="Of several models: where the first K agree, the others are not asked."
    ),
]
Denoiser = Annotated[
    str | None,
    typer.Option(
        "--denoiser",
        metavar="SPEC",
        help="What stands before the model: run folder of train --task denoiser, ffdnet, or diffusers:FOLDER.",
    ),
]
Data = Annotated[
    str,
    typer.Option("--data", metavar="NAME[:SPLIT]", help="Data set, or folder:PATH; `noiseproof data list`."),
]
Sigma = Annotated[float, typer.Option("--sigma", help="Standard deviation of the noise, in [0, 1] pixel units.")]
Alpha = Annotated[float, typer.Option("--alpha", help="Failure probability per input, fixed before sampling.")]
Seed = Annotated[int, typer.Option("--seed", help="Of everything random.")]
Rng = Annotated[
    str, typer.Option("--rng", help="philox; or chacha20, keyed by the operating system, the key kept with the run.")
]
Every = Annotated[int, typer.Option("--every", metavar="K", help="Take every K-th input ...")]
Start = Annotated[int, typer.Option("--start", help="... beginning with this index ...")]
Limit = Annotated[int | None, typer.Option("--limit", help="... and this many inputs at most.")]
Grid = Annotated[
    int,
    typer.Option("--grid", help="Steps of the pixel grid (exact arithmetic); 0: float noise, which claims less."),
]
NumClasses = Annotated[
    int | None, typer.Option("--num-classes", help="Of a model that does not say.  [default: those of the data]")
]
ModelId = Annotated[
    str | None,
    typer.Option("--model-id", help="A name that stands for the model, instead of its fingerprint."),
]
Root = Annotated[Path | None, typer.Option("--root", metavar="DIR", help="Where data sets lie (or NOISEPROOF_DATA).")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1, ...")]
Precision = Annotated[str, typer.Option("--precision", help="fp32 or bf16, of the forward pass.")]
Backend = Annotated[str, typer.Option("--backend", help="torch, onnxruntime or openvino: what computes the scores.")]
BatchSize = Annotated[int | None, typer.Option("--batch-size", help="Rows a forward pass.")]
Workers = Annotated[int | None, typer.Option("--workers", help="Batches computed at once (a core each on a CPU).")]
NMax = Annotated[int, typer.Option("--n-max", help="Draws of an input at most.")]
NMaxOrNone = Annotated[
    int | None, typer.Option("--n-max", help="Of sequential: draws of an input at most.  [default: 100000]")
]
Budget = Annotated[
    int | None,
    typer.Option("--budget", metavar="D", help="Draws for all inputs together, given to those nearest to a decision."),
]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Go on past unreadable pictures, counted as abstentions.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what it will cost, and stop.")]

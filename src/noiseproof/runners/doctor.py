"""``doctor``: what would make certificates of a base classifier false, or useless, found before they are made."""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING

from noiseproof.arguments import integer
from noiseproof.checks import Diagnosis, Patient, diagnose
from noiseproof.checks.noise_health import noise_health
from noiseproof.data import DataSet
from noiseproof.data import load as load_data
from noiseproof.engine.contract import choose_device
from noiseproof.noises import Gaussian
from noiseproof.runners.local import base_model

if TYPE_CHECKING:
    from noiseproof.runners.local import Model

_SIGMA = 0.25
"""Where neither the caller nor the model says one."""


def doctor(
    *,
    model: Model,
    data: str | DataSet,
    sigma: float | None = None,
    num_classes: int | None = None,
    consensus: int | None = None,
    limit: int | None = None,
    seed: int = 0,
    root: str | Path | None = None,
    device: str = "auto",
) -> Diagnosis:
    """Check a base classifier: a function of each row, in the right units, trained with noise, on the right labels?

    A finding "refuse" means that a certificate would not be about what it says; "warn", that it would be true and say
    little. The model is copied: the caller's own is not touched. Comparisons of accuracy have a rate of false alarms
    of 1e-6 each.

    Args:
        model: path of weights, ``file.py:name``, or a module; or several, which are averaged.
        data: name of a data set, or one.
        sigma: of the noise to be certified under; by default what the model says it was trained with, or .25.
        num_classes: of a model that does not say; by default as many as the data set has.
        consensus: of several models: the first so many are asked first, the others only where those disagree.
        limit: pictures to measure accuracy on; by default 512, of large pictures 64.
        seed: of everything random in the checks.
        root: where data sets lie.
        device: "auto", "cpu", "cuda", ...

    Raises:
        ValueError: an argument is out of range.
        ModelError: the model cannot be loaded, or brought to the device.
        DataError: the data set is missing.
    """
    begun = time.monotonic()
    seed, limit = integer("seed", seed), None if limit is None else integer("limit", limit, least=1)
    data_set = (
        load_data(data, split="test", root=None if root is None else Path(root)) if isinstance(data, str) else data
    )
    chosen = choose_device(device)
    classes = None if num_classes is None else integer("num_classes", num_classes, least=2)
    base = base_model(model, classes, consensus, None, data_set)
    trained = base.trained.get("sigma")
    trained_sigma = float(trained) if isinstance(trained, int | float) and trained > 0 else None
    noise = Gaussian(sigma=sigma if sigma is not None else trained_sigma or _SIGMA)
    patient = Patient.of(
        base.module,
        data_set,
        num_classes=len(data_set.classes),
        noise=noise,
        trained_sigma=trained_sigma,
        device=chosen,
        seed=seed,
        limit=limit,
    )
    findings = diagnose(patient)
    return Diagnosis(base.source, data_set.name, noise.sigma, findings, round(time.monotonic() - begun, 3))


def doctor_noise(
    *, sigma: float | None = None, grid: int | None = 255, seed: int = 0, rng: str = "philox", draws: int = 2_400
) -> Diagnosis:
    """Test the noise that a run with these settings would draw against its exact law; needs no model.

    All tests together refuse healthy noise with probability at most 1e-6; ``noise_health`` says what they find.

    Args:
        sigma: of the noise; .25 by default.
        grid: steps of the pixel grid, or None for float noise.
        seed: of the draws; not with "chacha20", whose key comes from the operating system.
        rng: "philox" or "chacha20".
        draws: how many, of 3,072 numbers each.

    Raises:
        ValueError: an argument is out of range.
    """
    begun, seed = time.monotonic(), integer("seed", seed)
    noise = Gaussian(sigma=_SIGMA if sigma is None else sigma, grid=grid)
    if rng == "chacha20":
        if seed != 0:
            raise ValueError(f"seed must be left out with rng {rng}, whose key comes from the system, got {seed}")
        seed = secrets.randbits(256)
    findings = tuple(noise_health(noise, seed=seed, rng=rng, draws=draws))
    made, where = f"noise of {rng} ({noise.arithmetic}, seed {seed})", f"{draws:,} draws"
    return Diagnosis(made, where, noise.sigma, findings, round(time.monotonic() - begun, 3))

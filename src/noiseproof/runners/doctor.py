"""``doctor``: what would make certificates of a base classifier false, or useless, found before they are made."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

from noiseproof.arguments import integer
from noiseproof.asked import Compute
from noiseproof.asked.kinds import check_kinds
from noiseproof.checks import Diagnosis, Probe, diagnose
from noiseproof.checks.noise_health import noise_health
from noiseproof.models.classes import matched
from noiseproof.noises import Noise, default_noise
from noiseproof.runners.model import model_of
from noiseproof.runners.resolve import data_of, device_of

if TYPE_CHECKING:
    from noiseproof.asked import Subject

_SIGMA = 0.25
"""Where neither the caller nor the model says one."""


def doctor(subject: Subject, noise: Noise | None = None, compute: Compute | None = None, *, seed: int = 0) -> Diagnosis:
    """Check a base classifier: a function of each row, in the right units, trained with noise, on the right labels?

    A finding "refuse" means that a certificate would not be about what it says; "warn", that it would be true and say
    little. The model is copied: the caller's own is not touched. Comparisons of accuracy have a rate of false alarms
    of 1e-6 each.

    Args:
        subject: the model, and the data set; accuracy is measured on ``limit`` pictures spread over it, by default 512,
            of large pictures 64.
        noise: to be certified under; by default Gaussian, as the model says it was trained with, or of sigma .25.
        compute: its device.
        seed: of everything random in the checks.

    Raises:
        ValueError: an argument is out of range.
        ModelError: the model cannot be loaded, or brought to the device.
        DataError: the data set is missing.
    """
    begun, compute = time.monotonic(), compute or Compute()
    check_kinds({"subject": subject, "compute": compute} | ({} if noise is None else {"noise": noise}))
    seed, data = integer("seed", seed), data_of(subject)
    if subject.limit is not None:
        integer("limit", subject.limit, least=1)
    base = model_of(subject, data, sigma=None if noise is None else noise.sigma)
    data = matched(data, base)
    trained = base.trained.get("sigma")
    trained_sigma = float(trained) if isinstance(trained, int | float) and trained > 0 else None
    noise = noise or default_noise(trained_sigma or _SIGMA)
    probe = Probe.of(
        base.module,
        data,
        num_classes=len(data.classes),
        noise=noise,
        trained_sigma=trained_sigma,
        device=device_of(compute),
        seed=seed,
        limit=subject.limit,
    )
    findings = diagnose(probe)
    return Diagnosis(base.source, data.name, noise.sigma, findings, round(time.monotonic() - begun, 3))


def doctor_noise(noise: Noise | None = None, *, seed: int = 0, rng: str = "philox", draws: int = 2_400) -> Diagnosis:
    """Test the noise that a run with these settings would draw against its exact law; needs no model.

    All tests together refuse healthy noise with probability at most 1e-6; ``noise_health`` says what they find.

    Args:
        noise: by default Gaussian of sigma .25.
        seed: of the draws; not with "chacha20", whose key comes from the operating system.
        rng: "philox" or "chacha20".
        draws: how many, of 3,072 numbers each.

    Raises:
        ValueError: an argument is out of range.
    """
    begun, seed = time.monotonic(), integer("seed", seed)
    noise = noise or default_noise(_SIGMA)
    if rng == "chacha20":
        if seed != 0:
            raise ValueError(f"seed must be left out with rng {rng}, whose key comes from the system, got {seed}")
        seed = secrets.randbits(256)
    findings = tuple(noise_health(noise, seed=seed, rng=rng, draws=draws))
    made, where = f"noise of {rng} ({noise.arithmetic}, seed {seed})", f"{draws:,} draws"
    return Diagnosis(made, where, noise.sigma, findings, round(time.monotonic() - begun, 3))

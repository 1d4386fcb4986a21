"""All checks, in order."""

from __future__ import annotations

import logging
from collections.abc import Callable

from noiseproof.checks.finding import Finding
from noiseproof.checks.inputs import clipped, low_bits, quantised, units
from noiseproof.checks.labels import accuracy, labels, noise_level, under_noise
from noiseproof.checks.probe import Probe
from noiseproof.checks.rows import batch_size, finite, number_of_scores, own_row, training_mode, two_calls

log = logging.getLogger(__name__)

FIRST: dict[str, Callable[[Probe], Finding]] = {"training mode": training_mode, "scores": number_of_scores}
"""Checks without whose leave there is nothing to measure."""
CHECKS: dict[str, Callable[[Probe], Finding]] = {
    "finite": finite,
    "two calls": two_calls,
    "own row": own_row,
    "batch size": batch_size,
    "clipping": clipped,
    "rounding": quantised,
    "low bits": low_bits,
    "units": units,
    "labels": labels,
    "accuracy": accuracy,
    "sigma": noise_level,
    "noise": under_noise,
}


def diagnose(probe: Probe) -> tuple[Finding, ...]:
    """What every check finds; where there are no scores, or no numbers among them, the rest is skipped."""
    findings = [check(probe) for check in FIRST.values()]
    blocked = next((f.name for f in findings if f.name == "scores" and f.verdict == "refuse"), None)
    for name, check in CHECKS.items():
        if blocked is not None:
            findings.append(Finding(name, "skipped", f"see {blocked}"))
            continue
        log.debug("doctor: %s", name)
        findings.append(check(probe))
        if name == "finite" and findings[-1].verdict == "refuse":
            blocked = name
    return tuple(findings)

"""``noiseproof doctor``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from noiseproof.asked import OF_RUNS, SELECTION, Compute, Subject
from noiseproof.cli.flags import Spread
from noiseproof.cli.records import Rng, Seed
from noiseproof.noises import NOISES, Noise
from noiseproof.screen import fold


def doctor(
    subject: Annotated[Subject | None, Spread("Subject", without=(*SELECTION, "model_id"))],
    noise: Annotated[Noise | None, Spread("Noise", NOISES, "noise", NOISES), "Family of the noise; its flags follow."],
    compute: Annotated[Compute, Spread("Compute", without=("precision", "backend", "batch_size", "workers", *OF_RUNS))],
    *,
    test_noise: bool = False,
    draws: int = 2_400,
    seed: Seed = 0,
    rng: Rng = "philox",
    json: Path | None = None,
) -> int:
    """Check a base classifier before it is certified, or the noise: one line a check. Exits 1 if it is refused.

    Without --sigma: as the model was trained, or .25.

    Args:
        test_noise: Test the noise against its law instead; needs no model.
        draws: Of --test-noise: draws of 3,072 numbers each.
        json: Write the findings to this file, too.
    """
    from json import dumps

    from noiseproof.runners.doctor import doctor as examine
    from noiseproof.runners.doctor import doctor_noise
    from noiseproof.store.manifest import check_place, write_text

    check_place(json, "--json")
    if test_noise:
        if subject is not None:
            raise ValueError("--test-noise tests the noise alone; leave --model and --data out, or leave it out")
        found = doctor_noise(noise, seed=seed, rng=rng, draws=draws)
    elif subject is None:
        raise ValueError("--model and --data must be given, or --test-noise to test the noise alone")
    else:
        found = examine(subject, noise, compute, seed=seed)
    print(fold(found.text()))
    if json is not None:
        write_text(json, dumps(found.table(), indent=2) + "\n")
        print(f"written: {json}")
    return 1 if found.verdict == "refuse" else 0

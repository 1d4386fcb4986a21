"""``noiseproof bench``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from noiseproof.asked import OF_RUNS, SELECTION, Compute, Subject
from noiseproof.cli.flags import Spread
from noiseproof.noises import NOISES, Noise

_ONE = (*SELECTION, "limit", "model_id")
_HALF = (("sigma", 0.5),)


def bench(
    subject: Annotated[Subject, Spread("Subject", without=_ONE, optional=("data",))],
    noise: Annotated[Noise, Spread("Noise", NOISES, "noise", NOISES, defaults=_HALF), "Family of the noise."],
    compute: Annotated[Compute, Spread("Compute", without=OF_RUNS)],
    *,
    seconds: float = 30.0,
    out: Path | None = None,
) -> None:
    """Measure draws a second: forward only, certify, and the textbook loop, interleaved in one run.

    Without --data, pictures are random pixels.

    Args:
        seconds: For the measurement itself.
        out: Also as JSON, into this file.
    """
    import json
    import sys

    from noiseproof.reports.bench import bench_table, bench_values
    from noiseproof.runners.bench import bench as measure
    from noiseproof.store.manifest import check_place, write_text

    check_place(out, "--out")
    found = measure(subject, noise, compute, seconds=seconds)
    print(bench_table(found).screen())
    if out is not None:
        write_text(out, json.dumps(bench_values(found), indent=2) + "\n")
        print(f"written: {out}", file=sys.stderr)

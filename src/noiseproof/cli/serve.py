"""``noiseproof serve``: a smoothed classifier that answers requests, and a page that shows how."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated

from noiseproof.asked import OF_RUNS, SELECTION, Compute, Subject
from noiseproof.asked.limits import Limits
from noiseproof.cli.flags import Spread
from noiseproof.cli.records import AnyNoise
from noiseproof.cli.signals import EndedBySignalError, ended_by_signals

_SHOWN = (("data", "fashion-mnist-small"),)


def serve(
    subject: Annotated[Subject, Spread("Subject", without=(*SELECTION, "limit"), defaults=_SHOWN)],
    noise: AnyNoise,
    compute: Annotated[Compute, Spread("Compute", without=OF_RUNS)],
    limits: Annotated[Limits, Spread("Options")],
    *,
    out: Path = Path("served"),
    host: str = "127.0.0.1",
    port: int = 8360,
) -> None:
    """A page and a service that predict, certify and decide what they are sent (extra view).

    Args:
        out: Where the counts of requests are kept, a run folder each, below the day.
        host: Address to listen on; beyond this machine a token is asked for, NOISEPROOF_TOKEN or one that is printed.
        port: 0 for a free one.
    """
    from noiseproof.asked import Asked
    from noiseproof.procedures import Certify
    from noiseproof.runners.resolve import resolve
    from noiseproof.service.serve import serve as serve_job

    # the end that is asked for is no failure
    with suppress(KeyboardInterrupt, EndedBySignalError), ended_by_signals():
        job = resolve(Asked(procedure=Certify(), noise=noise, subject=subject, compute=compute))
        serve_job(job, limits, out, host=host, port=port, said=_say)


def _say(text: str) -> None:
    print(f"noiseproof: {text}", flush=True)

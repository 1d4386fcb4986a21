"""A run as a job array: a shard a job, each a run folder of its own, merged when all have ended."""

from __future__ import annotations

import logging
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from noiseproof.errors import RunError, one_line
from noiseproof.models.packages import need
from noiseproof.progress import Progress
from noiseproof.runners.executors.base import Launcher
from noiseproof.store.lock import FolderLock
from noiseproof.store.merge import merge

if TYPE_CHECKING:
    from noiseproof.asked import Asked
    from noiseproof.runners.job import Job

log = logging.getLogger(__name__)

MINUTES = 24 * 60
"""Asked for a job; SBATCH_TIMELIMIT wins, as SBATCH_PARTITION does. What is not done then is queued again."""

_POLL = 1.0


class Slurm(Launcher):
    """Jobs of SLURM by submitit; with the address "local" processes of this machine, to try it."""

    name: ClassVar[str] = "slurm"
    here: ClassVar[bool] = False

    def launch(self, job: Job, out: Path, progress: Callable[[Progress], None] | None) -> None:
        """See ``Launcher``: the shards stand in OUT.shards, with what their jobs said."""
        jobs = _jobs(job)
        submitit = need("executor slurm", "slurm", "submitit")
        folder = out.with_name(f"{out.name}.shards")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"cannot make the folder {folder}: {error.strerror}; choose another --out") from None
        places = [folder / str(i + 1) for i in range(jobs)]
        lines = [_words(job.asked, i + 1, jobs, place) for i, place in enumerate(places)]
        with FolderLock(folder):
            executor = submitit.AutoExecutor(folder=folder / "jobs", cluster=_cluster(job.asked.compute.address))
            executor.update_parameters(**_takes(job, jobs, executor.cluster))
            with executor.batch():
                submitted = [executor.submit(Shard(words)) for words in lines]
            _wait(submitted, progress)
            merged = merge(places, out=out)
        for index, kept in merged.same_picture:
            log.warning("input %d is left out, the same picture as %d of another shard; certify draws it", index, kept)


class Shard:
    """What a job does: a command line. Where its time does not suffice it is queued again, and goes on."""

    def __init__(self, words: list[str]) -> None:
        """A line of these words."""
        self.words = words

    def __call__(self) -> None:
        """Run it.

        Raises:
            RunError: it failed; says what it said last.
        """
        done = subprocess.run(self.words, stderr=subprocess.PIPE, text=True, check=False)
        print(done.stderr)  # noqa: T201  # into the log of the job
        if done.returncode:
            raise RunError((done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1])

    def checkpoint(self) -> Any:  # noqa: ANN401  # of submitit
        """What is queued where the time is over: the same again."""
        return need("executor slurm", "slurm", "submitit").helpers.DelayedSubmission(self)


def _jobs(job: Job) -> int:
    """How many jobs; refuses what no array can do."""
    asked, compute = job.asked, job.asked.compute
    if compute.at_most is None or not 2 <= compute.at_most <= len(job.indices):
        raise ValueError(
            f"at_most must be 2 or more with executor slurm, the jobs of its array, and at most the "
            f"{len(job.indices)} inputs, got {compute.at_most}"
        )
    if asked.budget is not None:
        raise ValueError("budget must be left out with executor slurm: inputs that share draws are no shards")
    if asked.rng != "philox":
        raise ValueError(f"rng must be philox with executor slurm, got {asked.rng}: each shard would have its own key")
    if not all(isinstance(each, str | Path) for each in (*asked.subject.models, asked.subject.data)):
        raise ValueError("executor slurm needs a model and data that a job finds by their names: give their specs")
    return compute.at_most


def _words(asked: Asked, i: int, jobs: int, place: Path) -> list[str]:
    """The line of a shard, for the Python that runs this."""
    subject = replace(asked.subject, shard=f"{i}/{jobs}")
    compute = replace(asked.compute, executor="in-process", address=None, at_most=None)
    line = replace(asked, subject=subject, compute=compute).line(place.absolute())
    return [sys.executable, "-m", *shlex.split(line)]


def _cluster(address: str | None) -> str:
    if address not in (None, "slurm", "local"):
        raise ValueError(f"address must be left out, or local for this machine, with executor slurm, got {address!r}")
    if address != "local" and shutil.which("sbatch") is None:
        raise RunError("executor slurm needs SLURM: no sbatch is here; give --address local to try it on this machine")
    return address or "slurm"


def _takes(job: Job, jobs: int, cluster: str) -> dict[str, Any]:
    """What a job asks for: a GPU, but for --device cpu, where it is --workers cores."""
    compute = job.asked.compute
    takes: dict[str, Any] = {"name": "noiseproof", "timeout_min": MINUTES, "cpus_per_task": compute.workers or 1}
    if cluster == "slurm":
        takes |= {"slurm_array_parallelism": jobs, "slurm_signal_delay_s": 120}
        takes |= {} if compute.device == "cpu" else {"gpus_per_node": 1}
    return takes


def _wait(jobs: list[Any], progress: Callable[[Progress], None] | None) -> None:
    """Until all have ended.

    Raises:
        RunError: some failed; what they have drawn is kept.
    """
    while (done := sum(each.done() for each in jobs)) < len(jobs):
        if progress is not None:
            progress(Progress(done, len(jobs), "shards"))
        time.sleep(_POLL)
    failed = [(i + 1, error) for i, each in enumerate(jobs) if (error := each.exception()) is not None]
    if failed:
        number, error = failed[0]
        ours = [line for line in str(error).splitlines() if "RunError: " in line]  # the rest is a trace of submitit
        said = ours[-1].partition("RunError: ")[2] if ours else one_line(error, 500)
        raise RunError(
            f"{len(failed)} of {len(jobs)} shards failed; the same line goes on from here: shard {number}: {said} "
            f"(log: {jobs[number - 1].paths.stderr})"
        )

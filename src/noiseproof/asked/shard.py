"""Part i of N of the inputs: by a rule that everyone who knows N agrees on."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

ARRAYS = {
    "SLURM_ARRAY_TASK_ID": 0,
    "PBS_ARRAY_INDEX": 0,
    "SGE_TASK_ID": 0,
    "LSB_JOBINDEX": 0,
    "AWS_BATCH_JOB_ARRAY_INDEX": 1,
    "JOB_COMPLETION_INDEX": 1,
}
"""What schedulers call the number of a job in its array, and what is added to it: the last two count from 0."""


def part_of(
    shard: str, every: int, start: int, limit: int | None, environment: Mapping[str, str] | None = None
) -> tuple[int, int, int | None]:
    """The every, start and limit of a part: of the inputs in their order, the i-th and each N-th from there on.

    Args:
        shard: "i/N" with 1 <= i <= N; or "auto/N", where i is the number of this job in its scheduler's array.
        every: of all the inputs.
        start: likewise.
        limit: likewise.
        environment: where the scheduler's number stands; by default that of this process.

    Raises:
        ValueError: it is no such text, i is out of range, no scheduler gives a number, or the part has no input.

    >>> part_of("3/8", 20, 0, None), part_of("2/3", 1, 5, 4)
    ((160, 40, None), (3, 6, 1))
    >>> part_of("auto/4", 1, 0, None, {"SLURM_ARRAY_TASK_ID": "4"})
    (4, 3, None)
    """
    found = re.fullmatch(r"(auto|\d{1,9})/(\d{1,9})", shard, re.ASCII)
    if found is None:
        raise ValueError(f"shard must be I/N such as 3/8, or auto/N in a scheduler's array, got {shard!r}")
    parts = int(found[2])
    number, said = (int(found[1]), "") if found[1] != "auto" else _of_this_job(parts, environment)
    if not 1 <= number <= parts:
        raise ValueError(f"shard must be from 1/{parts} to {parts}/{parts}, got {number}/{parts}{said}")
    before = number - 1
    left = None if limit is None else len(range(before, limit, parts))
    if left == 0:
        raise ValueError(f"shard {number}/{parts} of {limit} inputs has none; give a smaller N")
    return every * parts, start + every * before, left


def _of_this_job(parts: int, environment: Mapping[str, str] | None) -> tuple[int, str]:
    """The number of this job in its array, and where it comes from."""
    known = os.environ if environment is None else environment
    for name, first in ARRAYS.items():
        if known.get(name, "").isdecimal():
            return int(known[name]) + first, f" from {name}={known[name]}; number the array 1 to {parts}"
    raise ValueError(f"shard auto/{parts} needs a job of a scheduler's array, which sets one of {', '.join(ARRAYS)}")

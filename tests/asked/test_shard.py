"""Part i of N: every input in one part and one alone, whoever asks."""

from __future__ import annotations

import pytest

from noiseproof.asked import Asked, Subject
from noiseproof.asked.shard import ARRAYS, part_of
from noiseproof.noises import Gaussian
from noiseproof.procedures import Decide


@pytest.mark.parametrize("parts", [1, 2, 3, 10])
@pytest.mark.parametrize(("every", "start", "limit"), [(1, 0, None), (7, 3, 10), (7, 3, None), (2, 1, 11)])
def test_the_parts_take_every_input_once(parts, every, start, limit):
    everything = list(range(start, 100, every))[:limit]
    taken: list[int] = []
    for i in range(1, parts + 1):
        part = Subject(model="m", data="d", every=every, start=start, limit=limit, shard=f"{i}/{parts}")
        assert part.shard is None, "from then on it is a selection like any other"
        taken += list(range(part.start, 100, part.every))[: part.limit]
    assert sorted(taken) == everything


@pytest.mark.parametrize("name", ARRAYS)
def test_the_number_of_a_job_in_its_array(name, monkeypatch):
    for other in ARRAYS:
        monkeypatch.delenv(other, raising=False)
    with pytest.raises(
        ValueError, match="shard auto/4 needs a job of a scheduler's array, which sets one of SLURM_ARR"
    ):
        Subject(model="m", data="d", shard="auto/4")
    for i in (1, 4):
        monkeypatch.setenv(name, str(i - ARRAYS[name]))
        assert Subject(model="m", data="d", shard="auto/4").start == i - 1
    monkeypatch.setenv(name, "7")
    with pytest.raises(ValueError, match=rf"got \d/4 from {name}=7; number the array 1 to 4"):
        Subject(model="m", data="d", shard="auto/4")


@pytest.mark.parametrize("text", ["", "3", "3/", "/8", "0/8", "9/8", "-1/8", "1/0", "a/8", "1/8/2", "auto"])
def test_no_shard(text):
    with pytest.raises(ValueError, match="shard must be"):
        part_of(text, 1, 0, None, {})


def test_arrays_that_count_from_0():
    """As their manuals say: AWS Batch and indexed jobs of Kubernetes; all others may count from 1."""
    first = {name for name, added in ARRAYS.items() if added == 1}
    assert first == {"AWS_BATCH_JOB_ARRAY_INDEX", "JOB_COMPLETION_INDEX"}


def test_a_part_without_inputs():
    with pytest.raises(ValueError, match="shard 5/8 of 4 inputs has none; give a smaller N"):
        part_of("5/8", 1, 0, 4)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"budget": 5000}, "budget must be left out with shard: inputs that share draws are no shards"),
        ({"rng": "chacha20"}, "rng must be philox with shard, got chacha20: each shard would have its own key"),
    ],
)
def test_what_could_not_be_merged_is_refused_before_it_is_drawn(asked, told):
    part = Subject(model="m", data="d", shard="2/8")
    with pytest.raises(ValueError, match=told):
        Asked(procedure=Decide(radius=0.1), noise=Gaussian(sigma=0.5), subject=part, **asked)
    whole = Subject(model="m", data="d", every=8, start=1)
    assert Asked(procedure=Decide(radius=0.1), noise=Gaussian(sigma=0.5), subject=whole, **asked)

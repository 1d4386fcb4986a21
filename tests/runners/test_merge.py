"""Shards that a real model drew: merged they are the run that one process makes, and it goes on from there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

from noiseproof import merge, verify
from noiseproof.attacks import PGD
from noiseproof.errors import DataError, RunError
from noiseproof.runners.redraw import Redrawn
from noiseproof.store import read_run
from tests.asking import attack, decide, redraw


def ranges(folder):
    return (folder / "journal.jsonl").read_text().count('"is":"range"')


@pytest.fixture
def different(data):
    """Eight pictures, no two of them equal."""
    pixels = np.random.default_rng(1).integers(0, 256, (8, *data.shape), dtype=np.uint8)
    return replace(data, pictures=pixels)


@pytest.fixture
def sharded(certified, different, tmp_path):
    """Two of three shards in one call each, the third in two."""
    certified("a", data=different, every=3, start=0)
    certified("b", data=different, every=3, start=1, limit=2)
    certified("b", data=different, every=3, start=1, batch_size=16)
    certified("c", data=different, every=3, start=2)
    return [tmp_path / name for name in "cab"]


def test_they_are_what_one_run_is_and_nothing_is_left_to_draw(certified, different, sharded, as_set, tmp_path):
    whole = certified("whole", data=different)
    merged = merge(sharded, out=tmp_path / "all")
    assert as_set(merged.run) == as_set(whole)
    assert verify(tmp_path / "all") == verify(tmp_path / "whole")
    assert merged.run.manifest.meaning_hash == whole.manifest.meaning_hash
    before = ranges(tmp_path / "all")
    assert as_set(certified("all", data=different)) == as_set(whole)
    assert ranges(tmp_path / "all") == before


def test_a_merged_run_is_extended(certified, different, as_set, tmp_path):
    certified("a", data=different, every=2, limit=2)
    certified("b", data=different, every=2, start=1, limit=1)
    merge([tmp_path / "a", tmp_path / "b"], out=tmp_path / "all")
    assert as_set(certified("all", data=different)) == as_set(certified("whole", data=different))
    assert verify(tmp_path / "all").records == 8


def test_it_is_drawn_again_and_attacked(certified, different, model, tmp_path):
    certified("a", data=different, every=2)
    certified("b", data=different, every=2, start=1)
    run = merge([tmp_path / "a", tmp_path / "b"], out=tmp_path / "all").run
    said = redraw(tmp_path / "all", 99, model=model, data=different, device="cpu")
    assert said == Redrawn(inputs=tuple(range(8)), of=8, draws=8 * 320, differing=0, doubtful=0, smaller=0)
    found = attack(
        tmp_path / "all",
        out=tmp_path / "attack",
        limit=1,
        method=PGD(steps=1, draws=2),
        n=50,
        alpha=0.5,
        model=model,
        data=different,
        device="cpu",
        workers=1,
    )
    assert {point.index for point in found.points} == {min(r.index for r in run.records if r.outcome.radius > 0)}


def test_equal_pictures_in_two_shards_are_drawn_on_their_own_noise_in_the_merged_run(certified, data, as_set, tmp_path):
    """1, 2 and 5 are the same picture: one shard has 2, the other 1 and 5."""
    certified("even", data=data, every=2)
    certified("odd", data=data, every=2, start=1)
    merged = merge([tmp_path / "even", tmp_path / "odd"], out=tmp_path / "all")
    assert merged.same_picture == ((2, 1),)
    assert [record.index for record in merged.run.records] == [0, 1, 3, 4, 5, 6, 7]
    run = certified("all", data=data)
    assert [record.key.rpartition("-")[2] for record in run.records] == ["0", "0", "2", "0", "0", "1", "0", "0"]
    assert len({run.records[i].answers for i in (1, 2, 5)}) == 3
    whole = certified("whole", data=data)
    unequal = {record for record in as_set(whole) if record[1] not in (1, 2, 5)}
    assert unequal < as_set(run)
    assert verify(tmp_path / "all").records == 8


def test_a_shard_that_was_stopped_is_finished_in_the_merged_run(certified, different, as_set, tmp_path):
    class Stop(Exception):
        pass

    calls = []

    def stop(progress):
        calls.append(progress)
        if len(calls) == 5:
            raise Stop

    certified("a", data=different, every=2)
    with pytest.raises(Stop):
        certified("b", data=different, every=2, start=1, progress=stop)
    left = len(read_run(tmp_path / "b").state.open)
    assert left > 0
    merged = merge([tmp_path / "a", tmp_path / "b"], out=tmp_path / "all")
    assert merged.unfinished == ((tmp_path / "b", left),)
    assert as_set(certified("all", data=different)) == as_set(certified("whole", data=different))


def test_pictures_skipped_as_unreadable(certified, different, tmp_path):
    class Torn:
        def __len__(self):
            return 8

        def __getitem__(self, index):
            if index == 3:
                raise DataError("picture-3.png is cut off")
            return different.pictures[index]

    torn = replace(different, pictures=Torn())
    certified("a", data=torn, every=2, skip_bad=True)
    certified("b", data=torn, every=2, start=1, skip_bad=True)
    run = merge([tmp_path / "b", tmp_path / "a"], out=tmp_path / "all").run
    assert [record.index for record in run.records if record.skipped] == [3]
    before = ranges(tmp_path / "all")
    assert certified("all", data=torn, skip_bad=True).records == run.records
    assert ranges(tmp_path / "all") == before
    assert verify(tmp_path / "all").skipped == 1


def test_runs_that_are_no_shards(certified, different, model, tmp_path):
    certified("a", data=different, limit=1)
    certified("b", data=different, start=1, limit=1, rng="chacha20")
    with pytest.raises(RunError, match=r"not parts of one run: .*(seed|rng) is "):
        merge([tmp_path / "a", tmp_path / "b"], out=tmp_path / "all")
    for name, start in (("c", 0), ("d", 1)):
        settings = {"model": model, "data": different, "sigma": 0.5, "radius": 0.3, "num_classes": 3, "device": "cpu"}
        decide(**settings, out=tmp_path / name, budget=900, n_max=1000, every=2, start=start, workers=1)
    with pytest.raises(RunError, match=r"not parts of one run: budget\.inputs is .* a run with --budget has none"):
        merge([tmp_path / "c", tmp_path / "d"], out=tmp_path / "all")

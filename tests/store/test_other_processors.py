"""What one processor wrote, another verifies, goes on with and merges: no floating number is part of a meaning."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from math import nextafter
from pathlib import Path

import numpy as np
import pytest

from noiseproof.noises import Gaussian
from noiseproof.noises.base import _p_needed
from noiseproof.procedures import Certify, Curve, Decide, Predict, Sequential
from noiseproof.stats import special
from noiseproof.stats.sequential import crossing, group_sequential
from noiseproof.store import Manifest, Range, RunFolder, VerificationError, read_manifest, verify
from noiseproof.store.manifest import CLOSE, EXACT, same_design, with_design, write_manifest
from noiseproof.store.merge import merge

NOISE = Gaussian(sigma=0.5).on((1, 8, 8))
ASKED = [
    Decide(radius=0.43, n_max=2000),
    Decide(radius=0.43, n_max=2000, label_aware=True),
    Curve(radii=(0.0, 0.1, 0.43), n_max=2000),
    Certify(n=1000),
    Certify(n=1000, two_sided=True),
    Sequential(n_max=1000),
    Predict(n=1000),
]


def manifest_of(procedure, noise=NOISE, *, old=False):
    """As it is now, or as it was while the meaning held p0 and size."""
    meaning = {"model": {"num_classes": 3}, "noise": noise.config(), "procedure": procedure.config(), "seed": 0}
    bare, design = Manifest(procedure.verb, meaning, "0"), procedure.design(noise)
    return replace(bare, meaning=meaning | {"design": design}) if old and design else with_design(bare, design)


def draw(path, procedure, indices, *, old=False):
    """A run of these inputs; of each the most voted class has a share of its own."""
    with RunFolder(path, manifest_of(procedure, old=old)) as folder:
        folder.begin({"device": "cpu"}, {})
        for index in indices:
            asking, requests, first = procedure.run(NOISE, 0), [], {}
            request = next(asking)
            while True:
                voted = round(request.n * (1 - 0.02 * index))
                votes = (voted, request.n - voted, 0)
                folder.add_range(f"{index}-0", request.stage, Range(first.get(request.stage, 0), request.n, votes, 0.0))
                first[request.stage] = first.get(request.stage, 0) + request.n
                requests.append((request.stage, request.n))
                try:
                    request = asking.send(np.array(votes))
                except StopIteration as said:
                    folder.add_record(f"{index}-0", index, 0, requests, said.value)
                    break


@pytest.fixture
def nudged(monkeypatch):
    """Special functions whose answers are so many steps up (or down) from what they are here."""

    def nudge(name, steps):
        exact = getattr(special, name)

        def other(*given):
            value = float(exact(*given))
            for _ in range(abs(steps)):
                value = nextafter(value, np.inf if steps > 0 else -np.inf)
            return value

        monkeypatch.setattr(special, name, other)
        _p_needed.cache_clear()
        group_sequential.cache_clear()

    yield nudge
    _p_needed.cache_clear()
    group_sequential.cache_clear()


def goes_on_here(tmp_path, procedure, old):
    """tmp_path / "theirs" holds inputs 0 to 4, of another processor."""
    draw(tmp_path / "ours", procedure, range(3, 8), old=old)
    assert verify(tmp_path / "theirs").records == 5
    merged = merge([tmp_path / "theirs", tmp_path / "ours"], out=tmp_path / "merged")
    assert len(merged.run.records) == 8
    assert verify(tmp_path / "merged").records == 8
    draw(tmp_path / "theirs", procedure, range(5, 8), old=False)  # goes on, as this version would
    assert verify(tmp_path / "theirs").records == 8


@pytest.mark.parametrize("old", [False, True], ids=["now", "old"])
@pytest.mark.parametrize("procedure", ASKED, ids=lambda asked: f"{asked.name}{len(repr(asked))}")
@pytest.mark.parametrize("name", ["ndtri", "betainccinv"])
@pytest.mark.parametrize("steps", [-2, 1])
def test_a_run_of_special_functions_an_ulp_off(name, steps, procedure, old, nudged, tmp_path):
    nudged(name, steps)
    draw(tmp_path / "theirs", procedure, range(5), old=old)
    theirs = manifest_of(procedure)
    nudged(name, -steps)  # and back: the nudges add up
    assert theirs.meaning_hash == manifest_of(procedure).meaning_hash
    goes_on_here(tmp_path, procedure, old)


PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from test_other_processors import ASKED, draw, manifest_of
import json
for number, procedure in enumerate(ASKED[:3]):
    for old in (False, True):
        draw(Path(sys.argv[2]) / f"{number}-{old}" / "theirs", procedure, range(5), old=old)
print(json.dumps([manifest_of(procedure).design for procedure in ASKED[:3]]))
"""


def test_a_run_of_another_kernel_of_blas(tmp_path):
    """Its sums round in another order: the size of a test ends in other digits, and nothing else of it does."""
    made = []
    for kernel in ("Prescott", ""):
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        environment.pop("OPENBLAS_CORETYPE", None)
        environment |= {"OPENBLAS_CORETYPE": kernel} if kernel else {}
        words = [sys.executable, "-c", PROGRAM, str(Path(__file__).parent), str(tmp_path / (kernel or "here"))]
        made.append(json.loads(subprocess.run(words, env=environment, check=True, capture_output=True).stdout))
    assert all(same_design(one, other) for one, other in zip(*made, strict=True))
    for number, procedure in enumerate(ASKED[:3]):
        for old in (False, True):
            goes_on_here(tmp_path / "Prescott" / f"{number}-{old}", procedure, old)


def test_integers_do_not_hang_on_an_ulp(nudged):
    radii = [0.004 * i for i in range(300)]
    here = [Decide(radius=radius, n_max=1000, alpha=0.01).design(NOISE)[0] for radius in radii]
    moved = 0
    for steps in (-1, 2):  # one below, then one above
        nudged("ndtri", steps)
        for radius, mine in zip(radii, here, strict=True):
            other = Decide(radius=radius, n_max=1000, alpha=0.01).design(NOISE)[0]
            assert {name: other[name] for name in EXACT} == {name: mine[name] for name in EXACT}
            assert same_design([other], [mine])
            moved += other["p0"] != mine["p0"]
            # whichever of the two thresholds is the true one, the boundaries hold their level
            assert crossing(tuple(mine["looks"]), tuple(mine["accept"]), other["p0"]) <= mine["alpha"]
    assert moved, "no p0 moved: an ulp of ndtri is not seen, and this test says nothing"


def test_what_is_beside_the_meaning_is_verified_and_integers_exactly(tmp_path):
    procedure = ASKED[0]
    draw(tmp_path / "run", procedure, range(2))
    stored = read_manifest(tmp_path / "run")
    assert set(stored.meaning["design"][0]) == set(EXACT)
    assert set(stored.levels[0]) == {"p0", "alpha", "size"}
    for name, factor in (("p0", 1 + 10 * CLOSE), ("alpha", 2), ("size", 1 - 10 * CLOSE)):
        changed = [stored.levels[0] | {name: stored.levels[0][name] * factor}]
        write_manifest(tmp_path / "run", replace(stored, levels=changed))
        with pytest.raises(VerificationError, match="are not those of its procedure"):
            verify(tmp_path / "run")
    for levels in ([], stored.levels * 2):
        write_manifest(tmp_path / "run", replace(stored, levels=levels))
        with pytest.raises(VerificationError, match=r"are not those of its procedure|its meaning is none"):
            verify(tmp_path / "run")
    write_manifest(tmp_path / "run", stored)
    assert verify(tmp_path / "run").records == 2


@pytest.mark.parametrize("levels", ['[{"p0": NaN}]', '[{"p0": "0.5"}]', '[{"looks": 3.0}]', "[3]", "7"])
def test_levels_that_are_none(levels, tmp_path):
    write_manifest(tmp_path, manifest_of(ASKED[0]))
    table = json.loads((tmp_path / "manifest.json").read_text())
    text = json.dumps(table | {"levels": "HERE"}).replace('"HERE"', levels)
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(Exception, match="is damaged: not a manifest"):
        read_manifest(tmp_path)

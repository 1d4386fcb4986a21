"""A run written down once: what comes from the record, and that reading a folder gives it back."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from noiseproof.asked import Asked, Compute, Elsewhere, Subject
from noiseproof.noises import Gaussian
from noiseproof.procedures import Anytime, Certify, Curve, Decide, Predict, Sequential
from noiseproof.store import read_run

SUBJECT = Subject(model="runs/m", data="cifar10:test")


def asked(**changes):
    return Asked(**({"procedure": Certify(n=2000), "noise": Gaussian(sigma=0.5), "subject": SUBJECT} | changes))


def test_only_what_differs_from_the_defaults_is_written_down():
    assert asked().table() == {"model": "runs/m", "data": "cifar10:test", "sigma": 0.5, "n": 2000}


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "noiseproof certify --model runs/m --data cifar10:test --sigma 0.5 --n 2000"),
        (
            {"procedure": Curve(radii="0:0.5:0.25"), "noise": Gaussian(sigma=0.5, grid=None)},
            "noiseproof certify --model runs/m --data cifar10:test --sigma 0.5 --grid 0 --procedure curve "
            "--radii 0,0.25,0.5",
        ),
        (
            {"procedure": Anytime(radius=1 / 3), "budget": 10_000, "seed": 3},
            "noiseproof decide --model runs/m --data cifar10:test --sigma 0.5 --procedure anytime "
            "--radius 0.33333333333333331 --budget 10000 --seed 3",
        ),
        (
            {
                "procedure": Predict(),
                "subject": Subject(model=["a b", Path("c")], data="d", consensus=None, skip_bad=True, every=5),
                "compute": Compute(precision="bf16", workers=2),
            },
            "noiseproof predict --model 'a b' c --data d --every 5 --skip-bad --sigma 0.5 --precision bf16 --workers 2",
        ),
    ],
)
def test_the_line_asks_for_it(changes, line):
    assert asked(**changes).line() == line
    assert shlex.split(asked(**changes).line("out dir"))[-2:] == ["--out", "out dir"]


@pytest.mark.parametrize("procedure", [Certify(n=1000), Sequential(n_max=1000), Decide(radius=0.1, n_max=1000)])
def test_a_run_folder_gives_the_record_back(make_run, procedure):
    settings = {"model": ["a", "b"], "consensus": 2, "every": 3, "root": "/data", "workers": 7, "n": 5}
    run = read_run(make_run("run", [0.9], procedure=procedure, settings=settings))
    run = replace(run, manifest=replace(run.manifest, meaning=run.manifest.meaning | {"seed": 5}))
    found = Asked.of(run)
    assert found.procedure == procedure
    assert (found.noise.sigma, found.noise.dimension) == (0.5, 4)
    assert found.subject == Subject(
        model=("a", "b"), data="grey:test", consensus=2, every=3, root=Path("/data"), num_classes=3
    )
    assert (found.seed, found.rng, found.budget, found.compute) == (5, "philox", None, Compute(backend="torch"))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: asked(rng="dice"), "unknown rng 'dice'; known: chacha20, philox"),
        (lambda: asked(rng="chacha20", seed=1), "seed must be left out with rng chacha20"),
        (lambda: asked(seed=1.0), "seed must be an integer, got 1.0"),
        (lambda: Subject(model="m", data="d", every=2.5), "every must be an integer, got 2.5"),
        (lambda: Subject(model="m", data="d", skip_bad="no"), "skip_bad must be True or False, got 'no'"),
        (lambda: Compute(precision="fp31"), "unknown precision 'fp31'; did you mean 'fp32'?"),
        (lambda: Compute(batch_size=0), "batch_size must be >= 1, got 0"),
    ],
)
def test_what_is_out_of_range_is_refused_where_it_is_written_down(make, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        make()


def test_a_run_that_moved_keeps_its_consensus_only_for_as_many_models():
    three = Subject(model=("a", "b", "c"), data="d", consensus=2, every=5, limit=3, skip_bad=True)
    assert three.moved(Elsewhere()) == Subject(model=("a", "b", "c"), data="d", consensus=2)
    assert three.moved(Elsewhere(model=["x", "y", "z"])).consensus == 2
    assert three.moved(Elsewhere(model="x")).consensus is None
    assert three.moved(Elsewhere(data="e", root=Path("r"))) == Subject(
        model=("a", "b", "c"), data="e", consensus=2, root=Path("r")
    )

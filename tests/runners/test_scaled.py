"""A run on a table, end to end: what is certified is in units of each column's spread, and everything says so."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

import noiseproof
from noiseproof import Certify, Decide, Elsewhere, Gaussian, Subject
from noiseproof.data import load
from noiseproof.errors import RunError
from noiseproof.models import from_object
from noiseproof.models.scaled import unscaled
from noiseproof.reports.card import card
from noiseproof.reports.report import report
from noiseproof.reports.show import show
from noiseproof.reports.summaries import run_summary, summary_table
from noiseproof.reports.tables import accuracy_table
from noiseproof.store.exchange import export_run

WEIGHTS, BIAS = np.array([0.05, -4.0]), 5.0
LOW, HIGH = np.array([20.0, 1.5]), np.array([60.0, 2.0])


def margin(rows):
    return rows @ WEIGHTS + BIAS


def linear(x):
    """Of age and height in their own units."""
    assert x.shape[1:] == (2,)
    return np.stack([np.zeros(len(x)), margin(x.astype(np.float64))], axis=1)


@pytest.fixture
def files(tmp_path):
    rows = np.random.default_rng(20190213).uniform(LOW, HIGH, (12, 2))
    labels = (margin(rows) > 0).astype(int)
    lines = [f"{age},{height},{label}" for (age, height), label in zip(rows, labels, strict=True)]
    (tmp_path / "test.csv").write_text("\n".join(["age,height,label", *lines, ""]))
    (tmp_path / "train.csv").write_text("age,height,label\n20,1.5,0\n60,2.0,1\n")
    return tmp_path


@pytest.fixture
def subject(files):
    data = f"{files}/test.csv:spread={files}/train.csv,grid=4096"
    return Subject(model=linear, num_classes=2, model_id="linear", data=data)


def test_a_radius_is_never_beyond_the_true_one_in_units_of_the_spread(subject, tmp_path):
    run = noiseproof.run(Certify(n=2000), Gaussian(sigma=0.2, grid=4096), subject, out=tmp_path / "r")
    data = load(subject.data)
    rows = LOW + (HIGH - LOW) * data.images() / 4096
    true = np.abs(margin(rows)) / np.linalg.norm(WEIGHTS * (HIGH - LOW))
    radii = np.array([record.outcome.radius for record in run.records])
    assert (radii <= true).all()
    assert (radii > true / 2).sum() >= 6  # and says something: in other units it would not
    right = [record.outcome.prediction in (-1, record.label) for record in run.records]
    assert all(right)
    assert run.norm == "scaled l2"


def test_everything_that_prints_a_radius_says_its_unit(subject, tmp_path):
    run = noiseproof.run(Certify(n=200), Gaussian(sigma=0.2, grid=4096), subject, out=tmp_path / "r")
    said = "in units of each column's spread"
    assert f"at scaled L2 radius r ({said})" in summary_table(run)
    assert "pixel" not in summary_table(run)
    page = card(run)
    assert "each column's spread: high - low of age 20 to 60, height 1.5 to 2" in page
    assert "smaller than its certified radius (scaled L2)" in page
    assert f"**The ball** is {said}: of an input, each number v is taken as (v - low) / (high - low)" in page
    assert "take 0.00035 off the radius" in page  # sqrt(2) / 4096, rounded up
    assert "picture" not in page.split("## Not promised")[0]
    assert "data.scaling.columns   ['age', 'height']" in show(run)
    found = report([run], out=tmp_path / "report")
    assert said in found.files[0].read_text()
    export_run(run, out=tmp_path / "e.csv")
    assert f"scaled l2 ({said})" in (tmp_path / "e.csv").read_text()
    refused = rf"^tsv is of radii in pixels, but those of .* are {said}; export csv or parquet$"
    with pytest.raises(ValueError, match=refused):
        export_run(run, out=tmp_path / "e.tsv")
    decided = noiseproof.run(Decide(radius=0.05), Gaussian(sigma=0.2, grid=4096), subject, out=tmp_path / "d")
    assert f"DECIDE: scaled L2 radius 0.05 ({said})" in summary_table(decided)


def test_runs_of_different_units_stand_in_no_table(subject, tmp_path, files):
    noise = Gaussian(sigma=0.2, grid=4096)
    run = noiseproof.run(Certify(n=200), noise, subject, out=tmp_path / "r")
    other = Subject(model=linear, num_classes=2, model_id="linear", data=f"{files}/test.csv:range=0..60")
    ranged = noiseproof.run(Certify(n=200), noise, other, out=tmp_path / "o")
    summaries = [run_summary(each, (0.0, 0.1)) for each in (run, ranged)]
    with pytest.raises(ValueError, match="runs of one table must have the same unit, got each column's spread in 'r'"):
        accuracy_table(summaries)


def test_the_same_rows_under_another_spread_are_another_run(subject, tmp_path, files):
    noise = Gaussian(sigma=0.2, grid=4096)
    run = noiseproof.run(Certify(n=200), noise, subject, out=tmp_path / "r")
    there = Elsewhere(model=linear)
    assert noiseproof.verify(run, replay=2, elsewhere=there).records == 12
    (files / "train.csv").write_text("age,height,label\n20,1.5,0\n90,2.0,1\n")
    with pytest.raises(
        RunError, match=r"another meaning: .*data\.scaling\.high is \[60\.0, 2\.0\], not \[90\.0, 2\.0\]"
    ):
        noiseproof.run(Certify(n=200), noise, subject, out=tmp_path / "r")
    with pytest.raises(RunError, match=r"is not the one of .*scaling\.high is"):
        noiseproof.verify(run, replay=2, elsewhere=there)


def test_the_scaling_is_a_part_of_the_fingerprint(files):
    model = from_object(torch.nn.Linear(2, 2), num_classes=2, shape=(2,))
    one = load(f"{files}/test.csv:spread={files}/train.csv").scaling
    other = load(f"{files}/test.csv:range=0..60").scaling
    marks = {each.fingerprint for each in (model, unscaled(model, one), unscaled(model, other))}
    assert len(marks) == 3
    x = torch.tensor([[0.25, 0.5], [1.5, -1.0]])
    rows = torch.tensor([[30.0, 1.75], [80.0, 1.0]])
    assert torch.allclose(unscaled(model, one).module(x), model.module(rows), rtol=1e-4)


def test_float_noise_on_a_table_claims_less_and_says_so(subject, tmp_path, files):
    plain = Subject(model=linear, num_classes=2, model_id="linear", data=subject.data.replace("grid=4096", "grid=0"))
    run = noiseproof.run(Certify(n=200), Gaussian(sigma=0.2, grid=None), plain, out=tmp_path / "f")
    assert "Noise: float64 noise." in summary_table(run)
    page = card(run)
    assert "This holds in real arithmetic, not on the machine" in page
    assert "off the radius" not in page

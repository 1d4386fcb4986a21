"""The calibration and the pilot: votes that no certificate uses, a rate, and lines that run."""

from __future__ import annotations

import shlex

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from noiseproof.analysis.plan import read_plan
from noiseproof.analysis.plan_outcome import plan_outcome
from noiseproof.errors import ModelError
from tests.asking import decide, plan


@pytest.fixture(autouse=True)
def _few_simulations(monkeypatch):
    monkeypatch.setattr("noiseproof.analysis.pilot.SIMULATED", 5)
    monkeypatch.setattr("noiseproof.analysis.pilot.RESAMPLED", 50)


@pytest.fixture
def planned(data, model):
    """A plan for the tiny data with the tiny model; changes win."""

    def make(**changes):
        settings = {
            "model": model,
            "data": data,
            "sigma": 0.5,
            "n": 1_000,
            "num_classes": 3,
            "pilot": 4,
            "pilot_draws": 50,
            "seconds": 0.01,
            "device": "cpu",
            "batch_size": 32,
            "workers": 1,
        }
        return plan(**(settings | changes))

    return make


def test_the_pilot_is_spread_over_the_inputs_and_told_apart(planned, data):
    made = planned(radius=0.25)
    assert [each.index for each in made.pilot] == [0, 2, 4, 6]
    assert [each.label for each in made.pilot] == data.labels[[0, 2, 4, 6]].tolist()
    assert all(each.n == sum(each.votes) == 50 for each in made.pilot)
    assert made.inputs == 8
    assert made.draws_per_second > 0
    assert made.device["batch_size"] == 32
    assert [each.index for each in planned(pilot=99).pilot] == list(range(8))


@pytest.mark.parametrize("changes", [{"batch_size": 7}, {"workers": 2}, {"seconds": 0.2}, {"radii": [0.0, 0.25]}])
def test_the_pilot_does_not_depend_on_packing_or_target(planned, changes):
    assert planned(**changes).pilot == planned().pilot


def test_the_pilots_noise_is_of_its_own_stage(planned, data, certified):
    """Equal noise would give equal votes: of 20 draws at an input that is no easy one."""
    made = planned(pilot=8, pilot_draws=20)
    run = certified(n0=20, n=20)
    for stage in (0, 1):
        assert [each.votes for each in made.pilot] != [record.answers[stage].votes for record in run.records]
    again = planned(pilot=8, pilot_draws=20)
    assert [each.votes for each in made.pilot] == [each.votes for each in again.pilot]
    assert made.pilot != planned(pilot=8, pilot_draws=20, seed=1).pilot


def test_a_plan_is_kept_and_held_against_its_run(planned, data, model, tmp_path):
    made = planned(radius=0.25)
    (tmp_path / "plan.json").write_text(made.text())
    stored = read_plan(tmp_path / "plan.json")
    assert stored == made
    run = decide(
        model=model,
        data=data,
        sigma=0.5,
        radius=0.25,
        n_max=1_000,
        num_classes=3,
        device="cpu",
        batch_size=32,
        workers=1,
        out=tmp_path / "run",
    )
    outcome = plan_outcome(stored, run)
    assert outcome.deviations == ()
    actual = {row.what: row.actual for row in outcome.rows}
    assert actual["draws"] == sum(record.draws for record in run.records)
    assert outcome.planned.procedure == run.procedure.config()


def test_the_lines_are_those_that_run_it(planned):
    made = planned(radius=0.3, every=2, limit=3, seed=5, model_id="mine")
    for each, verb, own in zip(
        made.planned, ("certify", "decide"), ({"--n": "1000"}, {"--radius": "0.3"}), strict=True
    ):
        words = shlex.split(each.line)
        assert words[:2] == ["noiseproof", verb]
        settings = dict(zip(words[2::2], words[3::2], strict=True))
        wanted = {"--sigma": "0.5", "--every": "2", "--limit": "3", "--seed": "5", "--model-id": "mine"}
        assert settings | wanted | own == settings
        assert "--grid" not in settings


def test_float_noise_is_in_the_line(planned):
    assert "--grid 0" in planned(grid=None).best.line


def test_what_cannot_be_planned_is_refused(planned):
    with pytest.raises(ValueError, match="pilot must be >= 1, got 0"):
        planned(pilot=0)
    with pytest.raises(ValueError, match="pilot_draws must be >= 10, got 5"):
        planned(pilot_draws=5)
    with pytest.raises(ValueError, match=r"alpha must be in \(0, 1\), got 2"):
        planned(alpha=2)
    with pytest.raises(ValueError, match="radius must be <= "):
        planned(radius=2.5)


def test_a_procedure_that_cannot_succeed_is_left_out_with_the_reason(planned):
    """A thousand draws buy the radius with all of alpha, not with the part that a test of every class has."""
    made = planned(radius=1.2315)
    assert [each.procedure["name"] for each in made.planned] == ["certify"]
    assert made.left_out[0].startswith("decide: radius must be smaller to be certified with n_max=1000")


def test_scores_that_are_no_numbers_are_refused(planned):
    class Broken(nn.Module):
        def forward(self, x):
            return torch.full((len(x), 3), float("nan"))

    with pytest.raises(ModelError, match="NaN"):
        planned(model=Broken().eval())


def test_progress_ends_with_the_pilot(planned):
    seen = []
    planned(progress=lambda progress: seen.append((progress.done, progress.total)), seconds=0.1)
    assert seen[-1] == (200, 200)
    assert np.diff([draws for draws, _ in seen]).min() >= 0

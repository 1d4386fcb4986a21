"""Targets, how many draws they need, and a plan that is stored and read back."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from noiseproof.analysis.pilot import Estimate, Forecast, PilotInput
from noiseproof.analysis.plan import Plan, Planned, Target, draws_for, read_plan
from noiseproof.errors import RunError
from noiseproof.noises import Gaussian
from noiseproof.procedures import Certify, Curve, Decide, Sequential

NOISE = Gaussian(sigma=0.25)


def a_plan(**changes) -> Plan:
    made = Plan(
        target=Target("radius", (0.5,)),
        meaning={"noise": {"sigma": 0.25}, "precision": "fp32"},
        n=100_000,
        alpha=0.001,
        inputs=10,
        takes="",
        pilot=(PilotInput(0, 1, 200, (3, 190, 7)),),
        draws_per_second=1_000.0,
        measured_seconds=3.0,
        device={"device": "cpu", "backend": "torch", "precision": "fp32", "batch_size": 64, "workers": 1},
        planned=(
            Planned(
                Certify().config(),
                "noiseproof certify",
                Forecast(
                    Estimate(100_100, 100_100, 100_100), (Estimate(0.5, 0.4, 0.6),), Estimate(0.3, 0.2, 0.4), True
                ),
            ),
            Planned(
                Decide(0.5).config(),
                "noiseproof decide",
                Forecast(Estimate(1_200, 500, 3_000), (Estimate(0.5, 0.4, 0.6),), None, True),
            ),
        ),
        left_out=("sequential: no",),
        version="0",
    )
    return replace(made, **changes)


@pytest.mark.parametrize(
    ("asked", "name", "procedures"),
    [
        ({"radius": 0.5}, "radius 0.5", [Certify(n=5_000), Decide(0.5, n_max=5_000)]),
        (
            {"radii": [0, 0.5]},
            "the largest of the radii 0, 0.5",
            [Certify(n=5_000), Curve((0, 0.5), n_max=5_000), Sequential(n_max=5_000)],
        ),
        ({"acr": True}, "the full radius of every input (ACR)", [Certify(n=5_000), Sequential(n_max=5_000)]),
        ({}, "the full radius of every input (ACR)", [Certify(n=5_000), Sequential(n_max=5_000)]),
    ],
)
def test_a_target_has_procedures_that_answer_it(asked, name, procedures):
    target = Target.of(**asked)
    assert target.name == name
    assert target.procedures(n=5_000, alpha=0.001) == procedures


def test_two_targets_are_refused():
    with pytest.raises(ValueError, match="three targets; give one"):
        Target.of(0.5, acr=True)


@pytest.mark.parametrize(
    ("radius", "n"),
    [(0.0, 100_000), (0.5, 100_000), (0.93, 100_000), (0.95, 1_000_000), (1.1, 2_000_000)],
)
def test_so_many_draws_that_a_test_of_every_class_can_succeed(radius, n):
    assert draws_for(Target.of(radius), NOISE, 0.001) == n


def test_the_draws_chosen_are_enough_for_decide_near_the_limit():
    """Just below what 100,000 draws buy with a quarter to spare."""
    radius = 0.938
    assert draws_for(Target.of(radius), NOISE, 0.001) == 100_000
    assert Decide(radius, n_max=100_000).design(NOISE)


@pytest.mark.parametrize(
    ("radius", "n", "text"),
    [
        (1.4, None, r"radius must be <= 1.124, which 2,000,000 draws an input buy at best, got 1.4.*raise sigma"),
        (1.0, 1_000, r"radius must be <= 0.6158, which 1,000 draws .* 218,105 that all agree; give n >= 218105"),
        (0.0, 5, r"radius must be <= 0, which 5 draws"),
        (9.0, None, r"radius must be below"),
    ],
)
def test_a_radius_out_of_reach_is_refused(radius, n, text):
    with pytest.raises(ValueError, match=text):
        draws_for(Target.of(radius), NOISE, 0.001, n)


def test_a_plan_is_read_back_as_it_was_written(tmp_path):
    plan = a_plan()
    path = tmp_path / "plan.json"
    path.write_text(plan.text())
    assert read_plan(path) == plan
    assert repr(plan).startswith(
        f"<Plan for {plan.target.name}: {plan.inputs} inputs, {len(plan.planned)} procedures, "
    )
    assert plan.best.procedure["name"] == "decide"
    assert plan.seconds(1_200) == 12.0


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda s: "{", "is no plan"),
        (lambda s: "[]", "is no plan"),
        (lambda s: s.replace('"is": "plan"', '"is": "card"'), "is no plan"),
        (lambda s: s.replace('"format": 1', '"format": 2'), "has format 2, this version reads 1"),
        (lambda s: json.dumps({k: v for k, v in json.loads(s).items() if k != "pilot"}), "is damaged"),
    ],
)
def test_what_is_no_plan_is_refused(change, text, tmp_path):
    path = tmp_path / "plan.json"
    path.write_text(change(a_plan().text()))
    with pytest.raises(RunError, match=text):
        read_plan(path)


def test_a_plan_that_is_not_there(tmp_path):
    with pytest.raises(RunError, match="noiseproof plan --out writes one"):
        read_plan(tmp_path / "none.json")

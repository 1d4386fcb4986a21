"""A plan in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from noiseproof.analysis.pilot import Estimate, Forecast, PilotInput
from noiseproof.analysis.plan import Plan, Planned, Target
from noiseproof.analysis.plan_outcome import Compared, PlanOutcome
from noiseproof.noises import Gaussian
from noiseproof.procedures import Certify, Decide, Sequential
from noiseproof.reports.plan import batch_script, outcome_text, plan_text, radii_text, time_text

DECIDE = "noiseproof decide --model 'my model' --data d:test --sigma 0.25 --radius 0.5"
SHARE = Estimate(0.5, 0.4, 0.6)
PLAN = Plan(
    target=Target("radius", (0.5,)),
    meaning={"noise": {"sigma": 0.25}},
    n=100_000,
    alpha=0.001,
    inputs=10,
    takes="",
    pilot=(PilotInput(0, 1, 200, (3, 190, 0)), PilotInput(5, 0, 200, (0, 200, 0))),
    draws_per_second=1_000.0,
    measured_seconds=3.0,
    device={"device": "cpu", "backend": "torch 2", "precision": "fp32", "batch_size": 64, "workers": 4},
    planned=(
        Planned(
            Certify().config(),
            "noiseproof certify",
            Forecast(Estimate(100_100, 100_100, 100_100), (SHARE,), SHARE, True),
        ),
        Planned(Decide(0.5).config(), DECIDE, Forecast(Estimate(1_200, 500, 3_000), (SHARE,), None, True)),
    ),
    left_out=(),
    version="0",
)


def test_what_n_buys():
    said = radii_text(Gaussian(sigma=0.5), alpha=0.001, radii=(0.5, 1.0)).splitlines()
    assert said[0].split() == ["n", "radius", "/", "sigma", "radius", "in", "1/255"]
    assert [line.split() for line in said[2:7]] == [
        ["100", "1.5005", "0.7502", "191.3"],
        ["1,000", "2.4633", "1.2316", "314.1"],
        ["10,000", "3.1986", "1.5993", "407.8"],
        ["100,000", "3.8115", "1.9057", "486.0"],
        ["1,000,000", "4.3468", "2.1734", "554.2"],
    ]
    assert said[-2:] == [
        "r = 0.5 needs p_A > 0.841345, so n >= 40.",
        "r = 1 needs p_A > 0.97725, so n >= 301.",
    ]


def test_what_a_target_costs():
    said = plan_text(PLAN)
    assert "pilot: 2 of the 10 inputs, 200 draws each, which no certificate uses; 1 of 2 right" in said
    assert "see radii up to about 0.64; beyond" in said  # .25 * Phi^-1(1 - 1/200)
    assert "warning: 7 of 400 draws were void" in said
    row = next(line for line in said.splitlines() if line.startswith("decide")).split("  ")
    assert [cell.strip() for cell in row if cell] == [
        "decide",
        "1,200",
        "500 to 3,000",
        "12,000",
        "12.0 s",
        "5.0 s to 30.0 s",
        "50.0% (40.0% to 60.0%)",
    ]
    assert said.endswith(f"run\n  {DECIDE} --out run")


def test_devices_share_the_time_and_the_inputs():
    said = plan_text(PLAN, devices=3)
    row = next(line for line in said.splitlines() if line.startswith("decide"))
    assert "12,000      4.0 s  1.7 s to 10.0 s" in row
    assert "\nrun on 3 devices, each with a part of the inputs and a run folder of its own\n" in said
    assert f"\n  {DECIDE} --shard 3/3 --out run-3\n" in said
    assert said.endswith("\nthen: noiseproof merge run-1 run-2 run-3 --out run")


def test_a_batch_script_for_a_scheduler():
    script = batch_script(PLAN, PLAN.best, 3)
    assert script in plan_text(PLAN, devices=3)
    first, *options, line, status, again, end = script.splitlines()
    assert first == "#!/bin/bash"
    said = " ".join(options)
    assert f"--array=1-3 --ntasks=1 --cpus-per-task={PLAN.device['workers']}" in said
    assert "--time=11 " in said  # 10 s at the most, with a quarter more, and ten minutes
    assert "--signal=USR1@60 --requeue --open-mode=append" in said
    assert line == f'srun {DECIDE} --shard auto/3 --out "run-$SLURM_ARRAY_TASK_ID"'
    assert "-eq 75" in again
    assert 'scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"' in again
    assert (status, end) == ("status=$?", "exit $status")
    gpu = batch_script(replace(PLAN, device=PLAN.device | {"device": "NVIDIA H100"}), PLAN.best, 3)
    assert "--gpus-per-task=1\n" in gpu


def test_within_a_time():
    said = plan_text(PLAN, within=5.0)
    assert "decide within 5.0 s: 3 devices like this one, 6 where it comes dear." in said
    assert "run on 3 devices" in said
    assert "decide within 1.0 min: 1 device like this one." in plan_text(PLAN, within=60.0)
    assert "run on 10 devices" in plan_text(PLAN, within=0.1)  # an input is not divided
    many = plan_text(PLAN, within=0.1).partition("run on 10")[2].splitlines()
    assert [each.rpartition(" --shard ")[2] for each in many[1:4]] == ["1/10 --out run-1", "10/10 --out run-10", ""]
    assert many[-1] == "then: noiseproof merge run-{1..10} --out run"


def test_more_devices_than_inputs_are_refused():
    with pytest.raises(ValueError, match="devices must be at most as many as inputs, 10, got 11"):
        plan_text(PLAN, devices=11)


def test_a_grid_has_a_table_of_its_own_and_simulations_are_marked():
    forecast = Forecast(Estimate(900, 100, 2_000), (SHARE, Estimate(0.1, 0.1, 0.1)), SHARE, False)
    plan = replace(
        PLAN,
        target=Target("radii", (0.0, 0.25)),
        planned=(Planned(Sequential().config(), "noiseproof certify", forecast),),
        takes="3 forward passes",
        left_out=("curve: radius must be smaller",),
    )
    said = plan_text(plan)
    assert "certify --procedure sequential ~" in said
    assert "~: simulated" in said
    assert "\ncurve: radius must be smaller\n" in said
    assert "A draw takes 3 forward passes; draws a second include that." in said
    assert [line.split() for line in said.splitlines() if line.startswith("0.25")] == [["0.25", "10.0%", "(10.0%)"]]
    full = plan_text(replace(plan, target=Target("acr")))
    assert "0.500 (0.400 to 0.600)" in full
    assert "A smaller --n costs less" in full


def test_an_outcome_is_a_table_and_a_line_for_each_deviation():
    rows = (
        Compared("draws", Estimate(12_000, 5_000, 30_000), 48_000, "count", False),
        Compared("draws a second", Estimate(1_000, 1_000, 1_000), 990, "count", True),
        Compared("seconds", Estimate(12, 5, 30), 48.5, "seconds", False),
        Compared("certified and right at r = 0.5", SHARE, 0.3, "share", False),
    )
    outcome = PlanOutcome(PLAN.planned[1], 10, rows, ("the run is another",))
    said = outcome_text(PLAN, outcome)
    assert "decide, 10 inputs" in said
    assert "*: not as planned." in said
    assert said.splitlines()[-4:] == [
        "the run is another",
        "draws: 48,000, planned 12,000 (+300%; 90% of such runs: 5,000 to 30,000)",
        "seconds: 48.5 s, planned 12.0 s (+304%; 90% of such runs: 5.0 s to 30.0 s)",
        "certified and right at r = 0.5: 30.0%, planned 50.0% (less; 90% of such runs: 40.0% to 60.0%)",
    ]
    held = outcome_text(PLAN, PlanOutcome(PLAN.planned[1], 10, rows[1:2], ()))
    assert held.endswith("as planned: every number lies where it was expected")
    assert "*" not in held


def test_times():
    assert [time_text(each) for each in (5, 90, 5_400, 200_000)] == ["5.0 s", "1.5 min", "1.5 h", "2.3 days"]

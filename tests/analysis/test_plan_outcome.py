"""Planned against actual, on a run whose every number is known."""

from __future__ import annotations

import pytest

from noiseproof.analysis.pilot import Estimate, Forecast
from noiseproof.analysis.plan import Plan, Planned, Target
from noiseproof.analysis.plan_outcome import plan_outcome
from noiseproof.errors import RunError
from noiseproof.noises import Gaussian
from noiseproof.procedures import Certify, Curve, Decide
from noiseproof.store import read_run


def planned_for(procedure, target, run, *, draws, certified=(), acr=None, **changes) -> Plan:
    """About the very meaning of a run."""
    settings = {
        "target": target,
        "meaning": {name: run.manifest.meaning[name] for name in ("model", "data", "noise", "precision", "backend")},
        "n": 1_000,
        "alpha": 0.001,
        "inputs": len(run.records),
        "takes": "",
        "pilot": (),
        "draws_per_second": 1_000.0,
        "measured_seconds": 3.0,
        "device": {"device": "cpu"},
        "planned": (Planned(procedure.config(), "", Forecast(draws, certified, acr, True)),),
        "left_out": (),
        "version": "0",
    }
    return Plan(**settings | changes)


def rows_of(outcome):
    return {row.what: (row.actual, row.held) for row in outcome.rows}


def test_a_run_of_certify(make_run):
    asked = Certify(n=1_000)
    run = read_run(make_run("run", [1.0, 1.0, 0.9, 0.4], procedure=asked))
    plan = planned_for(
        asked,
        Target("radii", (0.25, 1.0)),
        run,
        draws=Estimate(1_100, 1_100, 1_100),
        certified=(Estimate(0.7, 0.6, 0.8), Estimate(0.2, 0.1, 0.4)),
    )
    outcome = plan_outcome(plan, run)
    draws, seconds = 4_400, sum(record.seconds for record in run.records)
    assert rows_of(outcome) == {
        "draws an input": (1_100, True),
        "draws": (draws, True),
        "draws a second": (pytest.approx(draws / seconds), draws / seconds < 1_250),
        "seconds": (seconds, seconds == 4.4),
        "certified and right at r = 0.25": (0.75, True),
        "certified and right at r = 1": (0.5, False),
    }
    assert outcome.deviations == ()
    assert next(row for row in outcome.rows if row.what == "draws").planned == Estimate(4_400, 4_400, 4_400)


def test_a_run_of_decide_and_of_acr(make_run):
    asked = Decide(0.5, n_max=2_000)
    run = read_run(make_run("run", [1.0, 0.2], procedure=asked))
    plan = planned_for(
        asked,
        Target("radius", (0.5,)),
        run,
        draws=Estimate(300, 250, 400),
        certified=(Estimate(0.5, 0.5, 0.5),),
    )
    rows = rows_of(plan_outcome(plan, run))
    assert rows["draws an input"] == (150.0, False)
    assert rows["certified and right at r = 0.5"] == (0.5, True)

    fixed = Certify(n=1_000)
    run = read_run(make_run("fixed", [1.0, 0.2], procedure=fixed))
    plan = planned_for(fixed, Target("acr"), run, draws=Estimate(1_100, 1_100, 1_100), acr=Estimate(0.9, 0.5, 1.0))
    assert rows_of(plan_outcome(plan, run))["ACR"] == (pytest.approx(1.2316 / 2, abs=1e-4), True)


def test_each_difference_is_a_line(make_run):
    asked = Certify(n=1_000)
    run = read_run(make_run("run", [1.0, 1.0], procedure=asked))
    plan = planned_for(
        Certify(n=2_000),
        Target("acr"),
        run,
        draws=Estimate(2_100, 2_100, 2_100),
        acr=Estimate(1.0, 0.5, 1.5),
        inputs=7,
        device={"device": "NVIDIA"},
    )
    plan.meaning["noise"] = Gaussian(sigma=0.25).on((1, 2, 2)).config()
    assert plan_outcome(plan, run).deviations == (
        "the run is another than planned: noise.sigma is 0.5, not 0.25 as in the plan",
        "the run is another than planned: procedure.n is 1000, not 2000 as in the plan",
        "drawn on another device: planned on NVIDIA, run on cpu",
        "the run has 2 finished inputs, the plan 7; planned totals are for 2",
    )


@pytest.mark.parametrize(
    ("procedure", "changes", "text"),
    [
        (Decide(0.5), {}, "is a run of certify, the plan has decide"),
        (Certify(n=1_000), {"alpha": 0.01}, "was run with alpha 0.001, the plan is about 0.01"),
    ],
)
def test_a_run_for_another_question_is_refused(procedure, changes, text, make_run):
    run = read_run(make_run("run", [1.0]))
    plan = planned_for(procedure, Target("acr"), run, draws=Estimate(1, 1, 1), **changes)
    with pytest.raises(RunError, match=text):
        plan_outcome(plan, run)


def test_another_radius_or_grid_and_an_empty_run_are_refused(make_run):
    decided = read_run(make_run("decided", [1.0], procedure=Decide(0.25)))
    plan = planned_for(Decide(0.5), Target("radius", (0.5,)), decided, draws=Estimate(1, 1, 1))
    with pytest.raises(RunError, match=r"asks about radius 0.25, the plan about 0.5"):
        plan_outcome(plan, decided)
    curve = read_run(make_run("curve", [1.0], procedure=Curve((0.0, 0.25))))
    plan = planned_for(Curve((0.0, 0.5)), Target("radii", (0.0, 0.5)), curve, draws=Estimate(1, 1, 1))
    with pytest.raises(RunError, match="asks about radii"):
        plan_outcome(plan, curve)
    empty = read_run(make_run("empty", []))
    with pytest.raises(RunError, match="has no finished input"):
        plan_outcome(planned_for(Certify(), Target("acr"), empty, draws=Estimate(1, 1, 1)), empty)

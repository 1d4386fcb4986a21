from __future__ import annotations

from dataclasses import replace

import pytest

from noiseproof.procedures import Certify, Decide, Sequential
from noiseproof.reports.report import report
from noiseproof.reports.show import show
from noiseproof.reports.summaries import run_summary, summary_table
from noiseproof.store import RunFolder, read_manifest, read_run


def test_a_report_has_every_form(make_run, tmp_path):
    written = report([make_run("a", (0.99, 0.8, 0.2)), make_run("b", (0.9, 0.9, 0.9))], out=tmp_path / "out")
    assert [path.name for path in written.files] == ["table.txt", "table.md", "table.tex", "curves.png", "curves.pdf"]
    assert all(path.stat().st_size for path in written.files)
    latex = (tmp_path / "out" / "table.tex").read_text()
    assert latex.count(r"\begin{table}") == 3  # both runs in one, then the guarantees of each
    assert written.text in (tmp_path / "out" / "table.txt").read_text()


def test_a_summary_of_derived_records(make_run):
    run = read_run(make_run("a", (0.99, 0.8, 0.2)))
    assert run_summary(run, (0.0,)).name == "a"
    assert (run_summary(run, (0.0,)).m, run_summary(run, (0.0,)).alpha) == (3, 0.001)
    derived = run_summary(run, (0.0,), name="two", records=run.records[:2], alpha=0.01)
    assert (derived.name, derived.m, derived.alpha) == ("two", 2, 0.01)


def test_the_ceiling_of_a_run_is_what_all_votes_would_earn(make_run):
    for two_sided in (False, True):
        run = read_run(make_run(f"{two_sided}", (1.0, 0.9), procedure=Certify(n=1000, two_sided=two_sided)))
        assert run_summary(run, (0.0,)).ceiling == pytest.approx(run.records[0].outcome.radius, rel=1e-9)


def test_a_run_with_a_budget_says_so(make_run, tmp_path):
    path = make_run("a", (0.99, 0.8), procedure=Sequential(n_max=1000))
    stored = read_manifest(path)
    other = replace(stored, meaning=stored.meaning | {"budget": {"draws": 1500, "inputs": "0" * 32}})
    assert run_summary(replace(read_run(path), manifest=other), (0.0,)).shared_draws == 1500
    assert run_summary(read_run(path), (0.0,)).shared_draws is None
    decided = read_run(make_run("b", (0.99, 0.8), procedure=Decide(radius=0.2, n_max=1000)))
    other = replace(decided.manifest, meaning=decided.manifest.meaning | {"budget": {"draws": 1500}})
    assert "at most 1000 draws an input and 1,500 for all inputs together" in summary_table(
        replace(decided, manifest=other)
    )


def test_an_extended_run_is_said_to_be_one(make_run):
    path = make_run("a", (0.99, 0.8), settings={"every": 1, "start": 0, "limit": 2})
    assert "fixed beforehand" not in show(path)
    run = read_run(path)
    with RunFolder(path, run.manifest) as folder:
        environment = {name: value for name, value in run.state.sessions[0].items() if name != "settings"}
        folder.begin(environment, {"every": 1, "start": 0, "limit": 3})
    assert "for an m fixed beforehand, but where it says at any m" in show(path)

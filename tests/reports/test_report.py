from __future__ import annotations

from dataclasses import replace

import pytest

from noiseproof.procedures import Certify, Decide, Sequential
from noiseproof.reports.figures import curves_figure
from noiseproof.reports.report import report
from noiseproof.reports.show import show
from noiseproof.reports.summaries import run_summary, summary_table
from noiseproof.store import RunFolder, read_manifest, read_run
from noiseproof.store.whole import Selection


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


def test_a_report_of_an_unfinished_run_says_so(make_run, tmp_path):
    begun = make_run("a", (0.99,), selection=Selection(1, 0, None, 40))
    done = make_run("b", (0.99, 0.9), sealed=True)
    written = report([begun, done], out=tmp_path / "out")
    assert "a: unfinished, 1 of 40 inputs: it is under way, or was cut off." in written.text
    assert "b: " not in written.text.partition("Certified accuracy")[2]
    assert [summary.unfinished for summary in written.summaries] == ["1 of 40 inputs", ""]
    (label, other, *_) = curves_figure(written.summaries).legends[0].get_texts()
    assert label.get_text().endswith(", 1 of 40 inputs)")
    assert "inputs" not in other.get_text()
    assert "unfinished, 1 of 40" in summary_table(read_run(begun))
    decided = make_run("d", (0.99,), procedure=Decide(radius=0.2, n_max=1000), selection=Selection(2, 1, 3, 40))
    assert "d: unfinished, 0 of 3 inputs" in summary_table(read_run(decided))


def test_natural_is_the_base_classifier_without_noise(make_run, tmp_path):
    new, old = make_run("new", (0.99, 0.2), clean=0), make_run("old", (0.99, 0.2))
    written = report([new, old], out=tmp_path / "out", radii="0")
    assert [row.split()[3] for row in written.text.splitlines()[2:4]] == ["100.0", "-"]
    assert "without noise; -: not recorded of old." in written.text


def test_an_extended_run_is_said_to_be_one(make_run):
    path = make_run("a", (0.99, 0.8), settings={"every": 1, "start": 0, "limit": 2})
    assert "fixed beforehand" not in show(path)
    run = read_run(path)
    with RunFolder(path, run.manifest) as folder:
        environment = {name: value for name, value in run.state.sessions[0].items() if name != "settings"}
        folder.begin(environment, {"every": 1, "start": 0, "limit": 3})
    assert "for an m fixed beforehand, but where it says at any m" in show(path)

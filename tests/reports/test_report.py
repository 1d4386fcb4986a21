from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from noiseproof.asked.look import Look
from noiseproof.errors import RunError
from noiseproof.procedures import Certify, Decide, Predict, Sequential
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


def test_runs_are_folders_or_what_was_read_one_or_several_and_have_names(make_run, tmp_path):
    a, b = make_run("a", (0.99, 0.8)), make_run("b", (0.9, 0.9))
    out = tmp_path / "out"

    def names(runs):
        return [summary.name for summary in report(runs, out=out, radii="0").summaries]

    assert names(a) == names(str(a)) == names(read_run(a)) == names([read_run(str(a))]) == ["a"]
    assert names([a, read_run(b)]) == ["a", "b"]
    assert names([f"ours, sigma=.5={a}".replace("=.5", " .5"), Path(f"theirs={b}")]) == ["ours, sigma .5", "theirs"]
    assert names({"ours": a, "theirs": read_run(b)}) == ["ours", "theirs"]
    odd = make_run("c=d", (0.9,))  # a folder that is there is that folder
    assert names([odd]) == ["c=d"]
    assert names([make_run("x/r", (0.9,)), make_run("y/r", (0.9,))]) == ["x/r", "y/r"]
    with pytest.raises(RunError, match="runs must have different names, got 'n' twice"):
        report([f"n={a}", f"n={b}"], out=out)
    with pytest.raises(RunError, match="nowhere is not a run folder"):
        report(["n=nowhere"], out=out)
    with pytest.raises(TypeError, match="a run must be a run folder or what read_run returns, got int"):
        report([3], out=out)
    with pytest.raises(ValueError, match="runs must be one or more, got none"):
        report([], out=out)


def test_radii_stop_at_what_the_draws_can_certify(make_run, tmp_path):
    def header(runs, **radii):
        return report(runs, out=tmp_path / "out", **radii).text.splitlines()[0].split()[1:-6]

    small, large = make_run("a", (0.99,), sigma=0.25), make_run("b", (0.99,), sigma=1.0)
    assert header(small) == ["r=0", "r=0.25", "r=0.5"]  # 1,000 draws reach .62
    assert header([small, large])[-1] == "r=1.5"
    assert header(small, radii="0:1:0.5")[-1] == "r=1"
    assert summary_table(read_run(small)).splitlines()[0].split()[1:-6] == ["r=0", "r=0.25", "r=0.5"]


def test_the_figure_alone(make_run, tmp_path):
    run = make_run("a", (0.99, 0.8))
    written = report(run, plot=tmp_path / "c.svg", look=Look(title="Mine & <yours>", ylim="0.5,1", width=4))
    assert written.files == (tmp_path / "c.svg",)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "c.svg"]
    assert 'width="288pt"' in (tmp_path / "c.svg").read_text()
    both = report(run, out=tmp_path / "out", plot=tmp_path / "d.pdf")
    assert both.files[-1] == tmp_path / "d.pdf"
    assert len(both.files) == 6
    with pytest.raises(ValueError, match=r"^out \(a folder\), html \(a file\) or plot"):
        report(run)
    with pytest.raises(ValueError, match=r"^path must end in \.png"):
        report(run, plot=tmp_path / "c.gif")


def test_decisions_have_a_table_and_a_figure(make_run, tmp_path):
    asked = Decide(radius=0.2, n_max=1000)
    runs = [make_run("d", (0.99, 0.8, 0.2), procedure=asked), make_run("e", (0.99,), procedure=Decide(radius=0.3))]
    written = report(runs, out=tmp_path / "out")
    assert [path.name for path in written.files] == ["table.txt", "table.md", "table.tex", "answers.png", "answers.pdf"]
    assert written.text.splitlines()[2].split()[:4] == ["d", "3", "66.7%", "33.3%"]
    assert "d: DECIDE: L2 radius 0.2, at most 1000 draws an input, alpha = 0.001." in written.text
    assert "e: DECIDE: L2 radius 0.3" in written.text
    assert report(runs[0], out=tmp_path / "out").text == summary_table(read_run(runs[0]))


def test_predictions_have_a_table_and_a_figure(make_run, tmp_path):
    written = report(make_run("p", (0.99, 0.5), procedure=Predict(n=100)), out=tmp_path / "out")
    assert written.text.splitlines()[2].split() == ["p", "2", "50.0%", "0.0%", "50.0%"]
    assert written.files[-1].name == "answers.pdf"


def test_runs_of_two_verbs_are_no_report(make_run, tmp_path):
    runs = [make_run("c", (0.99,)), make_run("p", (0.99,), procedure=Predict(n=100))]
    with pytest.raises(RunError, match=r"^runs of one report must be of one verb, got certify in c, predict in p"):
        report(runs, out=tmp_path / "out")
    with pytest.raises(RunError, match="has no finished input yet; run its predict line again"):
        report(make_run("q", (), procedure=Predict(n=100)), out=tmp_path / "out")


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
    assert "b: unfinished" not in written.text
    assert "b: not sealed" not in written.text
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

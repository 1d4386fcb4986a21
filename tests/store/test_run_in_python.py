"""A run in a caller's hands: a share, a table, a line."""

from __future__ import annotations

import sys

import pytest

import noiseproof
from noiseproof.analysis import certified_accuracy
from noiseproof.errors import NoiseproofError, RunError
from noiseproof.procedures import Decide, Predict
from noiseproof.reports.report import report

TOPS = (0.999, 0.9, 0.8, 0.3)


def test_certified_accuracy_is_what_the_report_says(make_run):
    run = noiseproof.read_run(str(make_run("a", TOPS)))
    for radius in (0, 0.2, 0.5, 0.9, 5):
        assert run.certified_accuracy(radius) == certified_accuracy(run.records, [radius])[0]
    assert 0 < run.certified_accuracy(0.5) < run.certified_accuracy(0) < 1
    decided = noiseproof.read_run(make_run("d", TOPS, procedure=Decide(radius=0.2, n_max=1000)))
    assert (decided.certified_accuracy(0.2), decided.certified_accuracy(0.3)) == (0.75, 0)


def test_what_has_no_certified_accuracy_says_so(make_run):
    with pytest.raises(RunError, match="is a run of predict, which has no radii; give a run of certify"):
        noiseproof.read_run(make_run("p", TOPS, procedure=Predict(n=100))).certified_accuracy(0)
    with pytest.raises(RunError, match="which has no finished input yet"):
        noiseproof.read_run(make_run("e", ())).certified_accuracy(0)
    run = noiseproof.read_run(make_run("u", TOPS, labels=[0, None, 0, 0]))
    with pytest.raises(ValueError, match=r"^labels are needed to tell right from wrong, but input 1 has none"):
        run.certified_accuracy(0)
    with pytest.raises(ValueError, match=r"^radius must be >= 0, got -1"):
        run.certified_accuracy(-1)


def test_a_run_and_a_report_are_a_line_and_a_picture(make_run, tmp_path):
    run = noiseproof.read_run(make_run("a", TOPS))
    assert repr(run) == f"<Run a: certify, 4 inputs, {run.path}>"
    shown = run._repr_html_()
    assert shown.startswith("<pre>&lt;Run a: certify, 4 inputs, ")
    assert "<tr><th>index</th><th>label</th><th>prediction</th><th>radius</th>" in shown
    first = run.records[0]
    assert f"<tr><td>0</td><td>0</td><td>0</td><td>{first.outcome.radius:.4g}</td>" in shown
    assert noiseproof.read_run(make_run("e", ()))._repr_html_().count("<tr>") == 1
    written = report(run, out=tmp_path / "out")
    assert repr(written).startswith(f"<Report: {tmp_path / 'out' / 'table.txt'}, ")
    assert len(repr(written)) < 1000
    shown = written._repr_html_()
    assert "<pre>run" in shown
    assert "±" in shown
    assert '<img width="640" src="data:image/png;base64,iVBOR' in shown


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_frame_of_the_library_that_is_asked_for(make_run, monkeypatch, library):
    run = noiseproof.read_run(make_run("a", TOPS))

    class Frames:
        DataFrame = dict

    monkeypatch.setitem(sys.modules, library, Frames)
    assert run.to_frame(library)["radius"] == [record.outcome.radius for record in run.records]
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(NoiseproofError, match=rf"^to_frame needs {library}: pip install {library}$"):
        run.to_frame(library)
    with pytest.raises(ValueError, match="unknown library 'panda'; did you mean 'pandas'"):
        run.to_frame("panda")

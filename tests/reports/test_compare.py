from __future__ import annotations

import re

import pytest

from noiseproof import compare
from noiseproof.errors import RunError
from noiseproof.procedures import Certify, Predict, Sequential
from noiseproof.reports.compare import LEVEL, _p_value

GOOD, BAD = (0.99,) * 24, (0.99,) * 4 + (0.2,) * 20


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def rows(text, table):
    """The cells of a table, by the first of each row."""
    lines = text.split("\n\n")[table].splitlines()
    body = lines[2 : lines.index(lines[1], 2)]
    return {cells[0]: cells[1:] for cells in (re.split(r"\s{2,}", line.strip()) for line in body)}


def test_every_form_is_written(make_run, out):
    written = compare([make_run("a", GOOD), make_run("b", BAD)], out=out)
    assert [path.name for path in written.files] == [f"compare.{form}" for form in ("txt", "md", "tex", "png", "pdf")]
    assert (out / "compare.txt").read_text() == written.text + "\n"
    assert (out / "compare.tex").read_text().count(r"\begin{table}") == 4
    assert (out / "compare.png").read_bytes().startswith(b"\x89PNG")
    assert (out / "compare.pdf").read_bytes().startswith(b"%PDF")
    assert [summary.name for summary in written.summaries] == ["a", "b"]


def test_a_difference_is_marked_where_holm_rejects(make_run, out):
    runs = [make_run("a", GOOD), make_run("b", BAD), make_run("c", GOOD)]
    text = compare(runs, out=out, radii="0,0.5").text
    assert rows(text, 1) == {"a - b": ["+83.3*", "+83.3*"], "a - c": ["0.0", "0.0"], "b - c": ["-83.3*", "-83.3*"]}
    assert rows(text, 2)["b, c"] == ["0:20 p<.0001", "0:20 p<.0001"]
    assert rows(text, 2)["a, c"] == ["0:0 p=1", "0:0 p=1"]
    assert r"\textbf{+83.3}" in (out / "compare.tex").read_text()
    for form in ("txt", "md", "tex"):
        said = (out / f"compare.{form}").read_text()
        assert (
            f"probability at most {LEVEL:g} (exact McNemar tests, two-sided; Holm over all 6: 3 pairs x 2 radii" in said
        )
        assert "Not marked is not equal." in said


def test_multiplicity_costs_marks(make_run, out):
    runs = [make_run("a", (0.99,) * 6), make_run("b", (0.2,) * 6)]  # 6:0 is p = 1/32
    assert rows(compare(runs, out=out, radii="0").text, 1) == {"a - b": ["+100.0*"]}
    several = compare(runs, out=out, radii="0,0.1").text
    assert rows(several, 1) == {"a - b": ["+100.0", "+100.0"]}
    assert rows(several, 2) == {"a, b": ["6:0 p=.0625", "6:0 p=.0625"]}


def test_the_first_table_has_bands_natural_accuracy_abstention_and_the_warning_about_acr(make_run, out):
    runs = [make_run("a", (0.99, 0.9, 0.5, 0.2), clean=0), make_run("b", GOOD[:4], clean=1)]
    text = compare(runs, out=out, radii="0,0.5").text
    assert text.splitlines()[0].split() == ["run", "r=0", "r=0.5", "band", "natural", "abstained", "ACR", "median", "m"]
    assert rows(text, 0)["a"][0] == "50.0"
    assert rows(text, 0)["a"][3:5] == ["100.0", "25.0"]
    assert rows(text, 0)["b"][3] == "0.0"
    assert "ACR rewards easy inputs" in text
    assert "(acr-weakness, 2025)" in text
    assert "All runs are on the same 4 inputs." in text


def test_only_common_inputs_are_compared_and_the_others_are_counted(make_run, out):
    text = compare([make_run("a", GOOD), make_run("b", BAD[:5]), make_run("c", GOOD[:6])], out=out, radii="0").text
    assert "Only the 5 inputs that all runs have finished are compared; left out: 19 of a, 1 of c." in text
    assert {name: cells[-1] for name, cells in rows(text, 0).items()} == {"a": "5", "b": "5", "c": "5"}


def test_what_besides_the_method_differs_is_said(make_run, out):
    plain = make_run("plain", GOOD)
    same = compare([plain, make_run("same", BAD)], out=out, radii="0").text
    assert "part of what differs" not in same
    for other, text in (
        (make_run("sigma", GOOD, sigma=1.0), "The runs are not at one sigma: part of what differs is sigma"),
        (make_run("n", GOOD, procedure=Certify(n=500)), "not certified with the same settings: part of what differs"),
        (
            make_run("looks", GOOD, procedure=Sequential(n_max=1000)),
            "The radii come from different procedures (plain: certify; looks: sequential)",
        ),
        (make_run("float", GOOD, grid=None), "their noise is not of one arithmetic; see noiseproof card"),
    ):
        assert text in compare([plain, other], out=out, radii="0").text


def test_a_zero_beyond_what_the_draws_can_certify_is_explained(make_run, out):
    runs = [make_run("small", GOOD, sigma=0.25), make_run("large", GOOD, sigma=1.0)]
    assert "can certify no more than: small 0.616. A 0 beyond" in compare(runs, out=out, radii="0,1").text
    assert "can certify no more" not in compare(runs, out=out, radii="0,0.5").text


def test_what_the_training_cost_is_there_where_it_is_known(make_run, out):
    label = {"sigma": 0.5, "epochs": 30, "loss": {"name": "consistency", "m": 2}}
    written = compare([make_run("a", GOOD, trained=label), make_run("b", BAD)], out=out, radii="0")
    assert rows(written.text, 3)["a"][:5] == ["0.5", "consistency", "0.5", "30", "60"]
    assert rows(written.text, 3)["b"] == ["0.5"]
    assert [cost.passes for cost in written.costs] == [60, None]


def test_runs_of_one_name_are_told_apart_by_their_paths(make_run, out):
    runs = [make_run("one/c25", GOOD), make_run("two/c25", BAD)]
    assert list(rows(compare(runs, out=out, radii="0").text, 0)) == ["one/c25", "two/c25"]


def test_p_values_are_rounded_up():
    assert [_p_value(p) for p in (1.0, 0.99995, 0.0096001, 0.05, 0.0001, 0.00009, 0.0)] == [
        "=1",
        "=1",
        "=.0097",
        "=.0500",
        "=.0001",
        "<.0001",
        "<.0001",
    ]


def test_what_cannot_be_compared_is_refused(make_run, out):
    one, other = make_run("one", GOOD), make_run("other", GOOD, data="blue:test")
    predicted, unlabelled = make_run("p", GOOD, procedure=Predict(n=100)), make_run("u", GOOD, labels=[None] * 24)
    for runs, radii, error, text in (
        ([one], "0", ValueError, "compare takes two runs or more, got 1; noiseproof report shows one"),
        ([one, one], "0", ValueError, "runs to compare must be different ones, got one twice"),
        ([one, other], "0", ValueError, "runs to compare must be on the same data, got grey:test in one and blue:test"),
        ([one, predicted], "0", RunError, "is a run of predict, which has no radii; give runs of certify"),
        ([one, unlabelled], "0", ValueError, "labels are needed to tell right from wrong, but input 0 has none"),
        ([one, other], (), ValueError, "radii must not be empty: name at least one"),
        ([one, other], "1,0", ValueError, "radii must increase, got '1,0'"),
    ):
        with pytest.raises(error) as said:
            compare(runs, out=out, radii=radii)
        assert text in str(said.value)
    assert not out.exists()

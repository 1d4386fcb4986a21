from __future__ import annotations

import dataclasses
import re
from types import SimpleNamespace

import pytest

from noiseproof.analysis import summarize
from noiseproof.reports import Table, accuracy_table, guarantees_table
from noiseproof.reports.units import Units
from noiseproof.types import ABSTAIN, Answer, Certificate, Record


def summary(name="gaussian", radii=(0.0, 0.25, 0.5), n=1000, alpha=0.001, right=243, norm="l2", m=500, clean_right=400):
    def record(i):
        said = 3 if i < right else ABSTAIN if i == right else 4
        answers = (Answer("select", 100, (100,)), Answer("estimate", n, (n,)))
        clean = 3 if i < clean_right else 4
        return Record(f"k{i}", i, 3, answers, Certificate(said, 0.3, 0.9, 0.1, norm), 0.1, clean=clean)

    return summarize([record(i) for i in range(m)], alpha=alpha, radii=radii, name=name)


def test_accuracy_table_as_text():
    assert accuracy_table([summary(), summary("none", right=0)]).text().splitlines() == [
        "run        r=0  r=0.25  r=0.5  band  natural  abstained    ACR  median    m",
        "---------------------------------------------------------------------------",
        "gaussian  48.6    48.6    0.0  ±6.1     80.0        0.2  0.146   0.000  500",
        "none       0.0     0.0    0.0  ±6.1     80.0        0.2  0.000   0.000  500",
        "---------------------------------------------------------------------------",
        "Certified accuracy in % of all m inputs at L2 radius r (input units: pixels in [0, 1]).",
        "n0 = 100, n = 1000, alpha = 0.001.",
        "band: with probability 0.95 the certified accuracy that this procedure has on the population that the inputs "
        "were drawn from lies within it at all radii at once (DKW). Robust accuracy lies above its lower end, up to "
        "the false certificates, and may lie above its upper end.",
        "natural: accuracy of the base classifier on the clean inputs, without noise.",
        "ACR, median: average and median certified radius over all inputs, wrong or abstained counts 0.",
    ]


def test_accuracy_table_as_markdown():
    lines = accuracy_table([summary("a|b")]).markdown().splitlines()
    assert lines[:3] == [
        "| run | r=0 | r=0.25 | r=0.5 | band | natural | abstained | ACR | median | m |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| a\\|b | 48.6 | 48.6 | 0.0 | ±6.1 | 80.0 | 0.2 | 0.146 | 0.000 | 500 |",
    ]
    assert lines[3] == ""
    assert lines[4].startswith("Certified accuracy in % of all m inputs at L2 radius r")
    assert len(lines) == 5


def test_settings_are_said_run_by_run_where_they_differ():
    caption = accuracy_table([summary("a"), summary("b", n=10_000, alpha=0.01)]).caption
    assert caption[1:3] == ("a: n0 = 100, n = 1000, alpha = 0.001.", "b: n0 = 100, n = 10000, alpha = 0.01.")
    uneven = dataclasses.replace(summary(), even=False, draws=500 * 321)
    assert accuracy_table([uneven]).caption[1] == ("n0 <= 100, n <= 1000, mean draws 321 per input, alpha = 0.001.")
    imported = dataclasses.replace(summary(), n0=0, n=0)
    assert accuracy_table([imported]).caption[1] == "n0 and n unknown, alpha = 0.001."


def test_a_run_without_a_name_has_its_number():
    table = accuracy_table([summary(""), summary("b"), summary("")])
    assert [row[0] for row in table.rows] == ["run 1", "b", "run 3"]


def test_other_norms_are_named():
    assert "at L1 radius r" in accuracy_table([summary(norm="l1")]).caption[0]
    assert "at Linf radius" in guarantees_table(summary(norm="linf")).caption[0]


def test_guarantees_table_prints_no_bound_above_itself():
    one = dataclasses.replace(
        summary(radii=(0.25,)),
        certified=(0.5,),
        band=0.0602,
        fixed_set_lower=(0.48,),
        bernstein_lower=(0.4779,),
        population_lower=(0.40196,),
        population_lower_at_any_m=(0.39196,),
    )
    table = guarantees_table(one)
    assert table.header == (
        "radius",
        "certified",
        "band",
        "these inputs >=",
        "(Bernstein)",
        "population >=",
        "at any m",
    )
    assert table.rows == (("0.25", "50.0", "43.9 to 56.1", "48.0", "47.7", "40.1", "39.1"),)
    assert guarantees_table(dataclasses.replace(one, certified=(0.02,))).rows[0][2] == "0.0 to 8.1"
    assert guarantees_table(dataclasses.replace(one, certified=(0.98,))).rows[0][2] == "91.9 to 100.0"


def test_guarantees_table_says_what_each_bound_means():
    caption = " ".join(guarantees_table(summary()).caption)
    assert "over 500 inputs expect at most 4 false certificates, with probability 0.999" in caption
    assert "within ±10.9 points, with probability 0.95 at all radii and every m at once" in caption
    assert "n0 = 100, n = 1000, alpha = 0.001." in caption
    assert "population: with probability 0.999, for one radius chosen beforehand" in caption
    assert "band: certified accuracy of the population, with probability 0.95, at all radii at once (DKW)" in caption


def test_a_shared_budget_is_said_and_bounds_from_below_only():
    """At r = .6 a run with a budget certified nothing where 60% certify without: 0 to 9.7% was printed."""
    shared = dataclasses.replace(summary("run"), shared_draws=2500)
    for table in (accuracy_table([shared, summary("other")]), guarantees_table(shared)):
        caption = " ".join(table.caption)
        assert "run: a budget of 2,500 draws for all inputs together" in caption
        assert "the band bounds from below only" in caption
    assert [row[accuracy_table([shared]).header.index("band")][0] for row in accuracy_table([shared]).rows] == ["-"]
    assert all(row[2].endswith(" to 100.0") for row in guarantees_table(shared).rows)
    assert "budget" not in " ".join(accuracy_table([summary()]).caption)


def test_the_band_is_said_to_be_about_certified_accuracy():
    assert "Robust accuracy lies above its lower end" in " ".join(accuracy_table([summary()]).caption)
    assert "its upper end is no bound on robust accuracy" in " ".join(guarantees_table(summary()).caption)


def test_what_is_for_a_fixed_number_of_inputs_is_said_to_be():
    caption = " ".join(guarantees_table(summary()).caption)
    assert "for a number of inputs that was fixed before the first draw" in caption
    assert "at most 6 false certificates" in caption


def test_text_aligns_the_first_column_left_and_the_others_right():
    table = Table(("a", "bb"), (("long name", "1"), ("x", "1000")), ("said.",))
    assert table.text().splitlines() == [
        "a            bb",
        "---------------",
        "long name     1",
        "x          1000",
        "---------------",
        "said.",
    ]


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ([], "summaries must not be empty: name at least one run"),
        (
            [summary("a", radii=(0.0,)), summary("b", radii=(0.5,))],
            "runs of one table must have the same radii, got (0.0,) in 'a' and (0.5,) in 'b'",
        ),
        (
            [summary("a"), summary("b", norm="l1")],
            "runs of one table must have the same norm, got l2 in 'a' and l1 in 'b'",
        ),
        (
            [summary("a"), dataclasses.replace(summary("b"), delta=0.1)],
            "runs of one table must have the same delta, got 0.05 in 'a' and 0.1 in 'b'",
        ),
    ],
)
def test_runs_that_cannot_stand_together_are_refused(runs, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        accuracy_table(runs)


def test_accuracy_table_as_latex():
    lines = accuracy_table([summary("a_b")]).latex().splitlines()
    assert lines[:9] == [
        r"% \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        r"\begin{tabular}{lrrrrrrrrr}",
        r"\toprule",
        r"run & r=0 & r=0.25 & r=0.5 & band & natural & abstained & ACR & median & m \\",
        r"\midrule",
        r"a\_b & 48.6 & 48.6 & 0.0 & \ensuremath{\pm}6.1 & 80.0 & 0.2 & 0.146 & 0.000 & 500 \\",
        r"\bottomrule",
    ]
    assert lines[9] == r"\end{tabular}"
    assert lines[10].startswith(r"\caption{Certified accuracy in \% of all m inputs at L2 radius r (input units")
    assert lines[11:] == [r"\end{table}"]


def test_latex_prints_every_character_of_a_name():
    said = Table((r"\&%$#_{}~^",), (("<=|>=<>",),), ()).latex()
    assert r"\textbackslash{}\&\%\$\#\_\{\}\textasciitilde{}\textasciicircum{} \\" in said
    ordered = (r"\ensuremath{\leq}", r"\textbar{}", r"\ensuremath{\geq}", r"\ensuremath{<}", r"\ensuremath{>}")
    assert "".join(ordered) + r" \\" in said


def test_marked_cells_stand_out():
    table = Table(("a", "b", "c"), (("x", "1", "2"), ("y", "10", "20")), (), frozenset({(1, 2)}))
    assert table.text().splitlines() == [
        "a   b    c",
        "----------",
        "x   1   2 ",
        "y  10  20*",
        "----------",
    ]
    assert table.markdown().splitlines()[2:4] == ["| x | 1 | 2 |", "| y | 10 | **20** |"]
    assert r"y & 10 & \textbf{20} \\" in table.latex()


def test_radii_in_steps_of_a_pixel():
    table = accuracy_table([summary(radii=(0.0, 64 / 255))], units=Units(255))
    assert table.header[1:3] == ("r=0", "r=64")
    assert table.rows[0][-3:] == ("37.2", "0.0", "500")
    assert "at L2 radius r (units of 1/255: one step of one 8-bit pixel)." in table.caption[0]
    one = guarantees_table(summary(radii=(0.0, 64 / 255)), units=Units(255))
    assert [row[0] for row in one.rows] == ["0", "64"]
    assert "(units of 1/255: one step of one 8-bit pixel)" in one.caption[0]


def test_the_arithmetic_of_the_noise_is_named():
    from noiseproof.reports.tables import _arithmetic

    def of(*said):
        names = [f"run{i}" for i in range(len(said))]
        return _arithmetic(names, [SimpleNamespace(arithmetic=each) for each in said])

    assert of("exact integers, grid 255", "exact integers, grid 255") == ("Noise: exact integers, grid 255.",)
    assert of("exact", "") == ("Noise: exact (run0), not stated (run1).",)
    assert of("", "") == ()

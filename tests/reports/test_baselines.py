from __future__ import annotations

import re

import numpy as np
import pytest

from noiseproof.errors import RunError
from noiseproof.reports.baselines import baselines_report, broken_within, one_line
from noiseproof.stats import lecuyer_radius, li_radius
from noiseproof.store import Manifest, read_run
from noiseproof.store.attacks import KIND, Attacked, AttackFolder
from noiseproof.store.baselines import KIND_BASELINE, BaselineFolder, Determined, read_baseline

DATA = {"name": "grey:test", "shape": [1, 2, 2], "labels": "0" * 32}


@pytest.fixture
def make_other(tmp_path):
    """A folder of another method: input i has that radius, class 0 where the sign is +, and key k<i>."""

    def make(name, radii, *, method="wong", data=DATA, first=0, key="k{}-0", trained=None, attacked=True):
        meaning = {"model": {"architecture": "small-cnn"}, "data": data, "certificate": {"method": method}}
        with BaselineFolder(tmp_path / name, Manifest(KIND_BASELINE, meaning, "0")) as folder:
            folder.begin({"trained": trained or {}}, {})
            for i, radius in enumerate(radii, start=first):
                said = int(radius < 0)
                tried = ((1.0, said), (2.0, said + i % 2)) if attacked else ()
                folder.add(Determined(key.format(i), i, 0, said, abs(radius), 0.5, tried))
        return tmp_path / name

    return make


def rows(text):
    lines = text.splitlines()
    body = lines[2 : lines.index(lines[1], 2)]
    return {cells[0]: cells[1:] for cells in (re.split(r"\s{2,}", line.strip()) for line in body)}


def test_one_row_a_method_with_its_shares_its_cost_and_what_broke(make_run, make_other, tmp_path):
    run = make_run("a", (0.999, 0.8, 0.2))
    trained = {"baseline": {"eps": 0.25}, "seconds": 900.0}
    other = make_other("w", (0.3, 0.1, -0.6), trained=trained)
    found = baselines_report([run], [other], out=tmp_path / "out", radii="0,0.25,0.75")
    assert found.m == 3
    said = rows(found.text)
    assert said["Wong et al. 2018, small-cnn, trained for eps 0.25"] == [
        *("66.7*", "33.3", "0.0"),
        *("0.133", "0.5", "900", "0", "0 of 3", "1 of 3"),
    ]
    smoothing = said["smoothing, linear, sigma 0.5"]
    assert smoothing[:3] == ["66.7*", "66.7*", "33.3*"]
    assert smoothing[-3:] == ["0.001", "-", "-"]
    assert [path.name for path in found.files] == [f"baselines.{form}" for form in ("txt", "md", "tex", "png", "pdf")]
    assert (tmp_path / "out" / "baselines.txt").read_text() == found.text + "\n"
    for missing in ("Tsuzuku", "Weng", "Zhang"):
        assert missing in found.text


def test_earlier_bounds_are_of_the_same_counts_and_below(make_run, tmp_path):
    run = make_run("a", (0.999, 0.9, 0.3))
    found = baselines_report([run], out=tmp_path / "out")
    own, li, lecuyer = (row.radii for row in found.rows)
    outcome = read_run(run).records[0].outcome
    assert own[0] == outcome.radius
    assert li[0] == li_radius(outcome.p_lower, outcome.p_upper, 0.5)
    assert lecuyer[0] == lecuyer_radius(outcome.p_lower, outcome.p_upper, 0.5)
    assert (own[:2] > li[:2]).all()
    assert (li[:2] > lecuyer[:2]).all()
    assert own[2] == li[2] == lecuyer[2] == -1
    assert len(baselines_report([run], out=tmp_path / "out", earlier=False).rows) == 1


def test_earlier_bounds_stand_under_the_first_run_only(make_run, tmp_path):
    runs = [make_run("a", (0.99, 0.9)), make_run("b", (0.99, 0.9), sigma=1.0)]
    assert [row.family for row in baselines_report(runs, out=tmp_path / "out").rows] == [0, 1, 1, 0]


def test_only_common_inputs_count(make_run, make_other, tmp_path):
    run = make_run("a", (0.99,) * 6)
    found = baselines_report([run], [make_other("w", (0.1,) * 4, first=3)], out=tmp_path / "out", earlier=False)
    assert found.m == 3
    assert [len(row.radii) for row in found.rows] == [3, 3]
    with pytest.raises(ValueError, match=r"^methods to compare must have inputs in common"):
        baselines_report([run], [make_other("x", (0.1,), first=9)], out=tmp_path / "out")


def test_other_data_and_other_pictures_are_refused(make_run, make_other, tmp_path):
    run = make_run("a", (0.99,) * 3)
    other = make_other("w", (0.1,), data=DATA | {"name": "grey:train"})
    with pytest.raises(ValueError, match=r"same data, got grey:train in w and grey:test in a$"):
        baselines_report([run], [other], out=tmp_path / "out")
    with pytest.raises(ValueError, match=r"^input 0 of x is not that of a$"):
        baselines_report([run], [make_other("x", (0.1,), key="q{}-0")], out=tmp_path / "out")
    with pytest.raises(RunError, match=r"y has no finished input yet"):
        baselines_report([run], [make_other("y", ())], out=tmp_path / "out")
    with pytest.raises(ValueError, match=r"^smoothed must name a run of certify at least, got none$"):
        baselines_report([], out=tmp_path / "out")


def test_attacks_on_a_run_are_counted_and_others_refused(make_run, tmp_path):
    run = make_run("a", (0.99, 0.99))
    meaning = {"run": read_run(run).manifest.meaning_hash}
    with AttackFolder(tmp_path / "t", Manifest(KIND, meaning, "0")) as folder:
        folder.begin({}, {})
        for i, multiple, said in ((0, 1.0, 0), (1, 1.0, -1), (0, 2.0, 1), (1, 2.0, 0)):
            point = Attacked(f"k{i}-0", i, 0, 0, 0.5, multiple, 0.5 * multiple, 1, 10, (5, 5, 0), said, 0.1, 0.1)
            folder.add(point, np.zeros((1, 2, 2)))
    found = baselines_report([run], attacked=[tmp_path / "t"], out=tmp_path / "out", earlier=False)
    row = found.rows[0]
    assert (row.checked, row.broken, row.beyond, row.beyond_broken) == (2, 0, 2, 1)
    with pytest.raises(ValueError, match=r"^attacked must be attacks on the runs, but .*t is on another one$"):
        baselines_report([make_run("b", (0.9,), sigma=1.0)], attacked=[tmp_path / "t"], out=tmp_path / "out")


def test_a_broken_certificate_is_named(make_other):
    whole = read_baseline(make_other("w", (0.3, 0.1, -0.2)))
    assert broken_within(whole) == []
    assert one_line(whole) == "3 inputs: 66.7% right, median radius 0.100, 0.5 s an input; broken within: 0 of 3"
    path = whole.path.parent / "z"
    with BaselineFolder(path, whole.manifest) as folder:
        folder.begin({}, {})
        folder.add(Determined("k0-0", 7, 0, 0, 0.1, 0.1, ((0.5, 3), (2.0, 1))))
        folder.add(Determined("k1-0", 8, 0, 0, 0.1, 0.1, ((2.0, 1),)))
    assert broken_within(read_baseline(path)) == [7]


def test_names_say_how_a_network_was_trained(make_run, make_other, tmp_path):
    run = make_run("a", (0.99, 0.99))
    others = [
        make_other("t", (0.1,), method="lipschitz", trained={"baseline": {"tau": 3.0}}),
        make_other("p", (0.1,), trained={"sigma": 0.0}),
        make_other("s", (0.1,), trained={"sigma": 0.25}),
        make_other("u", (0.1,), attacked=False),
    ]
    names = [row.name for row in baselines_report([run], others, out=tmp_path / "out", earlier=False).rows[1:]]
    assert names == [
        "Lipschitz, small-cnn, trained at tau 3",
        "Wong et al. 2018, small-cnn, plain training",
        "Wong et al. 2018, small-cnn, trained at sigma 0.25",
        "Wong et al. 2018, small-cnn, training unknown",
    ]


def test_a_radius_that_no_method_reaches_marks_none(make_run, tmp_path):
    said = rows(baselines_report([make_run("a", (0.99, 0.9))], out=tmp_path / "out", radii="0,9", earlier=False).text)
    assert said["smoothing, linear, sigma 0.5"][:2] == ["100.0*", "0.0"]

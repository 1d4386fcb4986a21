from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noiseproof.analysis.compared import common_inputs, paired_tests
from noiseproof.errors import RunError
from noiseproof.stats import holm_adjusted, mcnemar
from noiseproof.store import Manifest, RunFolder, read_run
from noiseproof.store.manifest import KIND_IMPORT, NO_COUNTS
from noiseproof.types import ABSTAIN, Certificate, Record


def record(index, prediction, radius, label=0):
    return Record(f"k{index}-0", index, label, (), Certificate(prediction, radius, 0.9, 0.1), 1.0)


def run_of(tmp_path, name, inputs, *, kind="certify", grid=255):
    """A run folder of finished inputs: (key, index, label, radius)."""
    meaning = {
        "noise": {"family": "gaussian", "sigma": 0.5, "grid": grid, "dimension": 4},
        "procedure": {"name": "certify", "n0": 100, "n": 1000, "alpha": 0.001, "two_sided": False},
    }
    if kind == KIND_IMPORT:
        meaning |= {"counts": NO_COUNTS, "source": {"name": "theirs.tsv"}}
    else:
        meaning |= {"data": {"name": "grey:test", "shape": [1, 2, 2], "labels": "0" * 32}}
    with RunFolder(tmp_path / name, Manifest(kind, meaning, "0")) as folder:
        for key, index, label, radius in inputs:
            folder.add_record(key, index, label, [], Certificate(0, radius, 0.9, 0.1))
    return read_run(tmp_path / name)


def test_counts_are_of_inputs_that_one_alone_certifies_as_right():
    one = [record(0, 0, 1.0), record(1, 0, 0.5), record(2, 1, 9.0), record(3, ABSTAIN, 0.0), record(4, 0, 0.2)]
    two = [record(0, 0, 0.5), record(1, 0, 0.5), record(2, 0, 0.1), record(3, 0, 0.7), record(4, 1, 0.2)]
    found = paired_tests([one, two], [0.0, 0.5, 1.0])
    assert [(t.only_first, t.only_second) for t in found] == [(1, 2), (0, 1), (1, 0)]  # closed at the radius
    assert [t.difference for t in found] == [-0.2, -0.2, 0.2]
    assert {(t.first, t.second, t.m) for t in found} == {(0, 1, 5)}


runs = st.lists(st.tuples(*[st.tuples(st.integers(-1, 1), st.floats(0, 2))] * 3), min_size=1, max_size=25)


@given(runs)
def test_every_pair_at_every_radius_agrees_with_a_plain_count(rows):
    records = [[record(i, *row[which]) for i, row in enumerate(rows)] for which in range(3)]
    radii = (0.0, 0.5, 1.5)
    found = paired_tests(records, radii)
    assert [(t.first, t.second, t.radius) for t in found] == [
        (a, b, r) for a, b in ((0, 1), (0, 2), (1, 2)) for r in radii
    ]
    for test in found:
        good = [[row[which][0] == 0 and row[which][1] >= test.radius for row in rows] for which in range(3)]
        pairs = list(zip(good[test.first], good[test.second], strict=True))
        assert (test.only_first, test.only_second) == (pairs.count((True, False)), pairs.count((False, True)))
        assert test.p_value == mcnemar(test.only_first, test.only_second)
        assert test.difference == pytest.approx((sum(good[test.first]) - sum(good[test.second])) / len(rows))
    assert [t.adjusted for t in found] == holm_adjusted([t.p_value for t in found]).tolist()


def test_equal_methods_are_rarely_told_apart_and_unequal_ones_are():
    """At 4 radii, 400 times: a true law fails here with probability 5e-7, the exact tail of Binomial(400, .05)."""
    rng, alike, unlike = np.random.default_rng(7), 0, 0
    for _ in range(400):
        reach = rng.uniform(0, 2, (3, 60))
        reach[2] *= 0.5
        first, second, worse = ([record(i, 0, float(r)) for i, r in enumerate(row)] for row in reach)
        alike += any(t.adjusted <= 0.05 for t in paired_tests([first, second], (0.2, 0.6, 1.0, 1.4)))
        unlike += any(t.adjusted <= 0.05 for t in paired_tests([first, worse], (0.2, 0.6, 1.0, 1.4)))
    assert alike <= 44
    assert unlike >= 390


def test_records_in_another_order_are_refused():
    with pytest.raises(ValueError, match=r"^records must be of the same inputs in the same order; see common_inputs$"):
        paired_tests([[record(0, 0, 1.0), record(1, 0, 1.0)], [record(1, 0, 1.0), record(0, 0, 1.0)]], [0.0])


def test_common_inputs_are_those_that_all_have_in_one_order(tmp_path):
    one = run_of(tmp_path, "one", [("b-0", 7, 1, 0.7), ("a-0", 3, 0, 0.3), ("c-0", 9, 2, 0.9)])
    # the same picture may be the second of its kind in another choice of inputs
    two = run_of(tmp_path, "two", [("a-1", 3, 0, 0.31), ("d-0", 4, 0, 0.4), ("b-0", 7, 1, 0.71)])
    theirs = run_of(tmp_path, "theirs", [("index-3", 3, 0, 0.32), ("index-7", 7, 1, 0.72)], kind=KIND_IMPORT)
    floats = run_of(tmp_path, "floats", [("x-0", 3, 0, 0.33), ("y-0", 7, 1, 0.73)], grid=None)
    found = common_inputs([one, two, theirs, floats])
    assert [[r.index for r in each] for each in found] == [[3, 7]] * 4
    assert [[r.outcome.radius for r in each] for each in found] == [
        [0.3, 0.7],
        [0.31, 0.71],
        [0.32, 0.72],
        [0.33, 0.73],
    ]


def test_other_data_is_refused(tmp_path, make_run):
    one = run_of(tmp_path, "one", [("a-0", 0, 0, 0.3), ("b-0", 1, 1, 0.3)])
    others = {
        "relabelled": ([("index-1", 1, 2, 0.3)], KIND_IMPORT, "input 1 has label 1 in one and 2 in relabelled"),
        "repainted": ([("z-0", 1, 1, 0.3)], "certify", "input 1 is another picture in one than in repainted"),
        "elsewhere": ([("z-0", 5, 1, 0.3)], "certify", "inputs in common, but no index is in all of them"),
    }
    for name, (inputs, kind, text) in others.items():
        with pytest.raises(ValueError, match=r"^runs to compare must ") as said:
            common_inputs([one, run_of(tmp_path, name, inputs, kind=kind)])
        assert text in str(said.value)
    theirs = run_of(tmp_path, "theirs", [("index-1", 1, 1, 0.3)], kind=KIND_IMPORT)
    with pytest.raises(ValueError, match="another picture in one than in repainted"):
        common_inputs([one, theirs, read_run(tmp_path / "repainted")])  # an import between them hides nothing
    with pytest.raises(ValueError, match=r"on the same data, got grey:test in one and blue:test in other$"):
        common_inputs([one, theirs, read_run(make_run("other", (0.9,), data="blue:test"))])
    with pytest.raises(RunError, match=r"empty has no finished input yet; run its certify line again$"):
        common_inputs([one, run_of(tmp_path, "empty", [])])


def test_the_same_name_with_other_labels_is_other_data(tmp_path):
    one = run_of(tmp_path, "one", [("a-0", 0, 0, 0.3)])
    two = run_of(tmp_path, "two", [("a-0", 0, 0, 0.3)])
    two.manifest.meaning["data"]["labels"] = "1" * 32
    with pytest.raises(ValueError, match=r"grey:test in two \(labels is '1{32}', not '0{32}'\)$"):
        common_inputs([one, two])

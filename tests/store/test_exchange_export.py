"""A run as a table; and the round trips."""

from __future__ import annotations

import csv
import re
import sys

import pytest

from noiseproof import audit, export_run, import_run
from noiseproof.errors import NoiseproofError, RunError, pip_install
from noiseproof.noises import Gaussian
from noiseproof.procedures import Certify, Predict, replay
from noiseproof.store import Manifest, Range, RunFolder, read_run
from noiseproof.store.exchange import read_published
from noiseproof.types import Answer

NOISE = Gaussian(sigma=0.5).on((3, 32, 32))


def write_run(path, procedure, inputs, answers):
    """A run of this procedure: inputs as (index, label, votes of the last request)."""
    meaning = {"model": {"num_classes": 3}, "noise": NOISE.config(), "procedure": procedure.config()}
    with RunFolder(path, Manifest(procedure.name, meaning, "0.1.0")) as folder:
        folder.begin({"version": "0.1.0"}, {})
        for index, label, votes in inputs:
            given = answers(votes)
            begins: dict[str, int] = {}
            for answer in given:
                first = begins.get(answer.stage, 0)
                folder.add_range(f"key-{index}", answer.stage, Range(first, answer.n, answer.votes, 0.125))
                begins[answer.stage] = first + answer.n
            asked = [(answer.stage, answer.n) for answer in given]
            folder.add_record(f"key-{index}", index, label, asked, replay(procedure, NOISE, given))
    return path


def certify_answers(votes):
    top = max(range(3), key=votes.__getitem__)
    sure = tuple(100 * (c == top) for c in range(3))
    rest = tuple(v - s for v, s in zip(votes, sure, strict=True))
    return [
        Answer("select", 10, tuple(10 * (c == top) for c in range(3))),
        Answer("estimate", 100, sure),
        Answer("estimate", 900, rest),
    ]


@pytest.fixture
def run(tmp_path):
    """40 inputs, every fifth, from sure to doubtful, the last three abstain; one has void draws."""
    votes = [(1000 - k, k, 0) for k in range(0, 74, 2)] + [(540, 460, 0), (520, 480, 0), (500, 490, 0)]
    inputs = [(5 * i, i % 2, v) for i, v in enumerate(votes)]
    return write_run(tmp_path / "run", Certify(n0=10, n=1000), inputs[::-1], certify_answers)


def test_a_run_exported_as_tsv_passes_the_audit(run, tmp_path):
    path = export_run(run, out=tmp_path / "sigma_0.5.tsv")
    (found,) = audit([path], n=1000, rows=40)
    assert found.holds
    assert found.rounding == "down"
    assert (found.abstained, found.every, found.likely.raised) == (3, 5, 0)
    (found,) = audit([path], n=1000, alpha=0.01, rows=40)
    assert found.verdict == "the radii lie on the lattice of alpha = 0.001, not of 0.01 as stated"
    assert not audit([path], n=2000, rows=40)[0].holds


def test_tsv_is_the_script_s_columns_with_radii_rounded_down(run, tmp_path):
    path = export_run(run, out=tmp_path / "x.tsv")
    assert path.read_text().splitlines()[:2] == [
        "idx\tlabel\tpredict\tradius\tcorrect\ttime",
        "0\t0\t0\t1.23\t1\t0.375",
    ]
    rows, records = read_published(path), read_run(run).records
    assert [row.index for row in rows] == [5 * i for i in range(40)]
    for row, record in zip(rows, records, strict=True):
        assert (row.label, row.predict) == (record.label, record.outcome.prediction)
        assert row.correct == (row.label == row.predict)
        assert 0.99 * record.outcome.radius <= row.radius <= record.outcome.radius
        assert row.seconds == record.seconds
    assert rows[-1].printed == "0.0"
    assert rows[-1].predict == -1


def test_a_published_file_comes_back_as_it_was(shared, tmp_path):
    source = shared / "published/cohen2019/certify/cifar10/resnet110/noise_0.50/test/sigma_0.50.tsv"
    import_run(source, out=tmp_path / "run", n=100_000, alpha=0.001)
    path = export_run(tmp_path / "run", out=tmp_path / "again.tsv")
    assert read_published(path) == read_published(source)
    assert path.read_text() == source.read_text()


def test_imported_counts_lie_on_the_lattice_of_their_share_of_alpha(shared, tmp_path):
    source = shared / "published/topk2020/cifar10_sigma_0.25_counts.txt"
    import_run(source, out=tmp_path / "run", format="topk", n=100_000, alpha=0.001)
    path = export_run(tmp_path / "run", out=tmp_path / "sigma_0.25.tsv")
    (found,) = audit([path], alpha=0.0001, rows=500)
    assert found.holds
    assert found.fitting == (0.0001,)


def test_csv_holds_all_digits_and_all_counts(run, tmp_path):
    path = export_run(run, out=tmp_path / "x.csv", format="csv")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        *("index", "key", "label", "prediction", "correct", "radius", "norm", "p_lower", "p_upper"),
        *("draws", "void", "seconds"),
        *("select_n", "select_0", "select_1", "select_2"),
        *("estimate_n", "estimate_0", "estimate_1", "estimate_2"),
    ]
    for row, record in zip(rows, read_run(run).records, strict=True):
        assert float(row["radius"]) == record.outcome.radius
        assert float(row["p_lower"]) == record.outcome.p_lower
        assert (row["key"], row["norm"], row["draws"]) == (record.key, "l2", "1010")
        votes = [int(row[f"estimate_{c}"]) for c in range(3)]
        assert votes == [sum(a.votes[c] for a in record.answers[1:]) for c in range(3)]
        assert int(row["void"]) == 1000 - sum(votes)
    assert rows[-1]["void"] == "10"


def test_a_predict_run_has_no_radii_but_can_be_a_table(tmp_path):
    procedure = Predict(n=100)
    run = write_run(
        tmp_path / "run",
        procedure,
        [(0, None, (90, 10, 0)), (1, 1, (40, 40, 20))],
        lambda v: [Answer("predict", 100, v)],
    )
    with pytest.raises(ValueError, match="tsv is a format of certificates, but input 0 has a prediction; export csv"):
        export_run(run, out=tmp_path / "x.tsv")
    lines = export_run(run, out=tmp_path / "x.csv", format="csv").read_text().splitlines()
    assert lines[0].startswith("index,key,label,prediction,correct,p_value,draws,void,seconds,predict_n,predict_0")
    assert lines[1].startswith("0,key-0,,0,,")
    assert not (tmp_path / "x.tsv").exists()


def test_parquet_is_the_same_table(run, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", exc_type=ImportError)
    path = export_run(run, out=tmp_path / "x.parquet", format="parquet")
    table = parquet.read_table(path).to_pydict()
    assert table["radius"] == [record.outcome.radius for record in read_run(run).records]
    assert table["estimate_0"][0] == 1000
    with export_run(run, out=tmp_path / "x.csv", format="csv").open(newline="") as file:
        assert list(table) == next(csv.reader(file))
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["run", "x.csv", "x.parquet"]
    with pytest.raises(RunError, match=r"cannot write .*; choose another --out"):
        export_run(run, out=tmp_path / "nowhere" / "x.parquet", format="parquet")


def test_a_missing_extra_is_one_line_with_the_remedy(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(NoiseproofError, match=re.escape(f"parquet needs pyarrow: {pip_install('parquet')}")):
        export_run(run, out=tmp_path / "x.parquet", format="parquet")


def test_what_cannot_be_exported(run, tmp_path):
    with pytest.raises(ValueError, match="unknown format 'cvs'; did you mean 'csv'"):
        export_run(run, out=tmp_path / "x", format="cvs")
    with pytest.raises(RunError, match=r"cannot write .*; choose another --out"):
        export_run(run, out=tmp_path / "nowhere" / "x.tsv")
    empty = write_run(tmp_path / "empty", Certify(n0=10, n=1000), [], certify_answers)
    with pytest.raises(RunError, match="has no finished input yet: there is nothing to export"):
        export_run(empty, out=tmp_path / "x.tsv")
    unlabelled = write_run(tmp_path / "other", Certify(n0=10, n=1000), [(3, None, (990, 10, 0))], certify_answers)
    with pytest.raises(ValueError, match="tsv needs labels, but input 3 has none; export csv or parquet"):
        export_run(unlabelled, out=tmp_path / "x.tsv")
    with pytest.raises(RunError, match="is not a run folder"):
        export_run(tmp_path / "none", out=tmp_path / "x.tsv")


def test_the_suffix_says_the_format(make_run, tmp_path):
    run = make_run("a", (0.99, 0.8))
    assert export_run(run, out=tmp_path / "x.csv").read_text().startswith("index,key,label,")
    assert export_run(read_run(run), out=tmp_path / "x.tsv").read_text().startswith("idx\tlabel\t")
    assert export_run(run, out=tmp_path / "sigma_0.25").read_text().startswith("idx\tlabel\t")
    with pytest.raises(ValueError, match=r"^format must be that of the file, got 'tsv' for 'x.CSV'; leave one of"):
        export_run(run, out=tmp_path / "x.CSV", format="tsv")

"""audit, import and export as a user types them; none needs torch."""

from __future__ import annotations

import pytest

from noiseproof.cli.main import run
from noiseproof.store import read_run

HEADER = "idx\tlabel\tpredict\tradius\tcorrect\ttime\n"
STATED = ["--out", "r", "--n", "1000", "--alpha", "0.001"]
FOLDER = "published/cohen2019/certify/cifar10/resnet110"


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "sigma_0.25.tsv"
    path.write_text(HEADER + "0\t3\t3\t0.378\t1\t15.4\n20\t7\t-1\t0.0\t0\t15.6\n")
    return path


def test_audit_exits_with_what_it_found(shared, capsys):
    path = str(shared / FOLDER / "noise_0.25/test/sigma_0.25.tsv")
    assert run(["audit", path]) == 1
    assert "the radii lie on the lattice of alpha = 0.01, not of 0.001 as stated" in capsys.readouterr().out
    assert run(["audit", path, "--alpha", "0.01", "--n", "100000", "--sigma", "0.25"]) == 0
    assert "as stated" in capsys.readouterr().out
    good = str(shared / FOLDER / "noise_0.12/test/sigma_0.12.tsv")
    assert run(["audit", good]) == 0
    assert capsys.readouterr().out.count("verdict") == 1
    assert run(["audit", good, path]) == 1, "one file that does not hold is enough"
    assert capsys.readouterr().out.count("verdict") == 2


def test_audit_takes_the_number_of_rows_and_classes(small, capsys):
    assert run(["audit", str(small)]) == 1
    assert "2 rows of 500" in capsys.readouterr().out
    assert run(["audit", str(small), "--rows", "2"]) == 0
    assert run(["audit", str(small), "--rows", "2", "--num-classes", "5"]) == 1
    assert run(["audit", str(small), "--rows", "2", "--rounding", "down"]) == 0


def test_audit_prints_the_paper_s_table(shared, capsys):
    files = [str(shared / FOLDER / f"noise_{s}/test/sigma_{s}.tsv") for s in ("0.12", "0.25", "0.50", "1.00")]
    assert run(["audit", "--table", *files]) == 0
    assert capsys.readouterr().out == (shared / "published/cohen2019/analysis/vary_noise_cifar10.md").read_text()


def test_import_show_verify_report_export(small, tmp_path, capsys):
    out = tmp_path / "run"
    assert run(["import", str(small), "--out", str(out), "--alpha", "0.01", "--n", "1000", "--n0", "50"]) == 0
    assert "2 inputs from" in (said := capsys.readouterr().out)
    assert "radii as printed, not verified" in said
    assert read_run(out).procedure.config() == {
        "name": "certify",
        "n0": 50,
        "n": 1000,
        "alpha": 0.01,
        "two_sided": False,
    }
    assert run(["show", str(out)]) == 0
    assert "inputs finished        2" in capsys.readouterr().out
    assert run(["verify", str(out)]) == 1
    assert "there is nothing to verify" in (error := capsys.readouterr().err)
    assert error.count("\n") == 1
    assert run(["report", str(out), "--radii", "0,0.25", "--out", str(tmp_path / "report")]) == 0
    assert "radii as printed in sigma_0.25.tsv" in capsys.readouterr().out
    again = tmp_path / "again.tsv"
    assert run(["export", str(out), "--out", str(again)]) == 0
    assert capsys.readouterr().out == f"written: {again}\n"
    assert again.read_text() == small.read_text()


def test_imported_counts_are_verified(tmp_path, capsys):
    path = tmp_path / "sigma_0.5.txt"
    path.write_text("990 6 4 0\n")
    out = tmp_path / "run"
    assert run(["import", str(path), "--out", str(out), "--format", "topk", "--n", "1000", "--alpha", "0.001"]) == 0
    assert "every class at alpha/num_classes" in capsys.readouterr().out
    assert run(["verify", str(out)]) == 0
    assert "1 certificates follow from their 1,000 draws" in capsys.readouterr().out
    assert run(["export", str(out), "--format", "csv", "--out", str(tmp_path / "x.csv")]) == 0
    assert (tmp_path / "x.csv").read_text().splitlines()[1].endswith("1000,990,6,4")


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["audit"], 2, "FILES must be given"),
        (["audit", "no_sigma_1.tsv"], 1, "cannot read no_sigma_1.tsv"),
        (
            ["audit", "log.txt"],
            2,
            "sigma must be given: the name 'log.txt' holds no sigma_0.25 or the like; give --sigma",
        ),
        (["audit", "log.txt", "--sigma", "1"], 1, "log.txt has the columns a, b; wanted, tab separated: idx, label"),
        (["audit", "--table", "log.txt"], 2, "got 'log.txt'; rename it"),
        (["import", "log.txt", *STATED, "--sigma", "1"], 1, "log.txt has the columns a, b; wanted"),
        (["import", "log.txt", *STATED, "--sigma", "1", "--format", "topk"], 1, "line 1: not the counts"),
        (["import", "log.txt", *STATED], 2, "give --sigma"),
        (["import", "log.txt", *STATED, "--sigma", "1", "--format", "cvs"], 2, "unknown format 'cvs'"),
        (["export", "none", "--out", "x"], 1, "none is not a run folder"),
        (["export", "none", "--out", "x", "--format", "xml"], 2, "unknown format 'xml'"),
    ],
)
def test_what_a_user_gets_wrong_is_one_line(arguments, status, text, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "log.txt").write_text("a\tb\n1\t2\n")
    assert run(arguments) == status
    said = capsys.readouterr()
    assert said.out == ""
    assert text in said.err
    assert said.err.count("\n") == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["log.txt"]

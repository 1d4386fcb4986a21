"""A published file as a run folder: what it says it knows, and what verify, report and show make of it."""

from __future__ import annotations

import hashlib
import json
import re

import pytest

import noiseproof
from noiseproof.errors import DataError, RunError
from noiseproof.procedures import Certify, Simultaneous
from noiseproof.reports.report import report
from noiseproof.stats import clopper_pearson_lower
from noiseproof.store import RunFolder, VerificationError, read_run, verify
from noiseproof.store.exchange import import_run
from noiseproof.types import ABSTAIN

HEADER = "idx\tlabel\tpredict\tradius\tcorrect\ttime\n"
ROWS = "0\t3\t3\t0.378\t1\t15.4\n20\t7\t-1\t0.0\t7\t0:00:13.5\n40\t4\t5\t0.341\t0\t15.7\n"


@pytest.fixture
def printed(tmp_path):
    path = tmp_path / "sigma_0.25.tsv"
    path.write_text(HEADER + ROWS)
    return path


@pytest.fixture
def counts(tmp_path):
    path = tmp_path / "counts_sigma_0.5.txt"
    path.write_text("990 6 4 0\n400 350 250 1\n0 550 450 1\n")
    return path


def test_printed_radii_are_taken_as_they_stand(printed, tmp_path):
    run = import_run(printed, out=tmp_path / "run", n=1000, n0=50, alpha=0.01)
    meaning = run.manifest.meaning
    assert run.manifest.kind == "import"
    assert meaning["counts"] == "none"
    assert not run.manifest.has_counts
    assert meaning["source"] == {
        "name": "sigma_0.25.tsv",
        "format": "tsv",
        "sha256": hashlib.sha256(printed.read_bytes()).hexdigest(),
    }
    assert run.procedure == Certify(n0=50, n=1000, alpha=0.01)
    assert (run.noise.sigma, run.noise.grid) == (0.25, None)
    assert [(r.index, r.label, r.outcome.prediction, r.outcome.radius, r.seconds) for r in run.records] == [
        (0, 3, 3, 0.378, 15.4),
        (20, 7, ABSTAIN, 0.0, 13.5),
        (40, 4, 5, 0.341, 15.7),
    ]
    assert all(record.answers == () and record.draws == 0 for record in run.records)
    certified, abstained = run.records[0].outcome, run.records[1].outcome
    assert certified.p_lower == pytest.approx(0.934733, abs=1e-6)  # Phi(.378 / .25)
    assert (abstained.p_lower, abstained.p_upper) == (0.0, 1.0)
    assert read_run(tmp_path / "run").records == run.records


def test_there_is_nothing_to_verify_and_verify_says_so(printed, tmp_path):
    import_run(printed, out=tmp_path / "run", n=100_000, alpha=0.001)
    with pytest.raises(
        RunError, match="imported without counts: its radii are as printed in its source, there is noth"
    ):
        verify(tmp_path / "run")


def test_the_report_says_that_radii_are_as_printed(printed, tmp_path):
    import_run(printed, out=tmp_path / "run", n=1000, alpha=0.001)
    said = report([tmp_path / "run"], radii="0:0.5:0.25", out=tmp_path / "report")
    caption = "alpha = 0.001; radii as printed in sigma_0.25.tsv (n = 1000 as stated), not verified."
    assert caption in said.text
    assert (tmp_path / "report" / "table.txt").read_text().count(caption) == 2, "under both tables"
    assert said.summaries[0].certified == (1 / 3, 1 / 3, 0.0)
    assert said.summaries[0].ceiling is None


def test_show_says_what_it_is(printed, tmp_path):
    import_run(printed, out=tmp_path / "run", n=100_000, alpha=0.001)
    text = noiseproof.show(tmp_path / "run")
    assert "a run of noiseproof import" in text
    assert re.search(r"counts +none", text)
    assert re.search(r"source\.sha256 +[0-9a-f]{64}", text)
    assert re.search(r"inputs finished +3", text)
    assert re.search(r"seconds +44\.6", text)


def test_the_report_of_a_published_file_is_the_paper_s_row(shared, tmp_path):
    source = shared / "published/cohen2019/certify/cifar10/resnet110/noise_0.25/test/sigma_0.25.tsv"
    noiseproof.import_run(source, out=tmp_path / "run", alpha=0.01, n=100_000)
    (summary,) = report([tmp_path / "run"], radii="0.25,0.5,0.75", out=tmp_path / "report").summaries
    assert [f"{share:.2f}" for share in summary.certified] == ["0.60", "0.43", "0.27"]


def test_the_same_line_again_adds_nothing_and_another_file_is_refused(printed, tmp_path):
    first = import_run(printed, out=tmp_path / "run", n=100_000, alpha=0.001).records
    assert import_run(printed, out=tmp_path / "run", n=100_000, alpha=0.001).records == first
    printed.write_text(HEADER + ROWS.replace("0.378", "0.379"))
    with pytest.raises(RunError, match=r"another meaning: source\.sha256 is '.*', not '.*'"):
        import_run(printed, out=tmp_path / "run", n=100_000, alpha=0.001)
    with pytest.raises(RunError, match=r"counts is 'none', not None|source"):
        import_run(printed, out=tmp_path / "run", sigma=0.5, n=100_000, alpha=0.001)


def test_an_import_that_was_killed_goes_on(counts, tmp_path, monkeypatch):
    out = tmp_path / "run"
    add, calls = RunFolder.add_record, []

    def dies(self, *arguments, **settings):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return add(self, *arguments, **settings)

    monkeypatch.setattr(RunFolder, "add_record", dies)
    with pytest.raises(KeyboardInterrupt):
        import_run(counts, out=out, n=1000, format="topk", alpha=0.001)
    monkeypatch.undo()
    assert len(read_run(out).records) == 1
    assert len(import_run(counts, out=out, n=1000, format="topk", alpha=0.001).records) == 3
    assert verify(out).records == 3


def test_a_changed_journal_is_noticed_all_the_same(printed, tmp_path):
    import_run(printed, out=tmp_path / "run", n=100_000, alpha=0.001)
    journal = tmp_path / "run" / "journal.jsonl"
    journal.write_text(journal.read_text().replace("0.378", "0.478"))
    with pytest.raises(RunError, match="the hash does not follow"):
        read_run(tmp_path / "run")


def test_counts_certify_at_a_share_of_alpha(counts, tmp_path):
    run = import_run(counts, out=tmp_path / "run", n=1000, format="topk", alpha=0.001)
    assert run.manifest.has_counts
    assert run.procedure == Simultaneous(n=1000, alpha=0.001)
    assert run.manifest.meaning["claim"] == (
        "the class is selected on the draws that certify it: every class is tested at alpha/num_classes"
    )
    assert [(r.index, r.label, r.outcome.prediction) for r in run.records] == [
        (0, 0, 0),
        (1, 1, ABSTAIN),
        (2, 1, ABSTAIN),
    ]
    assert run.records[0].outcome.p_lower == clopper_pearson_lower(990, 1000, 0.001 / 3)
    assert verify(tmp_path / "run").draws == 3000
    text = report([tmp_path / "run"], radii="0,0.5", out=tmp_path / "report").text
    assert "certified from the counts in counts_sigma_0.5.txt, every class tested at alpha/3." in text


def test_verify_replays_imported_counts(counts, tmp_path, entries, rechain):
    """Even where the chain is made anew: counts that do not give the printed certificate are found."""
    run = import_run(counts, out=tmp_path / "run", n=1000, format="topk", alpha=0.001)
    lines = entries(tmp_path / "run")
    changed = next(entry for entry in lines if entry["is"] == "range")
    changed["votes"] = [991, 5, 4]
    rechain(tmp_path / "run", lines, run.manifest.meaning_hash)
    with pytest.raises(VerificationError, match=r"input 0 .* does not hold"):
        verify(tmp_path / "run")


def test_the_published_counts_certify_soundly(shared, tmp_path):
    source = shared / "published/topk2020/cifar10_sigma_0.25_counts.txt"
    run = import_run(source, out=tmp_path / "run", format="topk", n=100_000, alpha=0.001)
    assert len(run.records) == 500
    assert verify(tmp_path / "run").draws == 50_000_000
    third = run.records[0]
    assert third.answers[0].votes == (2, 2, 334, 93642, 2, 5279, 737, 0, 2, 0)
    assert third.outcome.p_lower == clopper_pearson_lower(93642, 100_000, 0.0001)


def test_a_tampered_manifest_cannot_pass_counts_off(printed, tmp_path):
    import_run(printed, out=tmp_path / "run", n=100_000, alpha=0.001)
    path = tmp_path / "run" / "manifest.json"
    stored = json.loads(path.read_text())
    stored["meaning"]["counts"] = "as in the source"
    path.write_text(json.dumps(stored))
    with pytest.raises(RunError, match="was changed: its meaning does not have the hash"):
        verify(tmp_path / "run")


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ("0\t3\t3\t0.2\t1\t1\n", "line 5: index 0 stood in line 2 already"),
        ("60\t3\t-1\t0.2\t1\t1\n", "line 5: predict -1 with radius 0.2 is neither a certificate nor an abstention"),
        ("60\t3\t3\t0.0\t1\t1\n", "line 5: predict 3 with radius 0.0 is neither"),
        ("60\t3\t3\tnan\t1\t1\n", "line 5: predict 3 with radius nan is neither"),
        ("60\t3\t3\tinf\t1\t1\n", "line 5: predict 3 with radius inf is neither"),
        ("60\t3\t-2\t0.0\t1\t1\n", "line 5: predict -2 with radius 0.0 is neither"),
    ],
)
def test_rows_that_are_no_certificates_are_refused_before_anything_is_written(printed, tmp_path, row, text):
    printed.write_text(HEADER + ROWS + row)
    with pytest.raises(DataError, match=re.escape(text)):
        import_run(printed, out=tmp_path / "run", n=100_000, alpha=0.001)
    assert not (tmp_path / "run").exists()


def test_bad_settings_are_refused(printed, counts, tmp_path):
    out = tmp_path / "run"
    with pytest.raises(ValueError, match="unknown format 'tvs'; did you mean 'tsv'"):
        import_run(printed, out=out, format="tvs", n=100_000, alpha=0.001)
    with pytest.raises(ValueError, match="n0 must be left out for topk, got 100"):
        import_run(counts, out=out, n=1000, n0=100, format="topk", alpha=0.001)
    with pytest.raises(DataError, match=r"line 1: the counts add to 1000, more than n = 500; give --n 1000"):
        import_run(counts, out=out, n=500, format="topk", alpha=0.001)
    with pytest.raises(ValueError, match="sigma must be > 0"):
        import_run(printed, out=out, sigma=0, n=100_000, alpha=0.001)
    nameless = tmp_path / "log.tsv"
    nameless.write_text(HEADER + ROWS)
    with pytest.raises(ValueError, match="give --sigma"):
        import_run(nameless, out=out, n=100_000, alpha=0.001)
    with pytest.raises(DataError, match="cannot read"):
        import_run(tmp_path / "sigma_1.tsv", out=out, n=100_000, alpha=0.001)
    assert not out.exists()
    assert import_run(nameless, out=out, sigma=1, n=100_000, alpha=0.001).noise.sigma == 1.0


def test_missing_votes_count_as_void(tmp_path):
    path = tmp_path / "sigma_1.txt"
    path.write_text("990 6 0\n")
    run = import_run(path, out=tmp_path / "run", n=1000, format="topk", alpha=0.001)
    assert run.records[0].void == 4

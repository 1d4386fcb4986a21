from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest

from noiseproof.cli.main import run as command
from noiseproof.procedures import Decide, Predict
from noiseproof.reports.baselines import one_line
from noiseproof.reports.page import page_of, write_page
from noiseproof.reports.report import report
from noiseproof.reports.summaries import summary_table
from noiseproof.store import read_run
from noiseproof.store.attacks import KIND_FALSIFY, Attacked, AttackFolder
from noiseproof.store.baselines import KIND_BASELINE, BaselineFolder, Determined, read_baseline
from noiseproof.store.exchange import import_run
from noiseproof.store.folder import JOURNAL
from noiseproof.store.journal import last_hash, read_journal
from noiseproof.store.manifest import MANIFEST, Manifest, read_manifest, write_manifest

TOPS = (0.999, 0.95, 0.8, 0.6, 0.52, 0.2)


def cells(text: str) -> list[list[str]]:
    """The rows of the first table of a text for the terminal."""
    lines = text.split("\n")
    end = next(i for i in range(2, len(lines)) if lines[i].startswith("---"))
    return [re.split(r" {2,}", line.strip()) for line in [lines[0], *lines[2:end]]]


def plain(table: list[list[str]]) -> list[list[str]]:
    return [[cell.removesuffix("★") for cell in row] for row in table]


def test_the_page_shows_what_report_prints(make_run, tmp_path, seen, capsys):
    runs = [make_run("a", TOPS, sigma=0.25), make_run("b", TOPS, sigma=0.5)]
    out, html = tmp_path / "out", tmp_path / "page.html"
    assert command(["report", *map(str, runs), "--out", str(out), "--html", str(html), "--radii", "0,0.25,0.5"]) == 0
    printed = (out / "table.txt").read_text()
    assert printed.split("\n\n")[0] in capsys.readouterr().out
    shown = [plain(table) for table in seen(html).tables]
    for table in printed.split("\n\n"):
        assert cells(table) in shown
    best = next(table for table in shown if table[0][:2] == ["radius", "in 1/255"])
    assert [row[0] for row in best[1:]] == ["0", "0.25", "0.5"]
    assert best[3][1:] == ["127.5", "16.7", "33.3", "sigma = 0.5"]


@pytest.mark.parametrize("procedure", [Decide(radius=0.2, n_max=1000), Predict(n=100)], ids=["decide", "predict"])
def test_decisions_and_predictions_have_the_table_of_their_verb(make_run, tmp_path, seen, procedure):
    run = make_run("a", TOPS, procedure=procedure)
    written = report([run], html=tmp_path / "page.html")
    assert written.text == summary_table(read_run(run))
    assert cells(written.text) in [plain(table) for table in seen(tmp_path / "page.html").tables]


def test_everything_is_in_the_file_and_nothing_is_fetched(make_run, tmp_path, seen):
    page = page_of([make_run("a", TOPS)])
    found = seen(page.html)
    addresses = [value for _, given in found.tags for name, value in given.items() if name in ("src", "href")]
    assert addresses
    assert all(value.startswith(("#", "data:image/")) for value in addresses if value)
    assert not {"link", "iframe", "object", "base", "form"} & {tag for tag, _ in found.tags}
    script = page.html.rpartition("<script>")[2].partition("</script>")[0]
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{allowed}'" in unescape(page.html)
    assert "url(" not in page.html
    assert len(page.html) < 200_000


def test_text_of_a_run_is_never_markup(make_run, tmp_path):
    evil = "<script>alert(1)</script>"
    run = make_run('a"><b onload=x>', TOPS, data=evil)
    html = page_of([run, tmp_path / "<i>none"]).html
    assert evil not in html
    assert "<b onload" not in html
    assert "<i>none" not in html
    assert "&lt;script&gt;alert(1)" in html


def change(run: Path, line: int) -> None:
    lines = (run / JOURNAL).read_text().splitlines(keepends=True)
    lines[line - 1] = lines[line - 1].replace('"seconds":0.25', '"seconds":0.26')
    (run / JOURNAL).write_text("".join(lines))


def test_a_changed_digit_is_red_and_the_status_says_so(make_run, tmp_path, seen, capsys):
    good, bad = make_run("good", TOPS), make_run("bad", TOPS)
    change(bad, 7)
    html = tmp_path / "page.html"
    assert command(["report", str(good), str(bad), "--html", str(html)]) == 1
    assert f"noiseproof: bad: {bad / JOURNAL}, line 7: the hash does not follow" in capsys.readouterr().err
    found = seen(html)
    assert "✗ bad does not hold" in found.text
    assert "journal.jsonl, line 7: the hash does not follow from the line before" in found.text
    assert "✓ good verified all 6 outcomes follow from their 6,600 draws" in found.text
    tables = [plain(table) for table in found.tables]
    assert ["good"] in [[row[0] for row in table[1:]] for table in tables if table[0][-1] == "m"]


def test_what_is_no_run_is_said(make_run, tmp_path, seen):
    (tmp_path / "empty").mkdir()
    newer = make_run("newer", TOPS)
    stored = json.loads((newer / MANIFEST).read_text())
    (newer / MANIFEST).write_text(json.dumps(stored | {"format": 99}))
    page = write_page([tmp_path / "empty", newer, tmp_path / "none"], tmp_path / "page.html")
    assert [said.partition(":")[0] for said in page.wrong] == ["empty", "newer", "none"]
    text = seen(tmp_path / "page.html").text
    assert "empty is not a run folder: it has no manifest.json" in text
    assert "has format 99, this version reads" in text


def test_a_torn_line_is_said_and_is_no_fault(make_run, tmp_path, seen):
    run = make_run("a", TOPS)
    whole = (run / JOURNAL).read_bytes()
    (run / JOURNAL).write_bytes(whole[:-20])
    page = page_of([run])
    assert page.wrong == ()
    assert "a torn last line, which is not counted: the run was killed or is under way" in seen(page.html).text
    assert page.summaries[0].m == len(TOPS) - 1


def test_an_import_is_not_said_to_be_verified(tmp_path, seen):
    rows = [
        "idx\tlabel\tpredict\tradius\tcorrect\ttime",
        *(f"{i}\t0\t0\t{(i + 1) / 10}\t1\t0:00:01.0" for i in range(5)),
    ]
    (tmp_path / "sigma_0.25.tsv").write_text("\n".join(rows) + "\n")
    import_run(tmp_path / "sigma_0.25.tsv", out=tmp_path / "in", n=1000, alpha=0.001)
    text = seen(page_of([tmp_path / "in"]).html).text
    assert "not verified: it was imported without counts" in text
    assert "verified all" not in text


def test_runs_without_labels_are_said_to_have_none(make_run, seen):
    text = seen(page_of([make_run("a", TOPS, labels=[None] * 6)]).html).text
    assert "labels are needed to tell right from wrong" in text
    assert "The promise in full" in text


def test_a_folder_named_twice_and_nowhere_to_write_are_refused(make_run, tmp_path, capsys):
    run = str(make_run("a", TOPS))
    assert command(["report", run, run, "--html", str(tmp_path / "x.html")]) == 2
    assert command(["report", run]) == 2
    said = capsys.readouterr().err
    assert "must be different ones, got a twice" in said
    assert "out (a folder), html (a file) or plot (a file for the figure) must be given" in said


def test_the_least_robust_input_comes_first_with_its_reason(pictured, seen):
    page = page_of([pictured("a", TOPS, wrong=[1])])
    found = seen(page.html)
    text = " ".join(found.text.split())
    assert text.index("Least robust of those certified") < text.rindex("#3:") < text.rindex("#2:") < text.rindex("#0:")
    assert "Why: of 1,000 noisy copies 40.0% are taken for" in text
    assert "Certified, and wrong" in text
    pictures = [given for tag, given in found.tags if tag == "img"]
    assert len(pictures) == 1 + 3 * len(TOPS)  # one in the head
    assert all(given["alt"] and str(given["src"]).startswith("data:image/png;base64,") for given in pictures)


def test_another_picture_is_not_shown_for_the_certified_one(pictured, seen, monkeypatch):
    from noiseproof.reports.page import gallery

    run = pictured("a", TOPS)
    load = gallery.load

    def shifted(spec: str, **more: object):
        data = load(spec, **more)
        object.__setattr__(data, "pictures", np.asarray(data.pictures)[::-1])
        return data

    monkeypatch.setattr(gallery, "load", shifted)
    assert not [tag for tag, _ in seen(page_of([run]).html).tags if tag == "img"]


def test_a_run_cannot_make_the_page_run_a_file(make_run, tmp_path, seen):
    trap = tmp_path / "trap.py"
    trap.write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')\ndata = None\n")
    run = make_run("a", TOPS, data=f"{trap}:data")
    text = seen(page_of([run]).html).text
    assert not (tmp_path / "sprung").exists()
    assert "are not looked for on the run's word alone; give --data" in text


def test_what_the_falsifier_found_stands_beside_the_input(pictured, seen, tmp_path):
    run = read_run(pictured("a", TOPS))
    records = run.records
    meaning = {"run": run.manifest.meaning_hash, "judge": {"name": "predict", "n": 100, "alpha": 0.001}}
    votes = (0, 100, *[0] * 8)

    def point(i: int, times: float) -> Attacked:
        record = records[i]
        radius = record.outcome.radius
        said = record.label
        other = (said + 1) % 10
        return Attacked(record.key, i, said, said, radius, 2.0, radius * times, 1, 100, votes, other, 1e-9, 0.1, "pgd")

    with AttackFolder(tmp_path / "f", Manifest(KIND_FALSIFY, meaning, "0")) as folder:
        folder.begin({}, {})
        folder.add(point(0, 1.5), np.zeros((1, 28, 28)))
        folder.add(point(1, 0.5), np.zeros((1, 28, 28)))
    found = seen(page_of([run.path, tmp_path / "f"]).html)
    assert "beyond it by pgd at a distance of" in found.text
    assert "(1.50 of its radius): taken for" in found.text
    assert "BROKEN WITHIN ITS RADIUS" in found.text
    assert "bad" in [given.get("class") for tag, given in found.tags if tag == "li"]
    assert any("as an attack changed it" in str(given.get("alt")) for tag, given in found.tags if tag == "img")


def test_the_page_names_the_last_hash_and_the_line_that_verifies(make_run, seen):
    run = make_run("a", TOPS)
    end = list(read_journal(run / JOURNAL, read_run(run).manifest.meaning_hash))[-1].hash
    assert last_hash(run / JOURNAL) == end
    text = seen(page_of([run]).html).text
    assert f"ends in the hash {end}. Verify it: noiseproof verify {run}" in text


def test_the_last_hash_is_of_the_last_whole_line(tmp_path):
    path = tmp_path / JOURNAL
    assert last_hash(path) == ""
    path.write_bytes(b"")
    assert last_hash(path) == ""
    line = b'{"is":"x","long":"' + b"y" * 20_000 + b'","hash":"' + b"a" * 32 + b'"}\n'
    path.write_bytes(line + line.replace(b"aaaa", b"bbbb") + line[:9000])
    assert last_hash(path) == "b" * 32


def test_a_training_has_a_page_of_its_epochs(tmp_path, seen):
    write_manifest(tmp_path, Manifest("train", {"model": {"architecture": "lenet"}}, "0"))
    epochs = [{"epoch": 1, "loss": 1.25, "accuracy": 0.5}, {"epoch": 2, "loss": 0.75, "accuracy": 0.875}]
    (tmp_path / "metrics.jsonl").write_text("\n".join(map(json.dumps, epochs)) + '\n{"epoch": 3, "lo')
    page = page_of([tmp_path])
    assert page.wrong == ()
    table = [["epoch", "loss", "accuracy"], ["1", "1.25", "0.5"], ["2", "0.75", "0.875"]]
    assert table in seen(page.html).tables
    assert 'id="chart-training"' in page.html
    (tmp_path / "metrics.jsonl").unlink()
    assert "No epoch is finished yet." in seen(page_of([tmp_path]).html).text


def test_another_certificate_has_its_line(tmp_path, seen):
    folder = BaselineFolder(
        tmp_path / "b",
        Manifest(KIND_BASELINE, {"certificate": {"method": "lipschitz"}, "model": {"architecture": "lenet"}}, "0"),
    )
    with folder:
        folder.begin({}, {})
        for i, radius in enumerate((0.5, 0.25, 0.0)):
            folder.add(Determined(f"k{i}-0", i, 1, 1, radius, 0.1))
    held = one_line(read_baseline(tmp_path / "b"))
    assert held in seen(page_of([tmp_path / "b"]).html).text
    lines = (tmp_path / "b" / JOURNAL).read_text().replace('"radius":0.25', '"radius":0.75')
    (tmp_path / "b" / JOURNAL).write_text(lines)
    assert "line 3: the hash does not follow" in page_of([tmp_path / "b"]).wrong[0]


def test_a_run_of_decide_has_its_card(make_run, seen):
    text = seen(page_of([make_run("a", TOPS, procedure=Decide(radius=0.2, n_max=1000))]).html).text
    assert "a: what is promised, and what is not" in text
    assert "Not promised" in text


@pytest.mark.parametrize("procedure", [Decide(radius=0.2, n_max=1000), Predict(n=100)], ids=["decide", "predict"])
def test_answers_without_labels_have_a_page_too(make_run, seen, procedure):
    text = seen(page_of([make_run("a", TOPS, procedure=procedure, labels=[None] * 6)]).html).text
    assert "Right and wrong are not told apart: " in text
    assert "one answer cost" in text


@pytest.mark.parametrize(
    "change",
    [{"source": 3}, {"noise": {"family": "gaussian", "sigma": "x"}}, {"noise": []}, {"procedure": {"name": "certify"}}],
    ids=lambda change: next(iter(change)),
)
def test_a_meaning_that_somebody_wrote_by_hand_is_no_traceback(tmp_path, seen, change):
    rows = ["idx\tlabel\tpredict\tradius\tcorrect\ttime", "0\t0\t0\t0.5\t1\t0:00:01.0"]
    (tmp_path / "sigma_0.25.tsv").write_text("\n".join(rows) + "\n")
    import_run(tmp_path / "sigma_0.25.tsv", out=tmp_path / "in", n=1000, alpha=0.001)
    stored = read_manifest(tmp_path / "in")
    write_manifest(tmp_path / "in", replace(stored, meaning=stored.meaning | change))
    (tmp_path / "in" / JOURNAL).unlink()
    page = page_of([tmp_path / "in"])
    assert "in" in seen(page.html).text
    assert all("in: " in said for said in page.wrong)

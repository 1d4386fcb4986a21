from __future__ import annotations

from noiseproof.cli.main import run
from noiseproof.reports.card import card


def test_it_prints_or_writes_the_card(make_run, tmp_path, capsys):
    folder, out = make_run("c", (0.99, 0.9)), tmp_path / "card.md"
    assert run(["card", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert printed == card(folder)
    assert run(["card", str(folder), "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"written: {out}\n"
    assert out.read_text() == printed


def test_a_run_that_does_not_hold_is_one_line_and_status_1(make_run, tmp_path, capsys):
    folder = make_run("c", (0.99, 0.9))
    journal = folder / "journal.jsonl"
    assert '"votes":{"0":99,"1":1}' in journal.read_text()
    journal.write_text(journal.read_text().replace('"votes":{"0":99,"1":1}', '"votes":{"0":98,"1":2}', 1))
    assert run(["card", str(folder), "--out", str(tmp_path / "card.md")]) == 1
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert not (tmp_path / "card.md").exists()

"""``noiseproof merge`` from end to end, on the lines that ``plan`` prints."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest

from noiseproof.cli.main import run
from noiseproof.reports.summaries import summary_table
from noiseproof.store import read_run
from noiseproof.store.settings import read_toml

SOURCE = """
import torch

def base():
    generator = torch.Generator().manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
    net[1].weight.data = torch.randn(10, 784, generator=generator)
    return net
"""
FAST = ["--pilot", "5", "--pilot-draws", "50", "--seconds", "0.01"]


def test_plan_shards_merge_compare_and_go_on(tmp_path, capsys, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setattr("noiseproof.analysis.pilot.SIMULATED", 10)
    monkeypatch.setattr("noiseproof.analysis.pilot.RESAMPLED", 100)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.py").write_text(SOURCE)
    base = ["--model", f"{tmp_path / 'm.py'}:base", "--num-classes", "10", "--data", "fashion-mnist-small:test"]
    base += ["--sigma", "0.25", "--every", "50", "--start", "7", "--limit", "9", "--workers", "1", "--device", "cpu"]
    asked = [*base, "--radius", "0.05", "--devices", "3", "--out", "plan.json"]
    assert run(["plan", *asked, *FAST, "--n", "2000"]) == 0
    lines = capsys.readouterr().out.splitlines()
    shards = [each for each in lines if each.startswith("  noiseproof decide")]
    (then,) = [each for each in lines if each.startswith("then: ")]
    assert then == "then: noiseproof merge run-1 run-2 run-3 --out run"
    for line in shards:
        assert run(shlex.split(line)[1:]) == 0
    assert run(shlex.split(then)[2:]) == 0
    said = capsys.readouterr()
    assert said.out.endswith("run holds 9 inputs of 3 runs; next: noiseproof verify run\n")
    assert "left out" not in said.err
    assert [record.index for record in read_run(tmp_path / "run").records] == list(range(7, 457, 50))

    settings = read_toml(tmp_path / "run" / "settings.toml")
    assert (settings["every"], settings["start"], settings["limit"]) == (50, 7, 9)
    ranges = (tmp_path / "run" / "journal.jsonl").read_text().count('"is":"range"')
    for verb in (["verify", "run", "--replay", "2"], ["show", "run"], ["plan", "--compare", "plan.json", "run"]):
        assert run(verb) == 0
    said = capsys.readouterr().out
    assert "every count is the same" in said
    assert "inputs finished        9" in said
    assert "decide, 9 inputs" in said
    assert "another" not in said
    assert run(["decide", "--config", "run/settings.toml", "--out", "run"]) == 0
    assert (tmp_path / "run" / "journal.jsonl").read_text().count('"is":"range"') == ranges
    assert run(["decide", "--config", "run/settings.toml", "--out", "whole"]) == 0
    assert {(r.index, r.key, r.answers, r.outcome) for r in read_run(tmp_path / "run").records} == {
        (r.index, r.key, r.answers, r.outcome) for r in read_run(tmp_path / "whole").records
    }
    assert run(["decide", "--config", "run/settings.toml", "--limit", "10", "--out", "run"]) == 0
    assert len(read_run(tmp_path / "run").records) == 10
    assert run(["verify", "run"]) == 0


def test_a_report_says_the_same_of_the_whole(make_run, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_run("a", (0.99, 0.9))
    make_run("b", (0.99, 0.9, 0.95))
    assert run(["merge", "a", "b", "--out", "all"]) == 0
    assert capsys.readouterr().out == "all holds 3 inputs of 2 runs; next: noiseproof verify all\n"
    whole = summary_table(replace(read_run(tmp_path / "b"), path=tmp_path / "all"))
    assert summary_table(read_run(tmp_path / "all")) == whole


def test_it_says_what_is_left_out_and_how_to_draw_it(make_run, tmp_path, capsys, monkeypatch):
    from noiseproof.store import Range, RunFolder

    monkeypatch.chdir(tmp_path)
    make_run("a", (0.99, 0.9))
    make_run("b", (0.99,))
    with RunFolder(tmp_path / "b", read_run(tmp_path / "b").manifest) as folder:
        folder.add_range("k7-0", "select", Range(0, 50, (50, 0, 0), 0.1))
        record = folder.state.records["k0-0"]
    make_run("c", ())
    with RunFolder(tmp_path / "c", read_run(tmp_path / "c").manifest) as folder:
        for entry in ("select", "estimate"):  # the picture of input 0 once more, as input 5
            first = 0
            for answer in (each for each in record.answers if each.stage == entry):
                folder.add_range("k0-0", entry, Range(first, answer.n, answer.votes, 0.1))
                first += answer.n
        folder.add_record("k0-0", 5, 0, [(each.stage, each.n) for each in record.answers], record.outcome)
    assert run(["merge", "a", "b", "c", "--out", "all"]) == 0
    assert capsys.readouterr().err.splitlines() == [
        "noiseproof: b has inputs under way (1), which are left out",
        "noiseproof: inputs left out, whose picture another shard has drawn on the same noise: 5 (as 0)",
        "noiseproof: what is left out is drawn by: noiseproof certify --config all/settings.toml --out all",
    ]


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["a"], 2, "merge takes two runs or more, got 1"),
        (["a", "./a"], 2, "runs must be different folders, got a twice"),
        (["a", "all"], 2, "out must be a folder of its own, got all, which is merged"),
        (["a", "nowhere"], 1, "nowhere is not a run folder: it has no manifest.json"),
        (["a", "other"], 1, "a and other are not parts of one run: noise.sigma is 0.5, not 0.25; parts differ in"),
    ],
)
def test_what_a_user_gets_wrong_is_one_line(arguments, status, text, make_run, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_run("a", (0.99,))
    make_run("other", (0.99, 0.9), sigma=0.25)
    assert run(["merge", *arguments, "--out", "all"]) == status
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert text in said.err
    assert {path.name for path in tmp_path.iterdir()} == {"a", "other"}

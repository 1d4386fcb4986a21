from __future__ import annotations

import pytest

from noiseproof.cli.main import run


def test_it_prints_the_tables_and_says_what_it_wrote(make_run, tmp_path, capsys):
    runs = [str(make_run("a", (0.99, 0.9))), str(make_run("b", (0.9, 0.8)))]
    out = tmp_path / "out"
    assert run(["compare", *runs, "--radii", "0:0.5:0.25", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "r=0.25" in said
    assert "\na - b" in said
    assert f"written: {out / 'compare.txt'}, " in said
    assert {path.suffix for path in out.iterdir()} == {".txt", ".md", ".tex", ".png", ".pdf"}


def test_settings_may_come_from_a_file(make_run, tmp_path, capsys):
    config = tmp_path / "c.toml"
    config.write_text('radii = "0,0.125"\n')
    runs = [str(make_run("a", (0.99, 0.9))), str(make_run("b", (0.9, 0.8)))]
    assert run(["compare", *runs, "--out", str(tmp_path / "out"), "--config", str(config)]) == 0
    assert "r=0.125" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["nowhere"], 2, "compare takes two runs or more, got 1; noiseproof report shows one"),
        (["nowhere", "neither"], 1, "nowhere is not a run folder"),
        (["a", "b", "--radii", "x"], 2, "radii must be numbers, got 'x' in 'x'"),
    ],
)
def test_what_a_user_gets_wrong_is_one_line(arguments, status, text, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["compare", *arguments, "--out", "out"]) == status
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert text in said.err
    assert not list(tmp_path.iterdir())

from __future__ import annotations

import pytest
from PIL import Image

from noiseproof.cli.main import run
from noiseproof.reports.experiments import EXPERIMENTS


def test_it_prints_the_table_and_says_what_it_wrote(make_run, tmp_path, capsys):
    folder, out = make_run("c", (0.99, 0.9)), tmp_path / "out"
    assert run(["experiment", "sigma", str(folder), "--units", "255", "--radii", "0:64:64", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "r=64" in said
    assert f"written: {out / 'sigma.txt'}, " in said
    assert {path.suffix for path in out.iterdir()} == {".txt", ".md", ".tex", ".png", ".pdf"}


def test_bounds_need_no_run(tmp_path, capsys):
    assert run(["experiment", "bounds", "--out", str(tmp_path / "out")]) == 0
    assert "0.390267" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["bounds", "ceiling", "tightness"])
def test_a_figure_that_needs_no_run_is_as_it_was_asked_for(tmp_path, name):
    assert run(["experiment", name, "--style", "icml", "--out", str(tmp_path)]) == 0
    with Image.open(tmp_path / f"{name}.png") as figure:
        assert figure.width == 650


def test_without_a_name_it_lists_every_experiment(capsys):
    assert run(["experiment"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(EXPERIMENTS)
    assert all(len(line.split()) > 2 for line in lines)


def test_settings_may_come_from_a_file(make_run, tmp_path, capsys):
    config = tmp_path / "e.toml"
    config.write_text('radii = "0:0.25:0.125"\n')
    line = ["experiment", "guarantee", str(make_run("c", (0.99, 0.9))), "--out", str(tmp_path / "out")]
    assert run([*line, "--config", str(config)]) == 0
    assert "\n0.125 " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["sgima"], 2, "unknown experiment 'sgima'; did you mean 'sigma'?"),
        (["n"], 2, "experiment n takes one run of certify, got 0"),
        (["n", "nowhere"], 1, "nowhere is not a run folder"),
        (["bounds", "--units", "10"], 2, "units must be 1 (pixels in [0, 1]) or 255 (8-bit steps), got 10"),
    ],
)
def test_what_a_user_gets_wrong_is_one_line(arguments, status, text, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["experiment", *arguments, "--out", "out"]) == status
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert text in said.err
    assert not (tmp_path / "out").exists()

"""What must work where torch is not installed: help, verify, show, and errors in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from noiseproof.cli.main import run


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from noiseproof.cli.main import run; run(['--help']); first = {'numpy'} & set(sys.modules);"
        "run(['certify', '--help']);"
        "heavy = first | {'scipy', 'torch', 'matplotlib', 'PIL', 'safetensors', 'typer'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


CERTIFY = ["certify", "--model", "m", "--data", "d", "--out", "o"]


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["certfy"], 2, "unknown verb 'certfy'; did you mean 'certify'?; see noiseproof --help"),
        (["data", "gte", "mnist"], 2, "unknown verb 'data gte'; did you mean 'data get'?"),
        (["certify"], 2, "--model, --data, --sigma and --out must be given; see noiseproof certify --help"),
        ([*CERTIFY, "--sgima", "1"], 2, "--sigma must be given, got --sgima; see noiseproof certify --help"),
        (
            ["certify", "--model", "m", "--dta=d", "--otu", "o"],
            2,
            "--data, --sigma and --out must be given, got --dta=d and",
        ),
        (["certify", "--model", "m", "--sigma", "1"], 2, "--data and --out must be given"),
        (["decide"], 2, "--model, --data, --sigma, --radius and --out must be given"),
        (["compare"], 2, "RUNS and --out must be given"),
        (["report"], 2, "RUNS must be given"),
        (["import", "a"], 2, "--out, --n and --alpha must be given"),
        (["certify", "--model", "--data", "d", "--sigma", "1", "--out", "o"], 2, "--model needs a value"),
        (["plan", "--compare", "p.json"], 2, "--compare needs 2 values"),
        (["verify", "a", "b"], 2, "verify takes no more arguments, got 'b'"),
        (["verify", "a", "--replya", "2"], 2, "unknown flag '--replya'; did you mean '--replay'?"),
        (["verify", "a", "--replay", "2", "--replay", "3"], 2, "--replay must be given once, with one value"),
        (["verify", "a", "--workers", "1.5"], 2, "workers must be a whole number, got '1.5'"),
        (["verify", "a", "--workers", "two"], 2, "workers must be a whole number, got 'two'"),
        ([*CERTIFY, "--sigma", "x"], 2, "sigma must be a number, got 'x'"),
        ([*CERTIFY, "--sigma", "1", "--skip-bad=maybe"], 2, "skip_bad must be true or false, got 'maybe'"),
        ([*CERTIFY, "--sigma", "1", "--noise", "gausian"], 2, "unknown noise 'gausian'; did you mean 'gaussian'?"),
        ([*CERTIFY, "--sigma", "1", "--procedure", "decide"], 2, "unknown procedure 'decide'; known: certify, curve,"),
        ([*CERTIFY, "--sigma", "1", "--acr-loss", "0.1"], 2, "--acr-loss goes with --procedure sequential"),
        (["certify", "--config", "nowhere.toml"], 1, "cannot read nowhere.toml: No such file or directory"),
        (["certify", "--config"], 2, "--config needs a value"),
        (["verify", "no-such-folder"], 1, "no-such-folder is not a run folder: it has no manifest.json"),
        (["show", "no-such-folder"], 1, "no-such-folder is not a run folder"),
        (["report", "no-such-folder", "--out", "x"], 1, "no-such-folder is not a run folder"),
        (
            ["certify", "--model", "m", "--data", "d", "--sigma", "1", "--out", "o", "--n", "5"],
            2,
            "n must be >= 10 to certify anything at alpha=0.001, got 5; raise n (or alpha)",
        ),
        (
            ["certify", "--model", "m", "--data", "d", "--sigma", "1", "--out", "o", "--alpha", "1.5"],
            2,
            "alpha must be in (0, 1), got 1.5",
        ),
        (
            ["predict", "--model", "m", "--data", "d", "--sigma", "1", "--out", "o", "--n", "10"],
            2,
            "n must be >= 11 to predict anything at alpha=0.001, got 10",
        ),
    ],
)
def test_what_a_user_gets_wrong_is_one_line(arguments, status, text, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == status
    said = capsys.readouterr()
    assert said.out == ""
    assert text in said.err
    assert said.err.startswith("noiseproof: ")
    assert said.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_settings_file_with_an_unknown_name_is_refused_with_a_suggestion(tmp_path, capsys):
    config = tmp_path / "c.toml"
    config.write_text('sgima = 0.25\ndata = "mnist"\n')
    assert run(["certify", "--config", str(config)]) == 2
    assert "unknown setting 'sgima'; did you mean 'sigma'?" in capsys.readouterr().err


def test_a_settings_file_that_is_not_toml(tmp_path, capsys):
    config = tmp_path / "c.toml"
    config.write_text("sigma : 0.25\n")
    assert run(["certify", "--config", str(config)]) == 1
    assert "is not TOML" in capsys.readouterr().err


SHOW = ["show", str(Path(__file__).parents[1] / "golden" / "folders" / "certify")]


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "words", [SHOW, ["recipes"], ["certify", "--help"], ["data", "list"]], ids=lambda words: words[0]
)
def test_a_pipe_that_nobody_reads_ends_it_quietly(words, unbuffered):
    reader, writer = os.pipe()
    os.close(reader)
    asked = [sys.executable, "-m", "noiseproof", *words]
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(asked, stdout=writer, stderr=subprocess.PIPE, env=environment, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def test_what_ends_the_program_for_a_pipe_that_nobody_reads_is_no_model(monkeypatch, capsys):
    def prints(_):
        try:
            raise BrokenPipeError
        except BrokenPipeError:
            raise SystemExit(1)  # as rich does  # noqa: B904

    monkeypatch.setattr("noiseproof.reports.show.show", prints)
    monkeypatch.setattr("noiseproof.cli.main._into_nothing", lambda status: status)
    assert run(["show", "run"]) == 141
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device /dev/full")
def test_a_full_disk_is_one_line():
    with Path("/dev/full").open("w") as full:
        asked = [sys.executable, "-m", "noiseproof", *SHOW]
        done = subprocess.run(asked, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    said = "noiseproof: cannot write the output: No space left on device; make room\n"
    assert (done.returncode, done.stderr) == (1, said)


@pytest.mark.parametrize("words", [["-h"], ["certify", "-h"], ["data", "-h"], ["certify", "--model", "m", "-h"]])
def test_help_has_a_letter_too(words, capsys):
    assert run(words) == 0
    said = capsys.readouterr().out
    assert said.startswith("Usage: noiseproof")
    assert "\n\n" in said
    assert run([*words[:-1], "--help"]) == 0
    assert capsys.readouterr().out == said

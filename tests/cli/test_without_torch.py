"""What must work where torch is not installed: help, verify, show, and errors in one line."""

from __future__ import annotations

import subprocess
import sys

import pytest

from noiseproof.cli.main import run


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from noiseproof.cli.main import run; run(['--help']); run(['certify', '--help']);"
        "heavy = {'numpy', 'scipy', 'torch', 'matplotlib', 'PIL', 'safetensors'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["certfy"], 2, "certify"),
        (["certify", "--sgima", "1"], 2, "--sigma"),
        (["certify", "--model", "m"], 2, "Missing option '--data'"),
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

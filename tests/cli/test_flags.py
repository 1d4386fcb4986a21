"""Every verb and every flag says what it is; what a line gives reaches the records."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path
from typing import Any

import pytest

from noiseproof.asked import Asked, Compute, Subject
from noiseproof.cli.main import VERBS, app_for, run, verb_function
from noiseproof.noises import Gaussian
from noiseproof.procedures import PROCEDURES, Curve, SequentialPredict
from noiseproof.store import read_run

LINE = "--model m --data d --sigma 0.25 --out o"


def flags_of(*words: str) -> dict[str, str]:
    """The flags and arguments of a line's verb, and what the help says of them."""
    app, _ = app_for(words)
    verb = " ".join(words[:2]) if " ".join(words[:2]) in VERBS else words[0]
    found = functools.reduce(lambda app, name: app[name], verb.split(), app).assemble_argument_collection()
    return {argument.name: argument.parameter.help or "" for argument in found}


@pytest.fixture
def asked(monkeypatch):
    """The record that a line makes."""
    found: list[Any] = []
    monkeypatch.setattr("noiseproof.cli.runs.run_asked", lambda record, *_, **__: found.append(record))

    def of(line: str) -> Asked:
        assert run(line.split()) == 0
        return found.pop()

    return of


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_its_line_its_function_and_a_help_text_for_every_flag(verb):
    assert VERBS[verb].does.endswith(".")
    assert (verb_function(verb).__doc__ or "").strip().partition("\n")[0].endswith((".", ":", ",")), verb
    flags = flags_of(*verb.split())
    assert flags.pop("--config")
    assert [name for name, text in flags.items() if len(text) < 5] == []


@pytest.mark.parametrize("name", PROCEDURES)
def test_every_flag_of_every_procedure_has_a_help_text(name):
    flags = flags_of(PROCEDURES[name].verb, "--procedure", name)
    assert [flag for flag, text in flags.items() if len(text) < 5] == []


def test_a_line_is_a_record(asked):
    found = asked(
        f"certify {LINE} --procedure curve --radii 0,0.5 --n-max 900 --skip-bad --grid 0 --workers 2 --seed 3"
    )
    assert found == Asked(
        procedure=Curve(radii=(0.0, 0.5), n_max=900),
        noise=Gaussian(sigma=0.25, grid=None),
        subject=Subject(model="m", data="d", skip_bad=True),
        compute=Compute(workers=2),
        seed=3,
    )
    assert asked(found.line("o").partition(" ")[2].replace("'", "")) == found


@pytest.mark.parametrize(
    ("flags", "field", "value"),
    [
        ("--first-look 50", "first_look", 50),
        ("--ratio 2", "ratio", 2.0),
        ("--gamma 0", "gamma", 0.0),
        ("--label-aware", "label_aware", True),
        ("--no-label-aware", "label_aware", False),
        ("--procedure anytime --look-every 64", "look_every", 64),
    ],
)
def test_the_looks_of_decide_are_flags(asked, flags, field, value):
    assert getattr(asked(f"decide {LINE} --radius 0.5 {flags}").procedure, field) == value


def test_a_settings_file_stands_for_an_argument_and_a_word_wins(tmp_path, monkeypatch):
    found: list[Any] = []
    monkeypatch.setattr("noiseproof.reports.show.show_run", found.append, raising=False)
    monkeypatch.setattr("noiseproof.reports.show.show", found.append)
    config = tmp_path / "c.toml"
    config.write_text('run = "a b"\n')
    assert run(["show", "--config", str(config)]) == 0
    assert run(["show", "--config", str(config), "other"]) == 0
    assert [str(path) for path in found] == ["a b", "other"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sgima = 1\n", "unknown setting 'sgima'; did you mean 'sigma'?"),
        ("seed = 1.5\n", "seed must be a whole number, got '1.5'"),
        ("seed = [1, 2]\n", "--seed must be given once, with one value"),
        ('config = "other.toml"\n', "unknown setting 'config'"),
        ("n-max = 100\n", "unknown setting 'n_max'"),
        ('skip_bad = "perhaps"\n', "skip_bad must be true or false, got 'perhaps'"),
    ],
)
def test_a_wrong_settings_file_is_one_line(tmp_path, capsys, text, says):
    config = tmp_path / "c.toml"
    config.write_text(text)
    assert run(["certify", *LINE.split(), "--config", str(config)]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1


FOLDERS = sorted((Path(__file__).parents[1] / "golden" / "folders").iterdir())


@pytest.mark.parametrize("folder", FOLDERS, ids=[folder.name for folder in FOLDERS])
def test_the_settings_of_an_older_folder_ask_for_the_same(folder, asked):
    found = read_run(folder)
    again = asked(f"{found.manifest.kind} --config {folder / 'settings.toml'} --out o")
    assert (again.procedure, again.noise.sigma) == (found.procedure, found.noise.sigma)


def test_predict_s_procedure_had_another_name(tmp_path, asked):
    config = tmp_path / "c.toml"
    config.write_text('procedure = "sequential"\nn_max = 500\n')
    assert asked(f"predict {LINE} --config {config}").procedure == SequentialPredict(n_max=500)


def test_without_a_verb_there_is_help(capsys):
    for words in ([], ["data"], ["baselines"]):
        assert run(words) == 0
        said = capsys.readouterr().out
        below = [verb for verb in VERBS if verb.startswith(" ".join(words))]
        assert all(f"\n  {verb.split()[len(words)]} " in said for verb in below)


@pytest.mark.parametrize("verb", VERBS)
def test_help_fits_on_a_terminal(verb, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    assert run([*verb.split(), "--help"]) == 0
    said = capsys.readouterr().out
    assert [line for line in said.splitlines() if len(line) > 80] == []
    assert "|(" not in said  # types as Python has them


def test_verbs_stand_in_the_order_they_are_needed(capsys):
    assert run(["--help"]) == 0
    lines = [
        line.split()[0] for line in capsys.readouterr().out.splitlines() if line.startswith("  ") and line[2] != " "
    ]
    assert lines == list(dict.fromkeys(verb.split()[0] for verb in VERBS))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_that_knows_the_flags(shell, tmp_path, capsys):
    assert run(["completion", shell]) == 0
    script = capsys.readouterr().out
    for word in ("certify", "noise-images", "two-sided", "philox", "radii"):
        assert word in script
    if shell == "bash":
        (tmp_path / "s").write_text(script)
        subprocess.run(["bash", "-n", str(tmp_path / "s")], check=True)
        ask = (
            f"source {tmp_path / 's'}; COMP_WORDS=(noiseproof certify --prec); COMP_CWORD=2; "
            "f=$(complete -p noiseproof | sed 's/.*-F \\([^ ]*\\).*/\\1/'); $f noiseproof --prec certify; "
            "echo ${COMPREPLY[@]}"
        )
        done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["--precision"]

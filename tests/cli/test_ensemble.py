"""Several models on a command line, in a settings file, and behind a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from noiseproof.cli.main import app_for, run

SOURCE = """
import torch

def make(seed):
    generator = torch.Generator().manual_seed(seed)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
    net[1].weight.data = torch.randn(10, 784, generator=generator)
    return net

def a(): return make(0)
def b(): return make(1)
def c(): return make(2)
"""
DATA = "fashion-mnist-small:test"


AVERAGING = ["certify", "predict", "decide", "doctor", "plan", "bench"]


def models_of(line: str) -> tuple[str, ...] | None:
    """The models that a line names, as its verb is given them."""
    app, words = app_for(line.split())
    _, bound, _ = app.parse_args(words, exit_on_error=False, print_error=False)
    return bound.arguments.get("model")


@pytest.mark.parametrize("verb", AVERAGING)
@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("--model a b c --sigma 1 --out o --data d", "abc"),
        ("--sigma 1 --out o --data d --model a b", "ab"),
        ("--model a --sigma 1 --out o --model b c --data d", "abc"),
        ("--model a --sigma 1 --out o --data d", "a"),
        ("--model=a --model=b --sigma 1 --out o --data d", "ab"),
    ],
)
def test_words_behind_a_model_are_models(verb, line, wanted):
    more = {"decide": "--radius 1", "doctor": "--seed 1"}.get(verb, "")
    given = line.replace("--out o", "") if verb == "doctor" else line
    assert models_of(f"{verb} {given} {more}") == tuple(wanted)


@pytest.mark.parametrize("verb", ["attack", "falsify", "verify"])
def test_beside_arguments_each_model_has_its_flag(verb):
    out = "" if verb == "verify" else "--out o"
    assert models_of(f"{verb} --model a --model b run {out}") == ("a", "b")
    assert models_of(f"{verb} run {out} --model a") == ("a",)
    assert models_of(f"{verb} run {out}") is None
    assert run([verb, "run", *out.split(), "--model", "a", "b"]) == 2


@pytest.fixture
def models(tmp_path) -> list[str]:
    pytest.importorskip("torch")
    (tmp_path / "m.py").write_text(SOURCE)
    return [f"{tmp_path / 'm.py'}:{name}" for name in "abc"]


@pytest.fixture
def line(tmp_path) -> list[str]:
    return ["--num-classes", "10", "--data", DATA, "--sigma", "0.1", "--n", "200", "--limit", "2", "--workers", "1"]


def answers(path: Path):
    from noiseproof.store import read_run

    return [record.answers for record in read_run(path).records]


def test_models_in_a_row_and_one_by_one_are_the_same_run(models, line, tmp_path, capsys):
    from noiseproof.store import read_run

    a, b, c = models
    out = tmp_path / "run"
    assert run(["certify", "--model", a, b, c, "--consensus", "2", *line, "--out", str(out)]) == 0
    cost = "noiseproof: 2-consensus of m.py:a, m.py:b, m.py:c: a draw takes 2 forward passes, 3 where they disagree\n"
    assert capsys.readouterr().err.count(cost) == 1
    before = (out / "journal.jsonl").read_text()
    again = ["certify", "--model", a, "--model", b, "--model", c, "--consensus", "2", *line, "--out", str(out)]
    assert run(again) == 0
    assert (out / "journal.jsonl").read_text().count('"is":"range"') == before.count('"is":"range"')
    assert read_run(out).manifest.meaning["model"]["architecture"] == "2-consensus of m.py:a, m.py:b, m.py:c"
    # its own settings lead to the same
    assert run(["certify", "--config", str(out / "settings.toml"), "--out", str(tmp_path / "again")]) == 0
    assert answers(tmp_path / "again") == answers(out)
    assert run(["verify", str(out), "--replay", "2"]) == 0
    assert "every count is the same" in capsys.readouterr().out
    assert run(["verify", str(out), "--replay", "1", "--model", a, "--model", b, "--model", c]) == 0


@pytest.mark.parametrize("verb", ["falsify", "attack"])
def test_a_run_of_several_is_attacked(models, line, tmp_path, capsys, verb):
    a, b, _ = models
    out, found = tmp_path / "run", tmp_path / "found"
    assert run(["certify", "--model", a, b, *line, "--out", str(out)]) == 0
    quick = ["--n", "50", "--limit", "1", "--at", "1", "--workers", "1", "--device", "cpu", "--out", str(found)]
    assert run([verb, str(out), *quick]) == 0
    assert (
        run([verb, "--config", str(found / "settings.toml"), *(["--out", str(found)] if verb == "attack" else [])]) == 0
    )
    assert run([verb, str(out), *quick, "--model", a, "--model", b]) == 0
    capsys.readouterr()
    assert run([verb, str(out), *quick, "--model", a]) == 1
    said = capsys.readouterr().err
    assert "give the certified model with --model" in said
    assert said.count("\n") == 1


def test_other_verbs_take_them_in_a_row(models, line, tmp_path, capsys):
    at = line.index("--n")
    decide = ["decide", *line[:at], *line[at + 2 :], "--radius", "0.05", "--n-max", "500", "--out", str(tmp_path / "d")]
    predict = ["predict", *line, "--out", str(tmp_path / "p")]
    for verb, *others in (decide, predict):
        assert run([verb, "--model", *models, "--consensus", "2", *others]) == 0
        settings = (Path(others[-1]) / "settings.toml").read_text()
        assert f'{models[2]}"]\n' in settings
        assert "\nconsensus = 2\n" in settings
    capsys.readouterr()
    settings = ["--num-classes", "10", "--sigma", "0.1", "--data", DATA]
    assert run(["doctor", "--model", *models, "--consensus", "2", "--limit", "20", *settings]) in (0, 1)
    assert f"2-consensus of {models[0]}" in capsys.readouterr().out


def test_bench_is_asked_about_all_of_them(monkeypatch, capsys):
    pytest.importorskip("torch")
    from noiseproof.runners import bench

    def stand_in(subject, *_, **__):
        raise ValueError(f"{subject.models} {subject.consensus}")

    monkeypatch.setattr(bench, "bench", stand_in)
    assert run(["bench", "--model", "a", "b", "c", "--consensus", "2"]) == 2
    assert capsys.readouterr().err == "noiseproof: ('a', 'b', 'c') 2\n"


def test_a_dry_run_says_what_a_draw_takes(models, line, tmp_path, capsys):
    out = tmp_path / "run"
    assert run(["certify", "--model", *models, *line, "--out", str(out), "--dry-run"]) == 0
    assert "2 of 2 inputs to do, 600 draws at most\n" in (said := capsys.readouterr().out)
    assert said.endswith("\nmean of m.py:a, m.py:b, m.py:c: a draw takes 3 forward passes\n")
    assert not out.exists()


def test_a_settings_file_has_one_model_or_a_list_and_a_flag_wins(models, line, tmp_path):
    one, several = tmp_path / "one.toml", tmp_path / "several.toml"
    one.write_text(f'model = "{models[0]}"\n')
    several.write_text(f"model = {models[:2]}\n".replace("'", '"'))
    for name, config, more in (("o", one, []), ("s", several, []), ("f", several, ["--model", models[0]])):
        assert run(["certify", "--config", str(config), *more, *line, "--out", str(tmp_path / name)]) == 0
    assert answers(tmp_path / "o") == answers(tmp_path / "f")
    assert answers(tmp_path / "o") != answers(tmp_path / "s")


def test_a_list_where_one_value_is_wanted_is_refused(models, line, tmp_path, capsys):
    config = tmp_path / "c.toml"
    config.write_text("seed = [1, 2]\n")
    assert run(["certify", "--config", str(config), "--model", *models, *line, "--out", str(tmp_path / "run")]) == 2
    assert capsys.readouterr().err.startswith("noiseproof: --seed must be given once, with one value")


@pytest.mark.parametrize(
    ("models_of", "more", "status", "text"),
    [
        (
            "ab",
            ["--consensus", "2"],
            2,
            "consensus must be at least 2 and less than the number of models, got 2 with 2",
        ),
        ("aa", [], 1, "members of an ensemble must differ"),
        ("abc", ["--consensus", "2", "--backend", "openvino"], 1, "(leave --consensus out); use --backend torch"),
        ("ax", [], 1, "the file defines no 'x'"),
    ],
)
def test_refusals_are_one_line_and_leave_nothing(models, line, tmp_path, capsys, models_of, more, status, text):
    if "openvino" in more:
        pytest.importorskip("openvino")
    given = [f"{models[0][:-1]}{name}" for name in models_of]
    assert run(["certify", "--model", *given, *line, *more, "--out", str(tmp_path / "run")]) == status
    said = capsys.readouterr()
    assert text in said.err
    assert said.err.count("\n") == 1
    assert not (tmp_path / "run").exists()

"""The verbs from end to end, in this process, on the pictures that ship with the package."""

from __future__ import annotations

import importlib
import itertools
import json
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("torch")

from noiseproof.cli.main import run
from noiseproof.store import read_run

DATA = "fashion-mnist-small"


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A model of one epoch: bad, but real."""
    out = tmp_path_factory.mktemp("cli") / "model"
    line = ["train", "--data", DATA, "--arch", "lenet", "--sigma", "0.25", "--epochs", "1", "--threads", "1"]
    assert run([*line, "--out", str(out)]) == 0
    return out


def certify_line(base: Path, out: Path, **changes: object) -> list[str]:
    settings = {"model": base, "data": f"{DATA}:test", "sigma": 0.25, "n": 200, "every": 20, "limit": 5, "out": out}
    settings |= {"workers": 1} | changes
    flags = ((f"--{name.replace('_', '-')}", str(value)) for name, value in settings.items())
    return ["certify", *itertools.chain.from_iterable(flags)]


def test_certify_verify_report_show(model, tmp_path, capsys):
    out = tmp_path / "run"
    assert run(certify_line(model, out)) == 0
    assert [record.index for record in read_run(out).records] == [0, 20, 40, 60, 80]  # 5 inputs, not 5 indices
    assert run(["verify", str(out)]) == 0
    said = capsys.readouterr().out
    assert "5 certificates follow from their 1,500 draws" in said
    assert "noise: exact integers, grid 255" in said
    assert run(["report", str(out), "--radii", "0:0.5:0.25", "--out", str(tmp_path / "report")]) == 0
    table = capsys.readouterr().out
    assert "0.25" in table
    assert "Noise: exact integers, grid 255.\n" in table
    assert {path.suffix for path in (tmp_path / "report").iterdir()} >= {".md", ".txt", ".png"}
    assert run(["show", str(out)]) == 0
    assert "inputs finished        5" in capsys.readouterr().out


def test_what_to_run_next_can_be_pasted_whatever_the_folder_is_called(model, tmp_path, capsys, monkeypatch):
    def followed_by() -> list[str]:
        return shlex.split(capsys.readouterr().out.partition("next: ")[2])

    monkeypatch.chdir(tmp_path)
    assert run(certify_line(model, "my run", limit=1)) == 0
    assert followed_by() == ["noiseproof", "report", "my run", "--out", "report"]
    line = certify_line(model, "it's", limit=1)
    del line[line.index("--n") : line.index("--n") + 2]
    assert run(["decide", *line[1:], "--radius", "0.1", "--n-max", "200"]) == 0
    assert followed_by() == ["noiseproof", "verify", "it's"]
    assert run(certify_line(model, "other", start=1, limit=1)) == 0
    capsys.readouterr()
    assert run(["merge", "my run", "other", "--out", "both of them"]) == 0
    assert followed_by() == ["noiseproof", "verify", "both of them"]
    monkeypatch.setattr("noiseproof.training.train", lambda *_, **__: None)
    for task, follows in (("classifier", ["--model", "a b"]), ("denoiser", ["--model", "MODEL", "--denoiser", "a b"])):
        assert run(["train", "--task", task, "--data", DATA, "--sigma", "1", "--out", "a b"]) == 0
        assert followed_by() == ["noiseproof", "certify", *follows, "..."]
    assert run(certify_line("my run", "third")) == 1
    assert "(`noiseproof show 'my run'` names the model it is about)" in capsys.readouterr().err


def test_the_same_line_again_draws_nothing_and_more_inputs_extend(model, tmp_path):
    out = tmp_path / "run"
    assert run(certify_line(model, out, limit=2)) == 0
    before = (out / "journal.jsonl").read_text().count('"is":"range"')
    assert run(certify_line(model, out, limit=2)) == 0
    assert (out / "journal.jsonl").read_text().count('"is":"range"') == before
    assert run(certify_line(model, out, limit=4)) == 0
    assert [record.index for record in read_run(out).records] == [0, 20, 40, 60]


def test_the_stored_settings_are_a_settings_file(model, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    assert run(certify_line(model, first)) == 0
    assert run(["certify", "--config", str(first / "settings.toml"), "--out", str(second)]) == 0
    assert [r.answers for r in read_run(first).records] == [r.answers for r in read_run(second).records]


def test_a_flag_wins_over_the_settings_file(model, tmp_path):
    config = tmp_path / "c.toml"
    config.write_text(f'model = "{model}"\ndata = "{DATA}"\nsigma = 0.25\nn = 100\nlimit = 3\nbatch-size = 32\n')
    assert run(["certify", "--config", str(config), "--limit", "1", "--out", str(tmp_path / "run")]) == 0
    found = read_run(tmp_path / "run")
    assert len(found.records) == 1
    assert found.state.sessions[0]["batch_size"] == 32


def test_another_meaning_is_refused_and_names_the_field(model, tmp_path, capsys):
    out = tmp_path / "run"
    assert run(certify_line(model, out, limit=1)) == 0
    capsys.readouterr()
    assert run(certify_line(model, out, sigma=0.5)) == 1
    assert "noise.sigma is 0.25, not 0.5" in capsys.readouterr().err


def test_a_changed_digit_fails_verification_with_status_1(model, tmp_path, capsys):
    out = tmp_path / "run"
    assert run(certify_line(model, out, limit=2)) == 0
    journal = out / "journal.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    number = max(number for number, line in enumerate(lines) if json.loads(line)["is"] == "record")
    radius = json.loads(lines[number])["outcome"]["p_lower"]
    lines[number] = lines[number].replace(str(radius), str(round(radius + 0.001, 6)))
    journal.write_text("".join(lines))
    assert run(["verify", str(out)]) == 1
    assert f"line {number + 1}" in capsys.readouterr().err


def test_a_torn_last_line_is_said(model, tmp_path, capsys):
    out = tmp_path / "run"
    assert run(certify_line(model, out, limit=2)) == 0
    assert run(["verify", str(out)]) == 0
    assert "torn last" not in capsys.readouterr().out
    with (out / "journal.jsonl").open("a") as journal:
        journal.write('{"is":"range"')
    assert run(["verify", str(out)]) == 0
    assert "a torn last line, which is not counted: the run was killed or is under way" in capsys.readouterr().out


def test_what_ends_the_program_is_an_error(monkeypatch, capsys):
    def ends(*_, **__):
        raise SystemExit(0)

    monkeypatch.setattr(importlib.import_module("noiseproof.runners.verify"), "verify", ends)
    assert run(["verify", "runs/c"]) == 1
    assert capsys.readouterr().err.startswith("noiseproof: stopped by a model or a package that ends the program")


def test_predict_prints_right_wrong_abstained(model, tmp_path, capsys):
    line = certify_line(model, tmp_path / "run", n=100, limit=3)
    assert run(["predict", *line[1:]]) == 0
    assert "abstain" in capsys.readouterr().out
    assert run(["verify", str(tmp_path / "run")]) == 0


def test_dry_run_says_the_cost_and_writes_nothing(model, tmp_path, capsys):
    assert run([*certify_line(model, tmp_path / "run"), "--dry-run"]) == 0
    assert "5 of 5 inputs to do, 1,500 draws at most" in capsys.readouterr().out
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"sigma": 0}, "sigma must be > 0, got 0.0"),
        ({"sigma": "nan"}, "sigma must be > 0, got nan"),
        ({"data": "fashion-mnits"}, "did you mean 'fashion-mnist'?"),
        ({"data": f"{DATA}:tset"}, "did you mean 'test'?"),
        ({"every": 0}, "every must be >= 1, got 0"),
        ({"limit": 0}, "limit must be >= 1, got 0"),
        ({"start": 1000}, "start must be in [0, 1000)"),
        ({"device": "gpu"}, "device must be auto, cpu, or one that torch can use, got 'gpu'"),
        ({"precision": "fp8"}, "unknown precision 'fp8'; known: bf16, fp32, tf32"),
        ({"executor": "in-procces"}, "unknown executor 'in-procces'; did you mean 'in-process'?"),
        ({"batch_size": 0}, "batch_size must be >= 1, got 0"),
        ({"workers": 0}, "workers must be >= 1, got 0"),
        ({"model": "nowhere"}, "no such path: nowhere"),
        ({"grid": 5000}, "grid must be in 1..4096"),
        ({"root": "/nowhere", "data": "mnist"}, "noiseproof data get mnist"),
    ],
)
def test_bad_settings_are_one_line_and_leave_nothing(model, tmp_path, capsys, changes, text, monkeypatch):
    monkeypatch.delenv("NOISEPROOF_DATA", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert run(certify_line(model, tmp_path / "run", **changes)) in (1, 2)
    said = capsys.readouterr()
    assert text in said.err
    assert said.err.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_an_unwritable_folder(model, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert run(certify_line(model, tmp_path / "file" / "run")) == 1
    assert "choose another --out" in capsys.readouterr().err


def test_an_interrupt_says_that_nothing_is_lost(model, tmp_path):
    out = tmp_path / "run"
    line = [sys.executable, "-m", "noiseproof", *certify_line(model, out, n=100_000, limit=2)]
    running = subprocess.Popen(
        line,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
    )
    journal = out / "journal.jsonl"
    while not (journal.exists() and '"is":"range"' in journal.read_text()):
        time.sleep(0.05)
        assert running.poll() is None
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "noiseproof: stopped; nothing is lost: the same line again goes on from here" in said
    assert "Traceback" not in said


def test_decide_prints_shares_and_draws(model, tmp_path, capsys):
    line = certify_line(model, tmp_path / "run", n=100, limit=3)
    line[line.index("--n") : line.index("--n") + 2] = ["--radius", "0.1", "--n-max", "2000"]
    assert run(["decide", *line[1:]]) == 0
    table = capsys.readouterr().out
    assert "mean draws" in table
    assert "at most 2000 draws an input" in table
    assert run(["verify", str(tmp_path / "run")]) == 0
    assert run(["show", str(tmp_path / "run")]) == 0
    assert "procedure.radius       0.1" in capsys.readouterr().out
    again = ["decide", "--config", str(tmp_path / "run" / "settings.toml"), "--out", str(tmp_path / "again")]
    assert run(again) == 0
    assert [r.answers for r in read_run(tmp_path / "again").records] == [
        r.answers for r in read_run(tmp_path / "run").records
    ]
    assert run(["report", str(tmp_path / "run"), "--out", str(tmp_path / "report")]) == 0
    assert "DECIDE: L2 radius 0.1, at most 2000 draws an input" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("procedure", "flags", "stored"),
    [
        ("sequential", ["--acr-loss", "0.1"], 'procedure = "sequential"'),
        ("curve", ["--radii", "0:0.2:0.1"], 'procedure = "curve"\nradii = "0,0.1,0.2"'),
        ("sequential", ["--two-sided", "--budget", "3000"], "budget = 3000"),
    ],
)
def test_certify_sequentially(model, tmp_path, capsys, procedure, flags, stored):
    out = tmp_path / "run"
    line = certify_line(model, out, procedure=procedure, n_max=2000)
    del line[line.index("--n") : line.index("--n") + 2]
    assert run([*line, *flags]) == 0
    assert "0.25" in capsys.readouterr().out
    assert stored in (out / "settings.toml").read_text()
    assert run(["verify", str(out)]) == 0
    assert run(["report", str(out), "--out", str(tmp_path / "report")]) == 0
    assert run(["certify", "--config", str(out / "settings.toml"), "--out", str(tmp_path / "again")]) == 0
    assert [r.outcome for r in read_run(tmp_path / "again").records] == [r.outcome for r in read_run(out).records]
    line[line.index("--n-max") + 1] = "500"
    line[line.index("--procedure") + 1] = "sequential-predict"
    assert run(["predict", *line[1:]]) == 1
    line[line.index("--out") + 1] = str(tmp_path / "predicted")
    assert run(["predict", *line[1:]]) == 0
    assert run(["experiment", "n", str(out), "--out", str(tmp_path / "n")]) == 1
    assert "only where n is fixed beforehand" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (["--procedure", "sequential"], "--n goes with --procedure certify or simultaneous"),
        (["--acr-loss", "0.1"], "--acr-loss goes with --procedure sequential"),
        (["--budget", "100"], "budget needs a procedure that may end at any look"),
        (["--procedure", "curve", "--radii", "1:0:1"], "radii must not stop before they start"),
    ],
)
def test_flags_of_another_procedure_are_one_line(model, tmp_path, capsys, flags, text):
    line = certify_line(model, tmp_path / "run")
    if "curve" in flags:
        del line[line.index("--n") : line.index("--n") + 2]
    assert run([*line, *flags]) != 0
    said = capsys.readouterr().err
    assert text in said
    assert len(said.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()

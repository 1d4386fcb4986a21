"""A run as a job array: submitted, waited for, merged; on this machine, by submitit's executor for that."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from noiseproof.cli.main import run
from noiseproof.errors import RunError
from noiseproof.procedures import Certify
from noiseproof.runners.executors import slurm
from noiseproof.store import read_run
from tests.asking import certify, decide, job

MODEL = """
import torch

def make():
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
    net[1].weight.data = torch.linspace(-1, 1, 7840).reshape(784, 10).sin().T.contiguous() / 28
    net[1].bias.data[:] = 0
    return net
"""
ASKED = {"data": "fashion-mnist-small", "sigma": 0.5, "n": 200, "every": 40, "limit": 5, "workers": 1, "device": "cpu"}


@pytest.fixture
def asked(tmp_path, monkeypatch) -> dict:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.py").write_text(MODEL)
    return ASKED | {"model": "m.py:make"}


@pytest.mark.extra("submitit")
@pytest.mark.slow
def test_an_array_of_jobs_is_submitted_waited_for_and_merged(asked, capsys):
    flags = [word for name, value in asked.items() for word in (f"--{name}", str(value))]
    line = ["certify", *flags, "--executor", "slurm", "--address", "local", "--at-most", "2", "--out", "run"]
    assert run(line) == 0
    assert "run holds 5 certified inputs" in capsys.readouterr().out
    shards = [read_run(Path("run.shards") / str(i)) for i in (1, 2)]
    assert [[record.index for record in shard.records] for shard in shards] == [[0, 80, 160], [40, 120]]
    whole = certify(out="whole", **asked)
    found = read_run(Path("run"))
    assert {(r.key, r.answers, r.outcome) for r in found.records} == {
        (r.key, r.answers, r.outcome) for r in whole.records
    }
    before = (Path("run") / "journal.jsonl").read_bytes()
    assert run(line) == 0, "the same line again finds everything done"
    assert (Path("run") / "journal.jsonl").read_bytes() == before
    assert run(["verify", "run"]) == 0


@pytest.mark.extra("submitit")
@pytest.mark.slow
def test_a_shard_that_fails_is_said_with_its_last_word_and_its_log(asked):
    Path("run.shards/2").mkdir(parents=True)
    Path("run.shards/2/other").touch()
    with pytest.raises(
        RunError, match=r"1 of 2 shards failed; the same line goes on from here: shard 2: .*other files"
    ):
        certify(out="run", executor="slurm", address="local", at_most=2, **asked)
    Path("run.shards/2/other").unlink()
    assert len(certify(out="run", executor="slurm", address="local", at_most=2, **asked).records) == 5


@pytest.mark.extra("submitit")
def test_its_time_over_it_is_queued_again():
    shard = slurm.Shard(["a", "b"])
    assert shard.checkpoint().function is shard


def test_the_line_of_a_shard(asked):
    made = job(
        Certify(n=200), **{name: value for name, value in asked.items() if name != "n"}, executor="slurm", at_most=2
    )
    words = slurm._words(made.asked, 2, 2, Path("x"))
    assert words[1:4] == ["-m", "noiseproof", "certify"]
    told = dict(zip(words[4::2], words[5::2], strict=True))
    assert (told["--every"], told["--start"], told["--limit"], told["--out"]) == (
        "80",
        "40",
        "2",
        str(Path.cwd() / "x"),
    )
    assert not {"--executor", "--address", "--at-most", "--shard"} & set(words)
    assert slurm._takes(made, 2, "slurm") == {
        "name": "noiseproof", "timeout_min": 1440, "cpus_per_task": 1, "slurm_array_parallelism": 2,
        "slurm_signal_delay_s": 120,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"at_most": None}, "at_most must be 2 or more with executor slurm, .* the 5 inputs, got None"),
        ({"at_most": 6}, "at_most must be 2 or more with executor slurm, .* the 5 inputs, got 6"),
        ({"address": "10.0.0.1:6379"}, "address must be left out, or local for this machine, with executor slurm"),
        (
            {"rng": "chacha20"},
            "rng must be philox with executor slurm, got chacha20: each shard would have its own key",
        ),
    ],
)
@pytest.mark.extra("submitit")
def test_what_no_array_can_do(asked, changes, told):
    with pytest.raises(ValueError, match=told):
        certify(out="run", **(asked | {"executor": "slurm", "at_most": 2} | changes))


@pytest.mark.extra("submitit")
def test_draws_that_are_shared_and_a_machine_without_slurm(asked, monkeypatch):
    with pytest.raises(ValueError, match="budget must be left out with executor slurm"):
        decide(
            out="run", executor="slurm", at_most=2, radius=0.1, budget=5000,
            **{name: value for name, value in asked.items() if name != "n"},
        )  # fmt: skip
    monkeypatch.setattr(slurm.shutil, "which", lambda name: None)
    with pytest.raises(RunError, match="executor slurm needs SLURM: no sbatch is here; give --address local to try it"):
        certify(out="run", **asked, executor="slurm", at_most=2)

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from noiseproof.errors import RunError
from noiseproof.models import load_weights
from noiseproof.training.distributed import Team, is_first_process, joined
from noiseproof.training.randomness import JointGenerator, normal

SCRIPT = Path(__file__).with_name("torchrun_script.py")
PICTURES = 41


def torchrun(*arguments, restarts=0, processes=2):
    line = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    return python(*line, "--max-restarts", restarts, *arguments)


def python(*arguments):
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def weights(out):
    return load_weights(Path(out) / "weights.safetensors")[0]


def metrics(out):
    return [json.loads(line) for line in (Path(out) / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """A LeNet trained by two processes."""
    out = tmp_path_factory.mktemp("torchrun") / "lenet"
    done = torchrun(SCRIPT, out, "lenet")
    assert done.returncode == 0, done.stderr
    assert len(set(done.stdout.split("\n")) - {""}) == 1  # both have the same result
    return out


@pytest.mark.slow
def test_two_processes_are_one_process_with_the_joint_batch(together, tmp_path):
    done = python(SCRIPT, tmp_path, "lenet")
    assert done.returncode == 0, done.stderr
    rows = metrics(together)
    assert [row["loss"] for row in rows] == pytest.approx([row["loss"] for row in metrics(tmp_path)], abs=1e-6)
    assert [row["accuracy"] for row in rows] == pytest.approx([row["accuracy"] for row in metrics(tmp_path)], abs=1e-6)
    assert rows[-1]["loss"] < rows[0]["loss"] - 0.01
    one, other = weights(tmp_path), weights(together)
    assert all(torch.allclose(one[key], other[key], atol=1e-6) for key in one)


@pytest.mark.slow
def test_the_folder_says_how_many_processes(together, tmp_path):
    assert json.loads((together / "manifest.json").read_text())["meaning"]["processes"] == 2
    assert (
        "belongs to another training: processes is 2, not None; choose another"
        in python(SCRIPT, together, "lenet").stderr
    )


@pytest.mark.slow
def test_a_killed_process_is_started_again_and_the_weights_are_the_same(together, tmp_path):
    done = torchrun(SCRIPT, tmp_path, "lenet", "0", restarts=1)  # the one that holds the lock and writes
    assert done.returncode == 0, done.stderr
    assert "SIGKILL" in done.stderr or "exitcode: -9" in done.stderr
    assert [row["epoch"] for row in metrics(tmp_path)] == [1, 2, 3]
    whole, killed = weights(together), weights(tmp_path)
    assert all(torch.equal(whole[key], killed[key]) for key in whole)
    # the epoch before the kill was kept, not made again
    assert [row["loss"] for row in metrics(tmp_path)] == [row["loss"] for row in metrics(together)]


@pytest.mark.slow
def test_batch_norm_resumes_exactly(tmp_path):
    for name, doomed, restarts in (("whole", [], 0), ("killed", ["1"], 1)):
        done = torchrun(SCRIPT, tmp_path / name, "resnet20", *doomed, restarts=restarts)
        assert done.returncode == 0, done.stderr
    whole, killed = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert all(torch.equal(whole[key], killed[key]) for key in whole)


@pytest.mark.slow
def test_the_command_line_under_torchrun(tmp_path):
    line = ["-m", "noiseproof", "train", "--data", "fashion-mnist-small", "--sigma", "0.1,0.25", "--epochs", "1"]
    done = torchrun(*line, "--batch-size", "2000", "--tensorboard", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    said = [text for text in done.stdout.splitlines() if text]
    assert [text.split()[0] for text in said] == [str(tmp_path / "0.1"), str(tmp_path / "0.25")]
    assert len(list((tmp_path / "0.1" / "tensorboard").iterdir())) == 1
    again = torchrun(*line, "--batch-size", "1000", "--out", tmp_path)
    assert again.returncode != 0
    assert f"noiseproof: {tmp_path / '0.1'} belongs to another training: batch_size is 2000, not 1000" in again.stderr
    assert "Traceback" not in again.stderr.split("torch.distributed.elastic")[0].split("torch/distributed")[0]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("joint", [1, 2, 7, 8])
def test_the_parts_make_the_joint_batch(joint, size):
    parts = [Team(rank, size).part(joint) for rank in range(size)]
    rows = [row for part in parts if part.weight > 0 for row in range(joint)[part.rows]]
    assert rows == list(range(joint))
    assert all(len(range(joint)[part.rows]) >= 1 for part in parts)
    assert parts[0].weight > 0  # the process that reports has something to report
    values = torch.arange(joint).double() ** 2
    means = [part.weight * values[part.rows].mean() for part in parts]
    assert sum(means) / size == pytest.approx(values.mean().item())


@pytest.mark.parametrize("m", [1, 3])
def test_the_noise_of_the_parts_is_the_noise_of_the_joint_batch(m):
    def drawn(part):
        generator = JointGenerator("cpu")
        generator.manual_seed(1)
        generator.part = part
        x = torch.zeros(PICTURES if part is None else len(range(PICTURES)[part.rows]), 2, 4)
        return normal(x, m=m, generator=generator).view(m, len(x), 2, 4)

    parts = [drawn(Team(rank, 3).part(PICTURES)) for rank in range(3)]
    assert torch.equal(torch.cat(parts, dim=1), drawn(None))


def test_a_process_alone_is_a_team_of_one(monkeypatch):
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    monkeypatch.setenv("WORLD_SIZE", "4")  # a scheduler's, not torchrun's
    monkeypatch.setenv("RANK", "3")
    with joined(torch.device("cpu")) as team:
        assert team == Team(0, 1)
    assert is_first_process()


def test_what_the_first_process_says(monkeypatch):
    team = Team()
    assert team.first(lambda: 3) == 3
    with pytest.raises(RunError, match=r"^mine$"):
        team.first(lambda: (_ for _ in ()).throw(RunError("mine")))

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch
from PIL import Image

from noiseproof.errors import RunError
from noiseproof.models import load_weights
from noiseproof.training.distributed import Team, is_first_process, joined
from noiseproof.training.randomness import JointGenerator, normal, uniform

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
        timeout=120,
        check=False,
    )


def weights(out):
    return load_weights(Path(out) / "weights.safetensors")[0]


def metrics(out):
    return [json.loads(line) for line in (Path(out) / "metrics.jsonl").read_text().splitlines()]


BOTH = "lenet,resnet20"


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """Two models, one with batch-norm, trained by two processes."""
    out = tmp_path_factory.mktemp("torchrun")
    done = torchrun(SCRIPT, out, BOTH)
    assert done.returncode == 0, done.stderr
    said = Counter(re.findall(r"result (\w+) 3 ([0-9a-f]{64})", done.stdout))
    assert sorted((arch, times) for (arch, _), times in said.items()) == [("lenet", 2), ("resnet20", 2)]
    return out


@pytest.mark.slow
def test_two_processes_are_one_process_with_the_joint_batch(together, tmp_path):
    done = python(SCRIPT, tmp_path, "lenet")
    assert done.returncode == 0, done.stderr
    ours, rows = metrics(together / "lenet"), metrics(tmp_path / "lenet")
    for name in ("loss", "accuracy"):
        assert [row[name] for row in ours] == pytest.approx([row[name] for row in rows], abs=1e-6)
    assert rows[-1]["loss"] < rows[0]["loss"] - 0.01
    one, other = weights(tmp_path / "lenet"), weights(together / "lenet")
    assert all(torch.allclose(one[key], other[key], atol=1e-6) for key in one)


@pytest.mark.slow
def test_a_loss_of_several_passes_is_shared_too(tmp_path):
    """Two forward passes a step, an attack on this process's own rows, mixing weights of the joint batch."""
    arguments = ("lenet", "", "smoothmix")
    for done in (torchrun(SCRIPT, tmp_path / "two", *arguments), python(SCRIPT, tmp_path / "one", *arguments)):
        assert done.returncode == 0, done.stderr
    one, other = weights(tmp_path / "one" / "lenet"), weights(tmp_path / "two" / "lenet")
    assert all(torch.allclose(one[key], other[key], atol=1e-5) for key in one)


@pytest.mark.slow
def test_the_folder_says_how_many_processes(together):
    assert json.loads((together / "lenet" / "manifest.json").read_text())["meaning"]["processes"] == 2
    said = python(SCRIPT, together, "lenet").stderr
    assert "belongs to another training: processes is 2, not None; choose another" in said


@pytest.mark.slow
def test_killed_processes_are_started_again_and_the_weights_are_the_same(together, tmp_path):
    """First the one that holds the lock and writes is killed; then the other one, in the middle of a batch-norm."""
    done = torchrun(SCRIPT, tmp_path, BOTH, "0,1", restarts=2)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("SIGKILL") + done.stderr.count("exitcode: -9") >= 2
    for arch in BOTH.split(","):
        assert [row["epoch"] for row in metrics(tmp_path / arch)] == [1, 2, 3]
        whole, killed = weights(together / arch), weights(tmp_path / arch)
        assert all(torch.equal(whole[key], killed[key]) for key in whole)
        # the epoch before the kill was kept, not made again
        assert [row["loss"] for row in metrics(tmp_path / arch)] == [row["loss"] for row in metrics(together / arch)]


@pytest.mark.slow
def test_the_command_line_under_torchrun(tmp_path):
    for label, name in enumerate(("dark", "light")):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(8):
            Image.new("L", (28, 28), 100 * label + number).save(tmp_path / "data" / name / f"{number}.png")
    line = ["-m", "noiseproof", "train", "--data", f"folder:{tmp_path / 'data'}", "--sigma", "0.1,0.25"]
    line += ["--epochs", "1", "--out", str(tmp_path / "m")]
    done = torchrun(*line, "--batch-size", "8", "--tensorboard")
    assert done.returncode == 0, done.stderr
    said = [text for text in done.stdout.splitlines() if text]
    folders = [tmp_path / "m" / sigma for sigma in ("0.1", "0.25")]
    assert [text.split()[0] for text in said] == [str(folder) for folder in folders]
    assert len(list((folders[0] / "tensorboard").iterdir())) == 1
    again = torchrun(*line, "--batch-size", "4")
    assert again.returncode != 0
    assert f"noiseproof: {folders[0]} belongs to another training: batch_size is 8, not 4" in again.stderr
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


def test_the_numbers_of_the_parts_are_those_of_the_joint_batch():
    def drawn(part):
        generator = JointGenerator("cpu")
        generator.manual_seed(1)
        generator.part = part
        return uniform(
            torch.zeros(PICTURES if part is None else len(range(PICTURES)[part.rows]), 2), generator=generator
        )

    parts = [drawn(Team(rank, 3).part(PICTURES)) for rank in range(3)]
    assert torch.equal(torch.cat(parts), drawn(None))
    assert drawn(None).min() >= 0
    assert 0.9 < drawn(None).max() < 1


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

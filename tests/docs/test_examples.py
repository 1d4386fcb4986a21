"""What stands under examples/, and the script of the action, are run as a reader would run them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("yaml")

import yaml

from noiseproof.cli.main import run as command

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(not (ROOT / "examples").exists(), reason="the examples are not beside the tests")


def ran(line, folder, status=0, **environment):
    path = os.pathsep.join([str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])])
    known = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"} | environment
    done = subprocess.run(line, cwd=folder, env=known, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "model"
    line = f"train --data fashion-mnist-small --arch lenet --sigma 0.25 --epochs 1 --batch-size 64 --out {folder}"
    assert command(line.split()) == 0
    return folder


def test_the_training_loop_shows_certified_accuracy(tmp_path):
    said = ran([sys.executable, str(ROOT / "examples" / "training_loop.py"), "1"], tmp_path)
    found = re.fullmatch(r"epoch 0: ([\d.]+)% certified at L2 radius 0.25 \((\d+) draws an input\)\n", said)
    assert found, said
    assert 20 < float(found[1]) < 100
    assert int(found[2]) <= 1000


@pytest.mark.needs("sklearn")
def test_the_table_is_certified_in_units_of_its_spread(tmp_path):
    said = ran([sys.executable, str(ROOT / "examples" / "tabular.py"), "out"], tmp_path)
    found = re.fullmatch(
        r"([\d.]+)% right and certified at scaled l2 radius 0.0\n"
        r"([\d.]+)% right and certified at scaled l2 radius 0.1\n"
        r"([\d.]+)% right and certified at scaled l2 radius 0.2\n"
        r"in units of each column's spread; of 43 rows\n",
        said,
    )
    assert found, said
    accuracy, nearer, farther = map(float, found.groups())
    assert accuracy > 85
    assert 100 > nearer > farther > 20


@pytest.mark.extra("accelerate", "transformers")
def test_the_trainer_shows_certified_accuracy(tmp_path):
    said = ran([sys.executable, str(ROOT / "examples" / "trainer.py"), "1"], tmp_path)
    found = re.search(r"^epoch 1: ([\d.]+)% certified at L2 radius 0.25$", said, re.M)
    assert found, said
    assert 20 < float(found[1]) < 100


def test_the_test_of_ones_own_project_runs(model, tmp_path):
    plugin = ["-p", "noiseproof.pytest_plugin"] if "pytest11" not in _entry_points() else []
    line = [sys.executable, "-m", "pytest", "-q", *plugin, "-p", "no:cacheprovider", "-c", os.devnull]
    said = ran([*line, str(ROOT / "examples" / "test_certified.py")], tmp_path, NOISEPROOF_MODEL=str(model))
    assert "1 passed" in said


def _entry_points():
    from importlib.metadata import entry_points

    return {each.group for each in entry_points(group="pytest11") if each.name == "noiseproof"}


@pytest.mark.parametrize(("at_least", "status", "heading"), [("0.3", 0, "holds"), ("0.99", 1, "does not hold")])
def test_the_action_runs_its_line_and_writes_the_summary(model, tmp_path, at_least, status, heading):
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    step = action["runs"]["steps"][-1]
    given = {"model": str(model), "data": "fashion-mnist-small:test", "sigma": "0.25", "radius": "0.25"}
    given |= {"at-least": at_least, "more": "--limit 100 --n-max 500"}
    inputs = {name: given.get(name, asked.get("default")) for name, asked in action["inputs"].items()}
    environment = {name: inputs[re.search(r"inputs\.([\w-]+)", text)[1]] for name, text in step["env"].items()}
    assert "${{" not in step["run"]  # what a stranger writes into an input is never part of a script
    shim = tmp_path / "bin" / "noiseproof"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m noiseproof "$@"\n')
    shim.chmod(0o755)
    environment |= {"PATH": f"{shim.parent}:{os.environ['PATH']}", "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}
    ran(["bash", "-e", "-c", step["run"]], tmp_path, status, **environment)
    assert (tmp_path / "summary.md").read_text().startswith(f"### Certified accuracy: {heading}\n")
    assert (tmp_path / "noiseproof-check.xml").exists()


def test_the_example_of_the_action_gives_what_it_asks_for():
    asked = yaml.safe_load((ROOT / "action.yml").read_text())["inputs"]
    (job,) = yaml.safe_load((ROOT / "examples" / "ci" / "github.yml").read_text())["jobs"].values()
    given = job["steps"][-1]["with"]
    assert {name for name, about in asked.items() if about.get("required")} <= set(given) <= set(asked)


def test_the_lines_of_the_page_run(model, tmp_path, monkeypatch):
    """In its order; the model has learned for one epoch, so a check may say anything but that it cannot run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quickstart").mkdir()
    (tmp_path / "quickstart" / "model").symlink_to(model)
    lines = re.findall(r"^noiseproof (.+)$", (ROOT / "docs" / "loops.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert {line.split()[0] for line in lines} == {"check", "certify", "card", "bundle"}
    for line in lines:
        assert command(line.split()) in ((0, 1, 3) if line.startswith("check") else (0,)), line
    for name in ("check.xml", "check.md", "tracked.jsonl", "repository/README.md", "evidence.zip"):
        assert (tmp_path / name).stat().st_size > 100, name
    assert list((tmp_path / "repository" / ".eval_results").iterdir())

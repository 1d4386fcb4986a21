"""The lines of docs/leaderboard.md, run in its order on small files in the same forms."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from noiseproof.cli.main import run

torch = pytest.importorskip("torch")
PAGE = Path(__file__).resolve().parents[2] / "docs" / "leaderboard.md"
pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="the page is not beside the tests")

HEADER = "idx\tlabel\tpredict\tradius\tcorrect\ttime\n"
ROWS = "0\t3\t3\t0.12\t1\t0:00:03.76\n20\t7\t-1\t0.0\t0\t0:00:03.6\n40\t4\t5\t0.106\t0\t0:00:03.6\n"
SHIFTS = "0\t3\t3\t9.43\tTrue\t0.17\n20\t2\t2\t-1.0\tTrue\t0.17\n40\t1\t8\t0.0\tFalse\t0.17\n"


@pytest.fixture
def their_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("sigma_0.12.tsv", "sigma_0.25.tsv", "sigma_0.50.tsv", "sigma_1.00.tsv", "noise_0.5.tsv"):
        Path(name).write_text(HEADER + ROWS)
    Path("noise_0.2_0.2").write_text(HEADER + ROWS)
    Path("noise_3.0").write_text(HEADER + SHIFTS)
    Path("cifar10_sigma_0.25_counts.txt").write_text("99000 600 400 0\n40000 35000 25000 1\n0 55000 45000 1\n")
    Path("cifar10-test.txt").write_text("0\n1\n")
    for folder, more in (("cifar_split_0.5", "prob_lb"), ("cifar_split_derandomized_0.5", "predicted_labels")):
        path = Path("checkpoints") / folder
        path.mkdir(parents=True)
        np.save(path / "preds.npy", np.array([[0.9, 0.1], [0.2, 0.8]]))
        np.save(path / f"{more}.npy", np.array([0.9, 0.8]) if more == "prob_lb" else np.array([0, 1]))
        np.save(path / "radius_l1.npy", np.array([0.4, 0.3]))
    demo = Path("certified/demo")
    demo.mkdir(parents=True)
    saved = {"ablations": torch.zeros(2, 32, dtype=torch.long), "y": torch.tensor([0, 1])}
    torch.save(saved | {"s": 4, "m": 5, "mode": "col"}, demo / "m5_s4_b0.pth")
    for name in ("smoothadv", "ours"):
        assert run(["import", "noise_0.5.tsv", "--n", "100000", "--alpha", "0.001", "--out", f"runs/{name}"]) == 0


def test_every_line_runs(their_files, capsys):
    blocks = re.findall(r"^```\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    lines = [shlex.split(line)[1:] for block in blocks for line in block.splitlines()]
    lines = [["1000" if word == "N" else word for word in line] for line in lines]
    assert len(lines) > 20
    verbs = {line[0] for line in lines}
    assert verbs == {"import", "audit", "report", "experiment", "verify", "compare"}
    for line in lines:
        status = run(line)
        said = capsys.readouterr()
        # three rows are not the 500 of the published file, and audit says so
        assert status == (1 if line[0] == "audit" else 0), f"{' '.join(line)}\n{said.err}"
    assert Path("acr/acr.png").stat().st_size > 10_000

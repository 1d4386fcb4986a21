"""kill -9 in the middle of an input, again and again: the run that goes on is the run that was never killed.

The processes that are killed are children of one process that has imported torch and not used it yet, so that a
round costs a fork instead of an import.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("torch")

from noiseproof import verify
from noiseproof.store import read_run
from tests.asking import certify

ROUNDS = 20
DRIVER = """
import os, random, signal, sys, time
from pathlib import Path
import numpy as np, torch
import noiseproof.engine.lane as lane
from tests.asking import certify
from noiseproof.data import DataSet
from noiseproof.noises.rounded_normal import rounded_normal

def run(out, pause):
    class Slow(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.linspace(-1, 1, 48).reshape(16, 3).sin())
        def forward(self, x):
            time.sleep(pause)
            return (x.flatten(1) - 0.5) @ self.weight
    torch.set_num_threads(1)
    lane.KEEP_EVERY = 0.02  # votes are kept in the middle of a request, too
    generator = np.random.default_rng(0)
    pictures = generator.integers(0, 256, (3, 1, 4, 4), dtype=np.uint8)
    data = DataSet("tiny:test", ("a", "b", "c"), (1, 4, 4), generator.integers(0, 3, 3), pictures)
    certify(model=Slow().eval(), data=data, sigma=0.5, out=out, n0=60, n=700, num_classes=3, device="cpu",
            batch_size=16, workers=2)

def forked(out, pause):
    child = os.fork()
    if child == 0:
        status = 1
        try:
            run(out, pause)
            status = 0
        finally:
            os._exit(status)
    return child

def lines(out):
    try:
        return (out / "journal.jsonl").read_bytes().count(b"\\n")
    except FileNotFoundError:
        return 0

rounded_normal(0.5, 255)  # a table that takes half a second: made once, before the forks
folder, rounds, pause = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
assert os.waitpid(forked(folder / "whole", 0.0), 0)[1] == 0
moment = random.Random(1)
for number in range(rounds):
    out = folder / f"killed-{number}"
    for attempt in range(2):  # the second kill hits a process that resumes
        before = lines(out)
        child = forked(out, pause)
        wanted = before + moment.randint(2, 4)  # the first new line is the session
        while lines(out) < wanted:
            assert os.waitpid(child, os.WNOHANG)[0] == 0, "a run ended by itself before it wrote a line"
            time.sleep(0.0005)
        time.sleep(moment.uniform(0, 0.1))
        os.kill(child, signal.SIGKILL)
        killed = os.waitpid(child, 0)[1] == signal.SIGKILL
        (folder / f"journal-{number}-{attempt}").write_bytes((out / "journal.jsonl").read_bytes() if killed else b"")
    assert os.waitpid(forked(out, 0.0), 0)[1] == 0
print("done")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("kill")
    # OpenBLAS would start threads when it is imported, and a fork has only the thread that forked
    alone = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    line = [sys.executable, "-c", DRIVER, str(path), str(ROUNDS), "0.003"]
    done = subprocess.run(line, env=os.environ | alone, capture_output=True, text=True, timeout=240, check=False)
    assert done.stdout == "done\n", done.stderr
    return path


def counts_and_certificates(path: Path) -> set:
    return {(r.key, r.index, r.label, r.answers, r.outcome) for r in read_run(path).records}


def test_a_killed_run_goes_on_to_the_counts_and_certificates_of_one_that_was_not(folder):
    whole = counts_and_certificates(folder / "whole")
    assert len(whole) == 3
    votes = [answer.votes for *_, answers, _ in whole for answer in answers if answer.n == 600]
    assert all(len([count for count in of_one if count > 20]) > 1 for of_one in votes), "counts that could differ"
    for number in range(ROUNDS):
        assert counts_and_certificates(folder / f"killed-{number}") == whole, number


def test_every_resumed_run_is_verified_and_leaves_nothing_open(folder):
    for number in range(ROUNDS):
        found = verify(folder / f"killed-{number}")
        assert (found.records, found.draws, found.unfinished) == (3, 3 * 760, 0)


def open_inputs(folder: Path, journal: Path) -> dict[str, dict[str, list]]:
    from noiseproof.store.journal import read_journal
    from noiseproof.store.manifest import read_manifest
    from noiseproof.store.state import State

    state = State(slots=3)  # one a class
    for line in read_journal(journal, read_manifest(folder / "whole").meaning_hash):
        state.apply(line.entry)
    return state.open


def test_the_kills_fell_in_the_middle_of_inputs_and_of_requests(folder):
    """Or the tests above would show nothing."""
    journals = sorted(folder.glob("journal-*"))
    assert len(journals) == 2 * ROUNDS
    left = [open_inputs(folder, journal) for journal in journals]
    assert sum(map(bool, left)) >= len(left) / 2
    edges = {60, 100, 700}  # the draws of a stage after its requests
    drawn = [[sum(d.n for d in ranges) for stages in state.values() for ranges in stages.values()] for state in left]
    assert sum(bool(set(of_one) - edges) for of_one in drawn) >= 5
    # no draw that was kept is made again: a restart would be another environment
    assert not any('"is":"restart"' in (folder / f"killed-{i}" / "journal.jsonl").read_text() for i in range(ROUNDS))


MODEL = """
import time
import torch

class Slow(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.linspace(-1, 1, 7840).reshape(784, 10).sin())
    def forward(self, x):
        time.sleep(0.02)
        return (x.flatten(1) - 0.5) @ self.weight.roll(1, 0)

def make():
    return Slow()
"""


def test_the_same_command_line_after_a_kill(tmp_path):
    """The real thing, once: a process of its own, kill -9, the same line again."""
    (tmp_path / "model.py").write_text(MODEL)
    settings = {"model": f"{tmp_path}/model.py:make", "data": "fashion-mnist-small", "sigma": 0.5, "n0": 20, "n": 900}
    settings |= {"num_classes": 10, "every": 300, "limit": 2, "batch_size": 32, "workers": 1, "device": "cpu"}
    flags = [word for name, value in settings.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    python = [sys.executable, "-c", "from noiseproof.cli.main import main; main()", "certify", *flags]
    line = [*python, "--out", str(tmp_path / "run")]

    journal = tmp_path / "run" / "journal.jsonl"
    with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        patience = time.monotonic() + 60
        while not (journal.exists() and b'"is":"range"' in journal.read_bytes()):
            assert process.poll() is None, process.stderr and process.stderr.read().decode()
            assert time.monotonic() < patience
            time.sleep(0.01)
        time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert read_run(tmp_path / "run").state.open
    assert read_run(tmp_path / "run").records == []

    again = subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)
    assert again.returncode == 0, again.stderr
    assert len(read_run(tmp_path / "run").state.sessions) == 2
    assert verify(tmp_path / "run").records == 2
    certify(out=tmp_path / "whole", **settings)
    assert counts_and_certificates(tmp_path / "run") == counts_and_certificates(tmp_path / "whole")

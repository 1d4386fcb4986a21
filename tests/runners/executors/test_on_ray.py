"""Draws made by actors of Ray, on two machines that are one: counts are those of one process, whatever ends meanwhile.

Also the short drills; the long ones are ``benchmarks/cluster.py``.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from noiseproof.cli.main import run
from noiseproof.errors import ModelError, RunError
from noiseproof.store import read_run, verify
from tests.asking import certify

pytestmark = [pytest.mark.extra("ray"), pytest.mark.slow]

ASKED = {"sigma": 0.5, "n0": 20, "n": 1500, "batch_size": 16, "workers": 1, "device": "cpu", "num_classes": 3}
ASKED |= {"model": "m.py:make", "data": "d.py:few"}
MODEL = """
import os, sys, time
from pathlib import Path
import torch

HERE = Path(__file__).parent

class Slow(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.linspace(-1, 1, 48).reshape(16, 3).sin())
        self.pid, self.pause, self.poison = 0, 0.0, ""

    def begin(self):
        self.pid = os.getpid()
        if not Path(sys.argv[0]).name.startswith("default_worker"):
            return  # the driver's, or that of a run without actors
        (HERE / "pids" / str(self.pid)).touch()
        behaves = (HERE / "behaves").read_text()
        self.pause = 0.002 if behaves in ("exit", "raise") else 0.01
        self.poison = behaves
        if behaves == "dawdle":
            try:
                (HERE / "slowest").touch(exist_ok=False)
                self.pause = 2.0
            except FileExistsError:
                pass

    def forward(self, x):
        if self.pid != os.getpid():
            self.begin()
        if self.poison in ("exit", "raise") and (x.flatten(1)[:, :8].mean(1) - x.flatten(1)[:, 8:].mean(1) > 0.9).any():
            if self.poison == "exit":
                os._exit(1)
            raise ValueError("poisoned")
        time.sleep(self.pause)
        return (x.flatten(1) - 0.5) @ self.weight

def make():
    return Slow()
"""
DATA = """
import numpy as np
from noiseproof.data import DataSet

def make(count):
    generator = np.random.default_rng(0)
    pictures = generator.integers(0, 200, (count, 1, 4, 4), dtype=np.uint8)
    labels = generator.integers(0, 3, count)
    pictures[17:18].reshape(-1, 16)[:] = [255] * 8 + [0] * 8
    return DataSet("tiny", ("a", "b", "c"), (1, 4, 4), labels, pictures)

few = make(4)
many = make(20)
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two machines with one core each, both on this one."""
    from ray.cluster_utils import Cluster

    os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"
    settings = {"num_cpus": 1, "num_gpus": 0, "object_store_memory": 80_000_000, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=settings)
    made.add_node(num_cpus=1, num_gpus=0, object_store_memory=80_000_000)
    yield made
    made.shutdown()


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    (tmp_path / "pids").mkdir()
    (tmp_path / "m.py").write_text(MODEL)
    (tmp_path / "behaves").write_text("")
    (tmp_path / "d.py").write_text(DATA)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def on_ray(cluster, folder) -> Callable[..., Any]:
    """A run by actors of the cluster."""

    def certified(out: str = "ray", behaves: str = "", **changes: Any) -> Any:
        (folder / "behaves").write_text(behaves)
        return certify(out=folder / out, address=cluster.address, executor="ray", **(ASKED | changes))

    return certified


def here(**changes: Any) -> Any:
    """The same in this process, with a base classifier that does not take its time."""
    return certify(out=Path("here"), **(ASKED | changes))


def said(found: Any) -> set[Any]:
    return {(r.key, r.index, r.label, r.clean, r.answers, r.outcome) for r in found.records}


def test_counts_are_those_of_one_process_and_the_same_call_goes_on(on_ray):
    from noiseproof.runners.executors import on_ray as module

    found = on_ray(limit=2)
    assert len(found.records) == 2
    handed: list[tuple[Any, set[str]]] = []
    draw = module.RayFleet.draw

    def noted(self, actor, segments, *told):
        handed.append((actor, {each.words.key for each in segments}))
        return draw(self, actor, segments, *told)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.RayFleet, "draw", noted)
        found = on_ray()
    assert said(found) == said(here())
    assert verify(Path("ray")).records == 4
    assert found.state.sealed
    done = {record.key for record in read_run(Path("ray")).records[:2]}
    assert not done & set.union(*(keys for _, keys in handed)), "what is finished is not drawn again"
    by_key = {key: {actor for actor, keys in handed if key in keys} for _, keys in handed for key in keys}
    assert max(map(len, by_key.values())) == 2, "draws of one input are split"
    session = found.state.sessions[-1]
    assert (session["executor"], session["actors"], session["workers"], session["device"]) == ("ray", 2, 1, "cpu")
    assert session["threads"]["OMP_NUM_THREADS"] == "1"  # as Ray sets it: the cores of an actor
    plain = dict(read_run(Path("here")).state.sessions[-1])
    assert {name: session[name] for name in ("backend", "precision", "batch_size", "version")} == {
        name: plain[name] for name in ("backend", "precision", "batch_size", "version")
    }
    assert found.manifest.meaning == read_run(Path("here")).manifest.meaning
    again = on_ray()  # nothing is left: no actor is started for it
    assert len(again.state.sessions) == 2


def killer(folder: Path, kills: int, ended: threading.Event) -> threading.Thread:
    """Kills actors while they draw."""
    chance = np.random.default_rng(3)

    def kill() -> None:
        for _ in range(kills):
            while not ended.is_set():
                pids = [int(path.name) for path in (folder / "pids").iterdir() if int(path.name) != os.getpid()]
                if pids:
                    time.sleep(chance.uniform(0.5, 1.5))
                    os.kill(pids[0], signal.SIGKILL)
                    (folder / "pids" / str(pids[0])).unlink()
                    break
                time.sleep(0.1)

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


def test_actors_that_are_killed(on_ray, folder):
    ended = threading.Event()
    thread = killer(folder, 3, ended)
    try:
        found = on_ray(n=4000)
    finally:
        ended.set()
        thread.join()
    assert said(found) == said(here(n=4000))
    assert verify(Path("ray")).records == 4


def test_a_machine_that_goes_and_one_that_comes(on_ray, cluster, folder):
    moved = []

    def move(progress: Any) -> None:
        if not moved and progress.done >= 1:
            machine = next(iter(cluster.worker_nodes))
            cluster.remove_node(machine, allow_graceful=False)
            moved.append(cluster.add_node(num_cpus=1, num_gpus=0, object_store_memory=80_000_000))

    found = on_ray(n=4000, progress=move)
    assert moved
    assert said(found) == said(here(n=4000))


@pytest.mark.parametrize("behaves", ["exit", "raise"])
def test_a_poisoned_input_is_left_out_and_all_others_are_there(on_ray, behaves):
    settings = {"data": "d.py:many", "n": 100, "n0": 20, "sigma": 0.25}
    with pytest.raises(ModelError, match="1 of 20 inputs are left out, all others are finished") as raised:
        on_ray(behaves=behaves, **settings)
    assert ("its actor ended" if behaves == "exit" else "ValueError: poisoned") in str(raised.value)
    found, whole = read_run(Path("ray")), said(here(**settings))
    assert said(found) == {each for each in whole if each[1] != 17}
    assert not found.state.sealed
    if behaves == "exit":
        assert said(on_ray(**settings)) == whole, "the same line tries it again"


def test_a_slow_actor_holds_nobody_up(on_ray):
    started = time.monotonic()
    found = on_ray(behaves="dawdle", n=3000)
    took = time.monotonic() - started
    assert said(found) == said(here(n=3000))
    assert Path("slowest").exists()
    assert took < 4 * 3000 / 16 * 2.0 / 4  # of which it would take a half


def test_a_full_disk_at_the_driver(on_ray, monkeypatch):
    real, written = os.pwrite, []

    def full(file: int, data: bytes, at: int) -> int:
        written.append(data)
        if len(written) == 12:
            raise OSError(28, "No space left on device")
        return real(file, data, at)

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(RunError, match="No space left on device; everything up to here is kept"):
        on_ray()
    assert said(on_ray()) == said(here())


def test_a_driver_that_is_killed(cluster, folder):
    settings = ASKED | {"executor": "ray", "address": cluster.address, "out": "ray"}
    flags = [word for name, value in settings.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    line = [sys.executable, "-c", "from noiseproof.cli.main import main; main()", "certify", *flags]
    journal = folder / "ray" / "journal.jsonl"
    with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        patience = time.monotonic() + 90
        while not (journal.exists() and journal.read_bytes().count(b'"is":"range"') > 5):
            assert process.poll() is None, process.stderr and process.stderr.read().decode()
            assert time.monotonic() < patience
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    before = read_run(folder / "ray")
    again = subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)
    assert again.returncode == 0, again.stderr
    assert "(raylet)" not in again.stdout + again.stderr
    assert said(before) <= said(read_run(folder / "ray"))
    assert said(read_run(folder / "ray")) == said(here())
    assert '"is":"restart"' not in journal.read_text()


# --- bad use --------------------------------------------------------------------------------------------------------


def test_what_an_actor_cannot_do_is_said_with_its_machine(on_ray, folder, monkeypatch):
    from noiseproof.runners.executors import on_ray as module

    real = module.Order

    def hidden(*given: Any) -> Any:
        (folder / "m.py").unlink()
        return real(*given)

    monkeypatch.setattr(module, "Order", hidden)
    with pytest.raises(ModelError, match=r"no actor can take part: on .*: .*m\.py"):
        on_ray()
    assert not (folder / "ray" / "manifest.json").exists(), "the folder is new again"


def test_gpus_that_are_not_there_and_several_for_an_actor(on_ray):
    with pytest.raises(
        RunError, match="device cuda needs a Ray cluster with GPUs, this one has none; give --device cpu"
    ):
        on_ray(device="cuda")
    with pytest.raises(ValueError, match=r"device must be auto, cpu or cuda with executor ray, .* got 'cuda:1'"):
        on_ray(device="cuda:1")


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("127.0.0.1:1", "no Ray cluster answers at 127.0.0.1:1: "),
        ("nowhere", "address must be HOST:PORT, auto or local, got 'nowhere'"),
        ("ray://127.0.0.1:10001", "address must be that of the cluster itself (HOST:6379), not of Ray Client"),
    ],
)
def test_a_cluster_that_is_not_there(folder, address, told, capsys):
    flags = [word for name, value in ASKED.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    line = ["certify", *flags, "--executor", "ray", "--out", "r"]
    assert run([*line, "--address", address]) in (1, 2)
    assert told in capsys.readouterr().err
    assert not (folder / "r" / "manifest.json").exists(), "the folder is new again"


def test_a_cluster_that_refuses(folder, monkeypatch):
    import ray

    def refuses(**settings: Any) -> None:
        raise ConnectionError(f"Ray runtime not found at {settings['address']}")

    monkeypatch.setattr(ray, "init", refuses)
    with pytest.raises(RunError, match="cannot join the Ray cluster at auto: Ray runtime not found at auto; start one"):
        certify(out="r", executor="ray", address="auto", **ASKED)


def test_two_drivers_on_one_folder(on_ray, folder, capsys):
    from noiseproof.store.lock import FolderLock

    (folder / "ray").mkdir()
    with FolderLock(folder / "ray"), pytest.raises(RunError, match="is in use by another process"):
        on_ray()

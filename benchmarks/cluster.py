"""Runs by actors of Ray, disturbed; what handing over costs; and how many actors one driver can feed.

python benchmarks/cluster.py drills --rounds 20 [--seed N]
python benchmarks/cluster.py overhead [--seconds S]
python benchmarks/cluster.py growth [--actors 100,300,1000]

``drills``: each round kills actors, or a machine, at random moments of a run on two machines that are one (loopback),
or the driver, which is then started again; a round is equal if counts, certificates and stored requests are those of
one process.

``overhead``: the same draws by one process with two workers and by two actors with one each, a batch taking
``--seconds`` of sleep: what is lost is the driver's. Starting actors is left out.

``growth``: real calls of Ray to actors that sleep instead of drawing, hundreds in one process, each answering after two
seconds with counts: the share of the time in which they have something to do, and the driver's CPU time a call.
Nothing is stored.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ |= {"OMP_NUM_THREADS": "1", "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0", "RAY_DEDUP_LOGS_SKIP_REGEX": ".*"}

import numpy as np

from noiseproof.engine import Drawn, Engine, Task
from noiseproof.noises import Gaussian
from noiseproof.procedures import Certify
from noiseproof.runners.executors import crew as crew_module
from noiseproof.runners.executors.crew import PIECE_SECONDS, Crew
from noiseproof.runners.executors.fleet import Hello
from noiseproof.store import read_run
from noiseproof.tallies import CLASS_VOTES

MEMORY = 80_000_000
MODEL = """
import os, sys, time
from pathlib import Path
import torch

HERE = Path(__file__).parent

class Slow(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.linspace(-1, 1, 7840).reshape(784, 10).sin() / 28)
        self.pause = float((HERE / "pause").read_text())
        self.pid = 0

    def forward(self, x):
        if self.pid != os.getpid() and Path(sys.argv[0]).name.startswith("default_worker"):
            self.pid = os.getpid()
            (HERE / "pids" / str(self.pid)).touch()
        time.sleep(self.pause)
        return (x.flatten(1) - 0.5) @ self.weight.roll(1, 0)

def make():
    return Slow()
"""


def line(folder: Path, out: str, *more: str, n: int = 4000, limit: int = 6) -> list[str]:
    asked = [
        "certify", "--model", f"{folder}/m.py:make", "--data", "fashion-mnist-small", "--sigma", "0.5", "--n0", "20",
        "--n", str(n), "--every", "50", "--limit", str(limit), "--batch-size", "32", "--device", "cpu",
    ]  # fmt: skip
    return [sys.executable, "-m", "noiseproof", *asked, "--out", str(folder / out), *more]


def prepared(folder: Path, pause: float) -> None:
    (folder / "pids").mkdir(exist_ok=True)
    (folder / "m.py").write_text(MODEL)
    (folder / "pause").write_text(str(pause))


def records(path: Path) -> set[Any]:
    return {(r.key, r.index, r.label, r.clean, r.answers, r.outcome) for r in read_run(path).records}


def started(cluster: Any, folder: Path, out: str) -> subprocess.Popen[bytes]:
    more = ["--workers", "1", "--executor", "ray", "--address", cluster.address]
    with (folder / f"{out}.log").open("a") as log:
        return subprocess.Popen(line(folder, out, *more), stdout=log, stderr=log)


def kill_actor(folder: Path) -> bool:
    for path in (folder / "pids").iterdir():
        path.unlink()
        try:
            os.kill(int(path.name), signal.SIGKILL)
        except ProcessLookupError:
            continue
        return True
    return False


def begun(begin: Callable[[], Any]) -> Any:
    """What begins here, tried again: a machine of Ray gives up where its helpers take 15 seconds to begin."""
    for _ in range(9):
        try:
            return begin()
        except Exception as error:  # noqa: BLE001  # Ray raises no other
            print(f"again, since a machine did not begin: {str(error)[:100]}", flush=True)
    return begin()


def drills(rounds: int, seed: int) -> None:
    from ray.cluster_utils import Cluster

    chance = random.Random(seed)
    settings = {"num_cpus": 1, "num_gpus": 0, "object_store_memory": MEMORY}
    head = settings | {"include_dashboard": False}
    cluster = begun(lambda: Cluster(initialize_head=True, head_node_args=head))
    machine = begun(lambda: cluster.add_node(**settings))
    landed, equal = 0, 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepared(folder, 0.0)
        subprocess.run(line(folder, "whole", "--workers", "2"), check=True, capture_output=True)
        (folder / "pause").write_text("0.01")
        whole = records(folder / "whole")
        for number in range(rounds):
            out, disturbed = f"run-{number}", 0
            for path in (folder / "pids").iterdir():
                path.unlink()
            process = started(cluster, folder, out)
            while process.poll() is None:
                time.sleep(chance.uniform(1, 4))
                journal = folder / out / "journal.jsonl"
                if disturbed >= 3 or not (journal.exists() and b'"is":"range"' in journal.read_bytes()):
                    continue
                kind = chance.choice(["actor", "actor", "machine", "driver"])
                if kind == "actor":
                    disturbed += kill_actor(folder)
                elif kind == "machine":
                    cluster.remove_node(machine, allow_graceful=False)
                    machine = begun(lambda: cluster.add_node(**settings))
                    disturbed += 1
                else:
                    process.kill()
                    process.wait()
                    process = started(cluster, folder, out)
                    disturbed += 1
            landed += disturbed > 0
            same = process.returncode == 0 and records(folder / out) == whole
            equal += same
            print(f"round {number}: {disturbed} disturbances, {'equal' if same else 'NOT equal'}", flush=True)
            if not same:
                print(f"status {process.returncode}\n{(folder / f'{out}.log').read_text()}", flush=True)
    cluster.shutdown()
    print(f"| rounds | disturbed | equal |\n| --- | --- | --- |\n| {rounds} | {landed} | {equal} |")
    sys.exit(equal != rounds)


def overhead(seconds: float) -> None:
    """Both ways draw as many batches; the rest of their time is the way's own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepared(folder, seconds)
        rates = {}
        for way, more in (("one process", ["--workers", "2"]), ("two actors", ["--workers", "1", "--executor", "ray"])):
            subprocess.run(line(folder, way, *more, n=6000, limit=4), check=True, capture_output=True)
            found = read_run(folder / way)
            rates[way] = sum(r.draws for r in found.records) / sum(r.seconds for r in found.records)
            print(f"{way}: {rates[way]:,.0f} draws/s of at most {2 * 32 / seconds:,.0f}", flush=True)
        lost = 1 - rates["two actors"] / rates["one process"]
        print(f"two actors are {100 * lost:.1f}% slower than one process with two workers")


class Host:
    """Many actors in one process, which sleep."""

    async def hello(self) -> Hello:
        environment = {"device": "cpu", "backend": "none", "precision": "fp32", "batch_size": 100, "workers": 1}
        return Hello(environment | {"version": "0"}, "d" * 64, 0.0, "", 1000.0, "host")

    async def draw(self, segments: Any, tally: Any, tolerance: float, clean: Any) -> Any:
        seconds = sum(n for _, n in segments) / 1000.0
        await asyncio.sleep(seconds)
        counts = np.zeros((len(segments), 1000), dtype=np.int64)
        counts[:, 0] = [n for _, n in segments]
        return counts, seconds, [0] * len(clean)


class Hosted:
    """A fleet of actors of which hundreds share a process."""

    needs = "nothing"

    def __init__(self, ray: Any, size: int) -> None:
        self._ray, self._size, self._next = ray, size, 0
        self._hosts = [
            ray.remote(Host).options(num_cpus=0, max_concurrency=4000).remote() for _ in range(max(1, size // 500))
        ]
        self._tail: dict[int, Any] = {}
        self._left = {}

    def capacity(self) -> int:
        return self._size

    def hire(self) -> Any:
        self._next += 1
        return self._next, self._hosts[self._next % len(self._hosts)].hello.remote()

    def draw(self, actor: int, segments: Any, tally: Any, tolerance: float, clean: Any) -> Any:
        told = [(each.first, each.n) for each in segments]
        return self._hosts[actor % len(self._hosts)].draw.remote(told, None, tolerance, clean)

    def wait(self, calls: Any, seconds: float) -> list[Any]:
        ready, _ = self._ray.wait(calls, num_returns=1, timeout=seconds)
        if ready and len(calls) > 1:
            ready, _ = self._ray.wait(calls, num_returns=len(calls), timeout=0)
        return list(ready)

    def answer(self, call: Any) -> Any:
        return self._ray.get(call)

    def dismiss(self, actor: int) -> None:
        pass


def growth(sizes: list[int]) -> None:
    import ray

    print("| actors | calls/s | of what they could take | driver CPU a call |\n| --- | --- | --- | --- |", flush=True)
    crew_module.WINDOW = 1  # an actor here takes all its calls at once: one at a time is what one takes
    for size in sizes:
        ray.init(address="local", num_cpus=1, include_dashboard=False, object_store_memory=MEMORY, log_to_driver=False)
        fleet = Hosted(ray, size)
        crew = Crew(fleet, 1000)
        crew.gather()
        x = np.zeros((3, 32, 32), dtype=np.int16)
        tasks = (Task(f"{i:032x}-0", x) for i in range(10**9))
        rows, began, cpu, first = 0, time.monotonic(), time.process_time(), None
        for event in Engine(crew, Gaussian(sigma=0.5).on((3, 32, 32))).run(Certify(n0=100, n=100_000), tasks):
            now = time.monotonic()
            if first is None and now - began > 10:
                first, rows, cpu = now, 0, time.process_time()
            if isinstance(event, Drawn):
                rows += event.n
            if first is not None and now - first > 20:
                break
        calls = rows / (1000 * PIECE_SECONDS)
        took, used = time.monotonic() - (first or began), time.process_time() - cpu
        share = rows / took / (1000 * size)
        print(f"| {size:,} | {calls / took:,.0f} | {100 * share:.0f}% | {1000 * used / calls:.2f} ms |", flush=True)
        ray.shutdown()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    one = verbs.add_parser("drills")
    one.add_argument("--rounds", type=int, default=20)
    one.add_argument("--seed", type=int, default=0)
    verbs.add_parser("overhead").add_argument("--seconds", type=float, default=0.1)
    verbs.add_parser("growth").add_argument("--actors", default="100,300,1000")
    asked = parser.parse_args()
    assert CLASS_VOTES.slots(1000) == 1000
    if asked.verb == "drills":
        drills(asked.rounds, asked.seed)
    elif asked.verb == "overhead":
        overhead(asked.seconds)
    else:
        growth([int(size) for size in asked.actors.split(",")])


if __name__ == "__main__":
    main()

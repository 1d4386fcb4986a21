"""200 clients at once against noiseproof serve for a minute: is every answer right, does it grow, is 429 honest?

    python benchmarks/serving.py --model runs/m25 --sigma 0.25

Starts the service with a bounded queue, asks the three questions about pictures of the data and about random ones, and
waits as long as Retry-After says. Then every run folder is verified and held against what its client was told, some are
drawn again, and the memory of the service is looked at. Exits 1 if anything is wrong. Figures: docs/serving.md.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from statistics import median

import noiseproof
from noiseproof.store import read_run

KINDS = (("predict", {"n": 200}), ("certify", {"n": 1000}), ("decide", {"radius": 0.25, "n_max": 2000}))


class Client(threading.Thread):
    """Asks one question after the other, as long as it is told."""

    def __init__(self, number: int, port: int, end: float) -> None:
        super().__init__()
        self.chance, self.port, self.end = random.Random(number), port, end
        self.answers: list[tuple[dict[str, object], float]] = []
        self.statuses: Counter[str] = Counter()
        self.waits: list[int] = []

    def run(self) -> None:
        while time.monotonic() < self.end:
            asked, settings = self.chance.choice(KINDS)
            body = dict(settings)
            if self.chance.random() < 0.5:
                body["index"] = self.chance.randrange(1000)
            else:
                body["pixels"] = [[[self.chance.randrange(256) for _ in range(28)] for _ in range(28)]]
            self.ask(asked, body)

    def ask(self, asked: str, body: dict[str, object]) -> None:
        began = time.monotonic()
        line = HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            line.request("POST", f"/v1/{asked}", json.dumps(body), {"content-type": "application/json"})
            response = line.getresponse()
            said, status = response.read(), response.status
        except (OSError, HTTPException) as error:
            self.statuses[type(error).__name__] += 1
            return
        finally:
            line.close()
        self.statuses[str(status)] += 1
        if status == 200:
            self.answers.append((json.loads(said.splitlines()[-1]), time.monotonic() - began))
        elif status == 429:
            after = int(response.headers["retry-after"])
            self.waits.append(after)
            time.sleep(max(0.0, min(after, self.end - time.monotonic())))


def resident(pid: int) -> float:
    """MiB that a process has in memory."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def wrong_of(out: Path, told: dict[str, object]) -> str:
    """What is wrong with an answer, held against its run folder, which must verify."""
    run = out / str(told["run"])
    noiseproof.verify(run)
    (record,) = read_run(run).records
    outcome = record.outcome
    same = {name: told[name] for name in ("radius", "p_lower", "p_upper", "p_value", "answer", "norm") if name in told}
    if any(getattr(outcome, name) != value for name, value in same.items()):
        return f"{run}: told {told}, kept {outcome}"
    return "" if (told["prediction"], told["draws"]) == (outcome.prediction, record.draws) else f"{run}: told {told}"


def main() -> int:
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--model", required=True)
    given.add_argument("--sigma", type=float, required=True)
    given.add_argument("--clients", type=int, default=200)
    given.add_argument("--seconds", type=float, default=60.0)
    given.add_argument("--redrawn", type=int, default=20)
    asked = given.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "served"
        command = [sys.executable, "-m", "noiseproof", "serve", "--model", asked.model, "--sigma", str(asked.sigma)]
        command += ["--out", str(out), "--port", "0", "--at-once", "16", "--waiting", "64"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            return measured(server, out, asked)
        finally:
            server.kill()


def measured(server: subprocess.Popen[str], out: Path, asked: argparse.Namespace) -> int:
    assert server.stdout is not None
    port = int(re.search(r":(\d+)/", server.stdout.readline())[1])
    alone = Client(-1, port, 0.0)
    alone.ask("certify", {"index": 0, "n": 50_000})
    (answer, seconds) = alone.answers[0]
    rate = int(str(answer["draws"])) / seconds
    print(f"one request alone: {rate:,.0f} draws/s, {resident(server.pid):.0f} MiB")
    end = time.monotonic() + asked.seconds
    clients = [Client(number, port, end) for number in range(asked.clients)]
    for client in clients:
        client.start()
    sizes = []
    while time.monotonic() < end:
        time.sleep(asked.seconds / 6)
        sizes.append(resident(server.pid))
    for client in clients:
        client.join()
    statuses = sum((client.statuses for client in clients), Counter())
    answers = [each for client in clients for each in client.answers]
    waits = [wait for client in clients for wait in client.waits]
    seconds = sorted(each for _, each in answers)
    draws = sum(int(str(told["draws"])) for told, _ in answers)
    print(f"{asked.clients} clients, {asked.seconds:g} s: {dict(statuses)}")
    print(f"answered: {draws:,} draws, {draws / asked.seconds / rate:.2f} of the draws/s of one request alone")
    print(f"seconds of an answer: median {median(seconds):.1f}, 99 % within {seconds[int(0.99 * len(seconds))]:.1f}")
    print(f"Retry-After: {min(waits, default=0)} to {max(waits, default=0)} s")
    print("MiB over the time:", " ".join(f"{size:.0f}" for size in sizes))
    server.terminate()
    print(server.stdout.read().strip(), "- status", server.wait(30))
    wrong = [said for told, _ in answers if (said := wrong_of(out, told))]
    kept = [manifest.parent for manifest in out.rglob("manifest.json")]
    print(f"{len(answers):,} answers, each as its run folder has it, which verifies; wrong: {len(wrong)}")
    some = random.Random(0).sample([str(told["run"]) for told, _ in answers], min(asked.redrawn, len(answers)))
    differing = sum(noiseproof.verify(out / run, "all").redrawn.differing for run in some)
    print(f"{len(some)} drawn again: votes that differ: {differing}; run folders in all: {len(kept):,}")
    bad = set(statuses) - {"200", "429"}
    grown = sizes[-1] - sizes[1]
    print(*wrong[:5], sep="\n")
    return int(bool(wrong or bad or differing or grown > 50 or len(kept) != len(answers) + 1))


if __name__ == "__main__":
    sys.exit(main())

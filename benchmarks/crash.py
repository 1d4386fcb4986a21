"""Runs that are killed, starved and confused at random moments: each goes on to the counts of one that was not.

python benchmarks/crash.py --rounds 500 [--seconds S] [--seed N] [--kind KIND ...]

Kinds: ``sampling``, SIGKILL at a random moment; ``append``, SIGKILL in the middle of the write of a journal line;
``export``, SIGKILL while a table is written; ``disk``, a file-size limit; ``torn``, a journal cut at a random byte;
``second``, another process on a folder in use, which then takes over; ``clock``, clocks that jump hours either way.

A round ends with the same run again, undisturbed. It is equal if counts, certificates and stored requests are those of
a run that was never disturbed, ``verify`` holds, nothing is left open and no draw that was kept was made again. Exit
status 1 if one is not. Children are forked from a process that has imported torch and not used it.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# OpenBLAS would start threads when it is imported, and a fork has only the thread that forked
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import numpy as np
import torch

import noiseproof
import noiseproof.engine.lane as lane
from noiseproof import Certify, Compute, Gaussian, Subject
from noiseproof.data import DataSet
from noiseproof.errors import RunError
from noiseproof.noises.rounded_normal import rounded_normal
from noiseproof.progress import Progress
from noiseproof.store import read_run, verify
from noiseproof.store.exchange import export_run

INPUTS, PAUSE, REFUSED = 3, 0.003, 3


class Slow(torch.nn.Module):
    """A linear classifier that takes its time: a run of it can be hit."""

    def __init__(self, pause: float) -> None:
        super().__init__()
        self.pause = pause
        self.weight = torch.nn.Parameter(torch.linspace(-1, 1, 48).reshape(16, 3).sin())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        time.sleep(self.pause)
        return (x.flatten(1) - 0.5) @ self.weight


def run(out: Path, pause: float = 0.0, progress: Callable[[Progress], None] | None = None) -> None:
    torch.set_num_threads(1)
    lane.KEEP_EVERY = 0.02  # votes are kept in the middle of a request, too
    generator = np.random.default_rng(0)
    pictures = generator.integers(0, 256, (INPUTS, 1, 4, 4), dtype=np.uint8)
    data = DataSet("tiny:test", ("a", "b", "c"), (1, 4, 4), generator.integers(0, 3, INPUTS), pictures)
    subject = Subject(model=Slow(pause).eval(), data=data, num_classes=3)
    compute = Compute(device="cpu", batch_size=16, workers=2)
    noiseproof.run(Certify(n0=60, n=700), Gaussian(sigma=0.5), subject, compute, out=out, progress=progress)


def forked(work: Callable[[], None]) -> int:
    """The pid of a child that does the work: status 0, REFUSED where the package says why not, 1 for a traceback."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        except RunError as error:
            status = REFUSED
            if " is in use by another process" not in str(error) and "cannot write" not in str(error):
                print(f"unexpected: {error}", file=sys.stderr, flush=True)
                status = 1
        except BaseException:  # noqa: BLE001  # a child must not go on as its parent
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    return child


def ended(child: int) -> int:
    """Its exit status; minus the signal where one ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed(child: int) -> bool:
    os.kill(child, signal.SIGKILL)
    return ended(child) == -signal.SIGKILL


def size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def open_inputs(out: Path) -> int:
    """How many inputs the journal has begun and not finished."""
    return len(read_run(out).state.open) if (out / "manifest.json").exists() else 0


@dataclass(frozen=True)
class Drills:
    """The kinds. Each disturbs a run in ``out`` and says whether it fell in the middle of an input (or export)."""

    whole: Path
    chance: random.Random
    seconds: float
    """What an undisturbed slow run takes."""

    def sampling(self, out: Path) -> bool:
        landed = False
        for _ in range(self.chance.randint(1, 3)):  # the later ones hit a process that resumes
            child = forked(lambda: run(out, PAUSE))
            time.sleep(self.chance.uniform(0, self.seconds))
            landed |= killed(child) and open_inputs(out) > 0
        return landed

    def append(self, out: Path) -> bool:
        at, share = self.chance.randint(1, 16), self.chance.random()

        def work() -> None:
            pwrite, seen = os.pwrite, 0

            def dying(file: int, raw: bytes, offset: int) -> int:
                nonlocal seen
                seen += raw.startswith(b'{"is":')
                if seen == at:
                    pwrite(file, raw[: int(share * len(raw))], offset)
                    os.kill(os.getpid(), signal.SIGKILL)
                return pwrite(file, raw, offset)

            os.pwrite = dying
            run(out, PAUSE)

        return ended(forked(work)) == -signal.SIGKILL and open_inputs(out) > 0

    def export(self, out: Path) -> bool:
        """The run is finished; what is hit is the table. It must be the old one whole, or the new one whole."""
        format = self.chance.choice(["tsv", "csv"])
        right, table = self.whole.parent / f"right.{format}", out.with_suffix(f".{format}")
        if not right.exists():
            export_run(self.whole, out=right, format=format)
        old = b"an older table\n" if self.chance.random() < 0.5 else None
        if old is not None:
            table.write_bytes(old)
        shutil.copytree(self.whole, out)
        part, fsync = table.with_name(f"{table.name}.part"), os.fsync

        def work() -> None:
            def slow(file: int) -> None:
                time.sleep(0.005)
                fsync(file)

            os.fsync = slow
            export_run(out, out=table, format=format)

        child = forked(work)
        patience = time.monotonic() + (0.02 if self.chance.random() < 0.3 else 10)
        while not part.exists() and not table.exists() and time.monotonic() < patience:
            time.sleep(0.0002)
        time.sleep(self.chance.uniform(0, 0.008))
        landed = killed(child) and part.exists()
        left = table.read_bytes() if table.exists() else None
        assert left in (old, right.read_bytes()), f"{table} is neither the old table nor the new one"
        export_run(out, out=table, format=format)
        assert table.read_bytes() == right.read_bytes(), f"{table} is not what it should be"
        return landed

    def disk(self, out: Path) -> bool:
        limit = int(self.chance.uniform(300, 1.1 * size(self.whole / "journal.jsonl")))

        def work() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            run(out, PAUSE)

        status = ended(forked(work))
        assert status in (0, REFUSED), f"a full disk ended it with status {status}"
        journal = out / "journal.jsonl"
        assert not journal.exists() or journal.read_bytes()[-1:] in (b"", b"\n"), "half a line was left"
        return status == REFUSED and open_inputs(out) > 0

    def torn(self, out: Path) -> bool:
        """A journal that lost its end, at any byte: what a power cut leaves."""
        shutil.copytree(self.whole, out)
        journal = out / "journal.jsonl"
        raw = journal.read_bytes()
        end = self.chance.randrange(len(raw))
        rubbish = b"" if self.chance.random() < 0.5 else b"\0" * self.chance.randint(1, 600)  # blocks never written
        if raw[:end].endswith(b"\n"):
            rubbish = rubbish or b'{"is":"ra'
        journal.write_bytes(raw[:end] + rubbish)
        return open_inputs(out) > 0

    def second(self, out: Path) -> bool:
        first = forked(lambda: run(out, PAUSE))
        while not size(out / "journal.jsonl"):
            time.sleep(0.0005)
        time.sleep(self.chance.uniform(0, self.seconds / 2))
        while os.waitpid(first, os.WNOHANG)[0] == 0:
            before = (out / "manifest.json").read_bytes()
            status = ended(forked(lambda: run(out)))
            if os.waitpid(first, os.WNOHANG)[0]:
                return False  # it finished meanwhile: nothing to tell
            assert status == REFUSED, f"a second process on a folder in use ended with status {status}"
            assert (out / "manifest.json").read_bytes() == before, "the second process wrote"
            return killed(first) and open_inputs(out) > 0
        return False

    def clock(self, out: Path) -> bool:
        """No kill: every clock jumps by up to a day, either way, while inputs are under way."""
        seed = self.chance.random()

        def work() -> None:
            chance, jumps = random.Random(seed), [0.0]
            seen: list[Progress] = []
            for name in ("time", "monotonic", "perf_counter"):
                setattr(time, name, jumping(getattr(time, name), chance, jumps))
            run(out, PAUSE / 3, seen.append)
            assert jumps[0], "no clock jumped"
            assert seen, "there was no progress"
            for now in seen:
                assert 0 <= now.done <= now.total == INPUTS, now
                assert now.note[0].isdigit(), now  # a rate that is a number >= 0
                assert now.seconds_left >= 0, now
            assert seen[-1].done == INPUTS
            for record in read_run(out).records:
                assert record.seconds >= 0, f"an input took {record.seconds} s"

        status = ended(forked(work))
        assert status == 0, f"jumping clocks ended it with status {status}"
        return True


def jumping(clock: Callable[[], float], chance: random.Random, jumps: list[float]) -> Callable[[], float]:
    offset = 0.0

    def now() -> float:
        nonlocal offset
        if chance.random() < 0.1:
            offset += chance.uniform(-86400, 86400)
            jumps[0] += 1
        return clock() + offset

    return now


def said(path: Path) -> set[object]:
    return {(r.key, r.index, r.label, r.answers, r.outcome) for r in read_run(path).records}


def differs(out: Path, whole: set[object]) -> str:
    """What is not as it should be after the same run again, undisturbed; empty where all is."""
    status = ended(forked(lambda: run(out)))
    if status:
        return f"the run could not go on (status {status})"
    found = verify(out)
    if found.unfinished:
        return f"{found.unfinished} inputs are left open"
    if b'"is":"restart"' in (out / "journal.jsonl").read_bytes():
        return "draws that were kept were made again"
    return "" if said(out) == whole else "other counts or certificates"


KINDS = ("sampling", "append", "export", "disk", "torn", "second", "clock")


def main() -> int:
    parser = argparse.ArgumentParser(description="Crash drills: rounds of random kinds at random moments.")
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no round after this many")
    parser.add_argument("--seed", type=int, default=0, help="of kinds and moments (the machine adds its own)")
    parser.add_argument("--kind", action="append", choices=KINDS, help="these only")
    asked = parser.parse_args()
    chance, kinds = random.Random(asked.seed), asked.kind or list(KINDS)
    begun, wrong = time.monotonic(), []
    figures = {kind: [0, 0, 0] for kind in kinds}  # rounds, landed, equal
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole"
        rounded_normal(0.5, 255)  # a table that takes half a second: made once, before the forks
        started = time.monotonic()
        assert ended(forked(lambda: run(whole, PAUSE))) == 0
        drills, right = Drills(whole, chance, time.monotonic() - started), said(whole)
        queue: list[str] = []
        for number in range(asked.rounds):
            if time.monotonic() - begun > asked.seconds:
                break
            queue = queue or chance.sample(kinds, len(kinds))  # every kind equally often, in random order
            kind, out = queue.pop(), Path(folder) / f"{number}"
            try:
                landed, problem = getattr(drills, kind)(out), ""
                problem = differs(out, right)
            except (AssertionError, RunError) as error:
                landed, problem = False, str(error)
            for i, is_so in enumerate((True, landed, not problem)):
                figures[kind][i] += is_so
            if problem:
                wrong.append(f"round {number}, {kind}: {problem}")
            shutil.rmtree(out, ignore_errors=True)
    print(f"{'kind':10}{'rounds':>8}{'in the middle':>15}{'equal':>8}")
    for kind, row in [*figures.items(), ("all", [sum(column) for column in zip(*figures.values(), strict=True)])]:
        print(f"{kind:10}{row[0]:8}{row[1]:15}{row[2]:8}")
    print(f"{time.monotonic() - begun:.0f} s, seed {asked.seed}, an undisturbed run takes {drills.seconds:.2f} s")
    print("\n".join(wrong), end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

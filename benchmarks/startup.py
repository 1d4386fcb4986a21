"""What help costs: CPU seconds of the root help and of every verb's, beside the interpreter alone.

    python benchmarks/startup.py [--runs 9] [--verbs certify ...] [--against PYTHON] [--against-source SRC]

``--against`` is another interpreter, such as that of an environment with an older version; ``--against-source`` puts a
folder of sources before what is installed there, such as ``src`` of another worktree. Everything runs in turn, once a
round, each in a process of its own; user plus system seconds, medians over the rounds. A round before the first writes
the bytecode and is not counted: ``PYTHONDONTWRITEBYTECODE`` would make every start compile, so it is unset.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PASS, ROOT = ("-c", "pass"), ("-m", "noiseproof", "--help")


@dataclass(frozen=True)
class House:
    """An interpreter and the noiseproof that it finds."""

    python: str
    source: str | None

    def seconds(self, line: tuple[str, ...]) -> float:
        """CPU seconds of one process, with those of the children it waited for."""
        process = subprocess.Popen(
            [self.python, *line], env=self._environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{self.python} {' '.join(line)} ended with {process.returncode}; see --verbs")
        return usage.ru_utime + usage.ru_stime

    def said(self, *line: str) -> str:
        done = subprocess.run([self.python, *line], env=self._environment(), capture_output=True, text=True, check=True)
        return done.stdout

    def verbs(self) -> list[str]:
        """The first words of the indented lines of the root help: the layout of any parser."""
        return re.findall(r"^ {1,4}([a-z][a-z0-9-]*)(?::| {2,}| *$)", self.said(*ROOT), re.MULTILINE)

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        kept.pop("PYTHONPATH", None)
        return kept if self.source is None else kept | {"PYTHONPATH": self.source}


def measure(houses: list[House], lines: list[tuple[str, ...]], runs: int) -> dict[tuple[House, tuple[str, ...]], float]:
    """Median seconds of every line in every house; a house without a verb has none."""
    known = {house: set(house.verbs()) for house in houses}
    pairs = [(h, line) for line in lines for h in houses if line in (PASS, ROOT) or line[2] in known[h]]
    rounds = [{pair: pair[0].seconds(pair[1]) for pair in pairs} for _ in range(runs + 1)][1:]
    return {pair: statistics.median(taken[pair] for taken in rounds) for pair in pairs}


def processor() -> str:
    said = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*: (.*)$", said.read_text(), re.MULTILINE) if said.exists() else None
    return found[1] if found else platform.processor() or platform.machine()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=9, help="rounds that count (default 9)")
    parser.add_argument("--verbs", nargs="+", help="verbs to ask (default: those of the root help)")
    parser.add_argument("--against", metavar="PYTHON", help="another interpreter")
    parser.add_argument("--against-source", metavar="SRC", help="sources that the other one imports first")
    asked = parser.parse_args()
    houses = [House(sys.executable, os.environ.get("PYTHONPATH"))]
    if asked.against or asked.against_source:
        houses.append(House(asked.against or sys.executable, asked.against_source))
    lines = [PASS, ROOT, *(("-m", "noiseproof", verb, "--help") for verb in asked.verbs or houses[0].verbs())]
    print(f"{processor()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}; medians of {asked.runs}, CPU seconds")
    for name, house in zip(("new", "old"), houses, strict=False):
        about = "import sys, noiseproof; print(sys.version.split()[0], 'noiseproof', noiseproof.__version__, 'of', "
        print(f"{name}: Python", house.said("-c", f"{about}noiseproof.__path__[0])").strip())
    taken = measure(houses, lines, asked.runs)
    labels = ["python -c pass", *(" ".join(("noiseproof", *line[2:])) for line in lines[1:])]
    width = max(map(len, labels))
    print(f"\n{'':{width}} {'new':>6} {'x pass':>6}" + (f" {'old':>6} {'new/old':>7}" if len(houses) > 1 else ""))
    for label, line in zip(labels, lines, strict=True):
        new = taken[houses[0], line]
        old = taken.get((houses[-1], line)) if len(houses) > 1 else None
        beside = "" if old is None else f" {old:6.3f} {new / old:7.2f}"
        print(f"{label:{width}} {new:6.3f} {new / taken[houses[0], PASS]:6.1f}{beside}")

"""What the host costs when the model and its noise cost nothing: engine, procedure and run folder, in CPU seconds.

python benchmarks/engine.py [--classes 10 1000] [--batch 1000] [--seconds 5] [--profile LINES]

The backend hands out votes that were made before, and the key of each stage's words as a device takes it.
``certify`` asks for n = 100,000 of an input; ``decide`` asks at 16 looks for 3,400 draws. Of one input that is drawn
alone, and of many under way together; with the run folder and without. One thread; the interpreter's own seconds.
"""

from __future__ import annotations

import argparse
import cProfile
import itertools
import platform
import pstats
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from noiseproof.engine import Drawn, Engine, Finished, Task
from noiseproof.engine.backend import Segment
from noiseproof.noises import Gaussian, Words
from noiseproof.procedures import Certify, Decide, Procedure
from noiseproof.store import Manifest, Range, RunFolder
from noiseproof.store.manifest import with_design
from noiseproof.tallies import CLASS_VOTES, Tally

if TYPE_CHECKING:
    from noiseproof.types import Counts

NOISE = Gaussian(sigma=0.5).on((3, 32, 32))
PROCEDURES: dict[str, Procedure] = {"certify": Certify(n=100_000), "decide": Decide(radius=0.5, n_max=100_000)}
LOOKS = 16
ENVIRONMENT = {"device": "none", "backend": "none", "precision": "fp32", "batch_size": 1000, "version": "0"}


@dataclass(frozen=True)
class Votes:
    """A batch that is done: of each segment the share of the top class, the rest for nine others."""

    counts: Counts

    def result(self) -> Counts:
        return self.counts


@dataclass
class Free:
    """A backend that computes nothing."""

    classes: int
    batch_size: int
    share: float
    depth: int = 3
    most_segments: int = 128
    keys: dict[Words, Any] = field(default_factory=dict)

    def submit(self, segments: list[Segment], tally: Tally = CLASS_VOTES) -> Votes:
        counts = np.zeros((len(segments), self.classes), dtype=np.int64)
        for row, segment in enumerate(segments):
            if segment.words not in self.keys:
                self.keys = {} if len(self.keys) > 4096 else self.keys
                self.keys[segment.words] = segment.words.page_key(0)
            # of draws 0 to i - 1 the top class has floor(i share), however they are asked for
            first, end = segment.first, segment.first + segment.n
            top = int(end * self.share) - int(first * self.share)
            counts[row, 3] = top
            counts[row, 7] = (segment.n - top) // 2
            counts[row, 1] = segment.n - top - (segment.n - top) // 2
        return Votes(counts)

    def close(self) -> None: ...

    def environment(self) -> dict[str, Any]:
        return ENVIRONMENT


def share_of(procedure: Procedure) -> float:
    """The share of the top class with which it is done after so many looks."""
    for share in np.linspace(0.95, 0.85, 2000).tolist() if isinstance(procedure, Decide) else [0.99]:
        engine = Engine(Free(10, 1000, share), NOISE)
        end = next(event for event in engine.run(procedure, tasks(1)) if isinstance(event, Finished))
        if len(end.requests) >= LOOKS or not isinstance(procedure, Decide):
            return share
    raise AssertionError("no share takes so many looks")


def tasks(inputs: int) -> Iterator[Task]:
    x = np.zeros((3, 32, 32), dtype=np.uint8)
    return (Task(f"{index:032x}-0", x, label=3, index=index) for index in range(inputs))


def serve(engine: Engine, procedure: Procedure, inputs: int, alone: bool, folder: RunFolder | None) -> tuple[int, int]:
    """Ask about so many inputs; how many draws and ranges that were."""
    draws = ranges = 0
    runs = ([task] for task in tasks(inputs)) if alone else [tasks(inputs)]
    for event in itertools.chain.from_iterable(engine.run(procedure, each) for each in runs):
        if isinstance(event, Drawn):
            draws, ranges = draws + event.n, ranges + 1
            if folder is not None:
                drawn = Range(event.first, event.n, event.votes, event.seconds)
                folder.add_range(event.task.key, event.stage, drawn)
        elif folder is not None:
            folder.add_record(event.task.key, event.task.index or 0, 3, event.requests, event.outcome)
    return draws, ranges


def once(
    name: str, classes: int, batch: int, share: float, inputs: int, alone: bool, store: bool
) -> tuple[float, int, int]:
    """CPU seconds of so many inputs, their draws and their ranges."""
    procedure = PROCEDURES[name]
    engine = Engine(Free(classes, batch, share), NOISE)
    meaning = {"model": {"fingerprint": "f", "num_classes": classes}, "noise": NOISE.config(), "seed": 0}
    meaning["procedure"] = procedure.config()
    manifest = with_design(Manifest(procedure.verb, meaning, "0"), procedure.design(NOISE))
    place = Path(tempfile.mkdtemp())
    try:
        began = time.process_time()
        if store:
            with RunFolder(place / "run", manifest) as folder:
                folder.begin(ENVIRONMENT, {})
                draws, ranges = serve(engine, procedure, inputs, alone, folder)
        else:
            draws, ranges = serve(engine, procedure, inputs, alone, None)
        return time.process_time() - began, draws, ranges
    finally:
        shutil.rmtree(place)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--classes", type=int, nargs="+", default=[10, 1000])
    parser.add_argument("--batch", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=5.0, help="about what each figure takes")
    parser.add_argument("--profile", type=int, default=0, metavar="LINES", help="of decide with the store, many inputs")
    given = parser.parse_args()
    print(
        f"Python {platform.python_version()}, numpy {np.__version__}, {platform.machine()}, batches of {given.batch}\n"
    )
    head = ["procedure", "classes", "inputs", "store", "inputs/s", "draws/s", "us a look"]
    print("| " + " | ".join(head) + " |\n|" + " --- |" * len(head))
    for name, procedure in PROCEDURES.items():
        share = share_of(procedure)
        for classes, alone, store in itertools.product(given.classes, (True, False), (False, True)):
            inputs, seconds = 20, 0.0
            once(name, classes, given.batch, share, inputs, alone, store)  # tables and designs are made once
            while seconds < given.seconds / 2:
                inputs = max(inputs, int(inputs * given.seconds / max(seconds, given.seconds / 50)))
                seconds, draws, ranges = once(name, classes, given.batch, share, inputs, alone, store)
            row = [name, f"{classes:,}", "one" if alone else "many", "with" if store else "without"]
            row += [f"{inputs / seconds:,.0f}", f"{draws / seconds / 1e6:,.1f} M", f"{seconds / ranges * 1e6:,.0f}"]
            print("| " + " | ".join(row) + " |", flush=True)
    if given.profile:
        profile = cProfile.Profile()
        profile.runcall(once, "decide", given.classes[-1], given.batch, share, 2000, False, True)
        pstats.Stats(profile).sort_stats("tottime").print_stats(given.profile)


if __name__ == "__main__":
    main()

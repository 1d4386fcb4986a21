"""What a run folder costs at ImageNet's size: made through the store's own calls, then resumed, read, verified, merged.

python benchmarks/store.py [--inputs 500 5000 50000] [--classes 1000] [--kinds prefixes ranges decide] [--folder DIR]

Kinds: ``prefixes``, certify with n = 100,000, a range a request; ``ranges``, the same kept in 15 ranges an input, as a
slower model would; ``decide``, inputs near the boundary, about 40 looks each. Some ten classes have votes. Each figure
is of a process of its own: CPU seconds of the call (wall seconds in brackets), and peak memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from noiseproof.noises import Gaussian
from noiseproof.procedures import Certify, Decide, Procedure
from noiseproof.store import Manifest, Range, RunFolder, read_run, verify
from noiseproof.store.exchange import export_run
from noiseproof.store.manifest import read_manifest, with_design
from noiseproof.store.merge import merge
from noiseproof.store.whole import Selection
from noiseproof.tallies import Votes

NOISE = Gaussian(sigma=0.5).on((3, 224, 224))
ENVIRONMENT = {"device": "none", "backend": "none", "precision": "fp32", "batch_size": 1000, "version": "0"}
PROCEDURES: dict[str, Procedure] = {
    "prefixes": Certify(n=100_000),
    "ranges": Certify(n=100_000),
    "decide": Decide(radius=0.5, n_max=100_000),
}
SHARDS = 8


def make(out: Path, kind: str, indices: range, of: int, classes: int) -> None:
    """A run of these inputs, two of them under way; every outcome follows from its counts."""
    procedure, generator = PROCEDURES[kind], np.random.default_rng(indices.start)
    meaning = {
        "model": {"fingerprint": "f", "architecture": "none", "num_classes": classes},
        "data": {"name": "synthetic", "shape": [3, 224, 224], "labels": "0" * 32},
        "noise": NOISE.config(),
        "procedure": procedure.config(),
        "seed": 0,
        "arithmetic": NOISE.arithmetic,
    }
    p0 = NOISE.p_needed(0.5)
    manifest = with_design(Manifest(procedure.verb, meaning, "0"), procedure.design(NOISE))
    with RunFolder(out, manifest) as folder:
        folder.begin(ENVIRONMENT, {"every": indices.step, "start": indices.start, "limit": None})
        for index in indices:
            key, label = f"{generator.bytes(16).hex()}-0", int(generator.integers(classes))
            voted = generator.choice(classes, min(classes, 10), replace=False)
            # a decision near the boundary takes every look
            top = p0 + generator.uniform(-0.001, 0.0025) if kind == "decide" else generator.beta(8, 1)
            p = np.append(top, np.diff(np.geomspace(1 - top, (1 - top) / 50, len(voted))) * -1)
            p = np.append(p, max(0.0, 1 - p.sum()))[: len(voted)]
            voted[voted == label], voted[0] = voted[0], label
            asking, requests, drawn = procedure.run(NOISE, label), [], {}
            request = next(asking)
            while True:
                requests.append((request.stage, request.n))
                total = np.zeros(classes, np.int64)
                parts = 11 if kind == "ranges" and request.n > 9000 else 1
                for n in np.diff(np.linspace(0, request.n, parts + 1).astype(int)).tolist():
                    votes = np.zeros(classes, np.int64)
                    votes[voted] = generator.multinomial(n, p / p.sum())
                    first = drawn.get(request.stage, 0)
                    folder.add_range(key, request.stage, Range(first, n, Votes.of(votes), n / 20_000))
                    drawn[request.stage] = first + n
                    total += votes
                try:
                    request = asking.send(total)
                except StopIteration as said:
                    outcome = said.value
                    break
                if index in indices[-2:]:
                    break
            if index not in indices[-2:]:
                folder.add_record(key, index, label, requests, outcome)
        folder.seal(Selection(indices.step, indices.start, None, of))


def resume(run: Path, scratch: Path) -> None:
    """As a run that goes on does: open for writing, and know what is left."""
    with RunFolder(run, read_manifest(run)) as folder:
        finished = {record.index for record in folder.state.records.values()}
        assert (bool(finished), len(folder.state.open)) == (True, 2), "two are under way"


def show(run: Path, scratch: Path) -> None:
    from noiseproof.reports.show import show as text

    text(run)


def report(run: Path, scratch: Path) -> None:
    from noiseproof.reports.report import report as write
    from noiseproof.reports.summaries import summary_table

    if read_manifest(run).kind == "decide":
        summary_table(read_run(run))
    else:
        write([run], out=scratch / "report")


def page(run: Path, scratch: Path) -> None:
    """As one file to be looked at, verified on the way."""
    from noiseproof.reports.report import report as write

    write([run], html=scratch / "page.html")


def compare(run: Path, scratch: Path) -> None:
    from noiseproof.reports.compare import compare as write

    write([run, scratch / "other"], out=scratch / "compare")


def card(run: Path, scratch: Path) -> None:
    from noiseproof.reports.card import card as write

    write(run)


VERBS: dict[str, Callable[[Path, Path], object]] = {
    "resume": resume,
    "show": show,
    "report": report,
    "page": page,
    "compare": compare,
    "card": card,
    "verify": lambda run, _: verify(run),
    "export": lambda run, scratch: export_run(run, out=scratch / "run.csv", format="csv"),
    "merge": lambda run, scratch: merge(sorted(run.glob("shard-*")), out=scratch / "merged"),
}
NOT_OF_DECISIONS = {"compare", "card"}


def one(verb: str, run: Path) -> None:
    """Do it, and print what it took."""
    with tempfile.TemporaryDirectory(dir=run.parent) as scratch:
        if verb in ("report", "page", "compare", "card"):
            __import__("noiseproof.reports.report")
        if verb == "compare":
            shutil.copytree(run, Path(scratch) / "other")
        cpu, wall = time.process_time(), time.perf_counter()
        VERBS[verb](run, Path(scratch))
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([cpu + children.ru_utime + children.ru_stime, wall, peak]))


def cell(verb: str, run: Path) -> str:
    said = subprocess.run([sys.executable, __file__, "--one", verb, str(run)], capture_output=True, text=True)
    if said.returncode:
        return f"fails: {said.stderr.strip().splitlines()[-1][:60]}"
    cpu, wall, peak = json.loads(said.stdout.splitlines()[-1])
    return f"{cpu:.1f} s ({wall:.1f}), {peak:,.0f} MB"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--inputs", type=int, nargs="+", default=[500, 5000, 50_000])
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--kinds", nargs="+", choices=PROCEDURES, default=list(PROCEDURES))
    parser.add_argument("--verbs", nargs="+", choices=VERBS, default=list(VERBS))
    parser.add_argument("--folder", type=Path, help="keep the runs here, and take those that are there")
    parser.add_argument("--one", nargs=2, metavar=("VERB", "RUN"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        return one(given.one[0], Path(given.one[1]))
    root = given.folder or Path(tempfile.mkdtemp())
    head = ["run", "inputs", "made", "MB", *given.verbs]
    print("| " + " | ".join(head) + " |\n|" + " --- |" * len(head), flush=True)
    for kind in given.kinds:
        for inputs in given.inputs:
            run, shards = root / f"{kind}-{inputs}-{given.classes}", root / f"{kind}-{inputs}-{given.classes}-shards"
            began = time.process_time()
            if not run.exists():
                make(run, kind, range(inputs), inputs, given.classes)
            made = time.process_time() - began
            for shard in range(SHARDS if "merge" in given.verbs and not shards.exists() else 0):
                make(shards / f"shard-{shard}", kind, range(shard, inputs, SHARDS), inputs, given.classes)
            size = sum(file.stat().st_size for file in run.iterdir()) / 1e6
            row = [kind, f"{inputs:,}", f"{made:.0f} s", f"{size:,.0f}"]
            for verb in given.verbs:
                skip = kind == "decide" and verb in NOT_OF_DECISIONS
                row.append("" if skip else cell(verb, shards if verb == "merge" else run))
            print("| " + " | ".join(row) + " |", flush=True)
    if not given.folder:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()

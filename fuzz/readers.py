"""Feed every reader of noiseproof bytes that nobody wrote, and count what comes out other than its own errors.

    python fuzz/readers.py                           every reader, 600 seconds each
    python fuzz/readers.py --reader idx --seconds 60

Coverage-guided by atheris where it is installed (pip install 'noiseproof[fuzz]'), else by random mutation alone.
Inputs that broke the law are kept as OUT/READER/*.bin; `--replay FILE --reader NAME` runs one again. Exit status 1
where there is any.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("OMP_NUM_THREADS", "1")

MEMORY_MB = 2048
"""Of the whole process, torch included; a reader that makes it more is stopped."""
DEADLINE = 10
"""Seconds a read may take."""
LONGEST = 1 << 16
"""Bytes of an input."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reader", action="append", help="one of them; may be given again; default: all")
    parser.add_argument("--seconds", type=int, default=600, help="for each reader")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("fuzz-findings"))
    parser.add_argument("--no-atheris", action="store_true", help="random mutation alone")
    parser.add_argument("--replay", type=Path, help="run one input of --reader again")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        return _child(asked.reader[0], asked.seconds, asked.seed, asked.out, guided=not asked.no_atheris)

    from fuzz.targets import READERS

    names = asked.reader or list(READERS)
    for name in names:
        if name not in READERS:
            parser.error(f"unknown reader {name!r}; known: {', '.join(READERS)}")
    if asked.replay:
        return _replay(names[0], asked.replay)
    guided = not asked.no_atheris and _has_atheris()
    print(f"{'atheris' if guided else 'random mutation'}, {asked.seconds} s a reader, seed {asked.seed}", flush=True)
    total = 0
    for name in names:
        total += _run(name, asked.seconds, asked.seed, asked.out, guided=guided)
    return int(total > 0)


def _has_atheris() -> bool:
    try:
        import atheris  # noqa: F401
    except ImportError:
        return False
    return True


def _run(name: str, seconds: int, seed: int, out: Path, *, guided: bool) -> int:
    """One reader in a process of its own; returns how many findings there are."""
    begun = time.monotonic()
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    before = set(folder.glob("*.bin"))
    command = [sys.executable, __file__, "--child", "--reader", name, "--seconds", str(seconds)]
    command += ["--seed", str(seed), "--out", str(out), *([] if guided else ["--no-atheris"])]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    executions = [
        int(n) for n in re.findall(r"number_of_executed_units: (\d+)|^#(\d+)", done.stderr, re.M) for n in n if n
    ]
    features = [(int(c), int(f)) for c, f in re.findall(r"cov: (\d+) ft: (\d+)", done.stderr)]
    found = sorted(set(folder.glob("*.bin")) - before)
    said = f"{features[-1][0]:,} edges, {features[-1][1]:,} features" if features else "coverage not measured"
    print(
        f"{name:20} {max(executions, default=0):10,} executions  {said}  {len(found)} findings  "
        f"{time.monotonic() - begun:.0f} s" + (f"  (ended with {done.returncode})" if done.returncode else ""),
        flush=True,
    )
    for file in found:
        told = file.with_suffix(".txt")
        last = told.read_text(errors="replace").strip().splitlines()[-1:] if told.exists() else ["the process died"]
        print(f"    {file}: {last[0][:160]}", flush=True)
    if done.returncode and not found:
        print("    " + "\n    ".join(done.stderr.strip().splitlines()[-12:]), flush=True)
    return len(found) or int(done.returncode != 0)


def _child(name: str, seconds: int, seed: int, out: Path, *, guided: bool) -> int:
    if guided:
        return _guided(name, seconds, seed, out)
    from fuzz.mutations import mutated
    from fuzz.targets import READERS

    reader, chance, runs, end = READERS[name], random.Random(seed), 0, time.monotonic() + seconds
    judge = _Judge(name, out)
    while time.monotonic() < end:
        raw = chance.randbytes(chance.randrange(64)) if chance.random() < 0.05 else mutated(chance, reader.seeds())
        judge(raw[:LONGEST])
        runs += 1
    print(f"number_of_executed_units: {runs}", file=sys.stderr)
    return 0


def _guided(name: str, seconds: int, seed: int, out: Path) -> int:
    import atheris

    with atheris.instrument_imports(include=["noiseproof", "tomllib", "tarfile", "pickletools", "json"]):
        from fuzz.mutations import mutated
        from fuzz.targets import READERS

        READERS[name].warm_up()
    seeds, judge = READERS[name].seeds(), _Judge(name, out)

    def change(raw: bytes, most: int, number: int) -> bytes:
        chance = random.Random(number)
        if chance.random() < 0.5:
            return bytes(atheris.Mutate(raw, most))
        return mutated(chance, [raw] if raw and chance.random() < 0.8 else seeds)[:most]

    with tempfile.TemporaryDirectory() as corpus:
        for number, raw in enumerate(seeds):
            (Path(corpus) / str(number)).write_bytes(raw)
        options = [
            f"-max_total_time={seconds}", f"-seed={seed}", f"-max_len={LONGEST}", f"-rss_limit_mb={MEMORY_MB}",
            f"-timeout={DEADLINE + 5}", "-print_final_stats=1", f"-artifact_prefix={out / name}/died-", corpus,
        ]  # fmt: skip
        atheris.Setup([sys.argv[0], *options], judge, custom_mutator=change)
        atheris.Fuzz()
    return 0


class _Judge:
    """Reads one input under the law; what breaks it is kept once a place in the code."""

    def __init__(self, name: str, out: Path) -> None:
        from fuzz.targets import READERS

        self.reader, self.out, self.seen = READERS[name], out / name, set[str]()

    def __call__(self, raw: bytes) -> None:
        last = self.out / "last.input"
        if os.environ.get("FUZZ_KEEP_LAST"):  # for a death that no handler sees
            last.write_bytes(raw)
        try:
            self.reader.check(raw, deadline=DEADLINE)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            frames = traceback.extract_tb(error.__traceback__)
            ours = [frame for frame in frames if "noiseproof" in frame.filename] or frames
            place = f"{type(error).__name__}-{Path(ours[-1].filename).stem}-{ours[-1].lineno}"
            if place not in self.seen:
                self.seen.add(place)
                self.out.mkdir(parents=True, exist_ok=True)
                stem = f"{place}-{hashlib.sha256(raw).hexdigest()[:8]}"
                (self.out / f"{stem}.bin").write_bytes(raw)
                told = "".join(traceback.format_exception(error))
                (self.out / f"{stem}.txt").write_text(told[-20_000:], errors="replace")


def _replay(name: str, file: Path) -> int:
    from fuzz.targets import READERS

    READERS[name].check(file.read_bytes(), deadline=DEADLINE)
    print(json.dumps({"reader": name, "file": str(file), "law": "holds"}))
    return 0


if __name__ == "__main__":
    sys.exit(main())

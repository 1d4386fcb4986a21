"""Random forgeries of run folders, their chains made anew, and which guard finds how many; honest runs beside them.

python benchmarks/forgery.py --forgeries 2000 --honest 500 [--seed N] [--kind KIND ...]

A forger has the folder and everything public, but not the key that signed the seal. Kinds: ``alpha``, ``two-sided``,
``dimension`` and ``sigma`` are settings that are changed behind the counts, ``seed`` is one that was chosen and is
not said; ``votes`` are moved to the class that is certified, ``label`` is a wrong one set right, ``dropped`` are wrong
or abstained inputs, ``occurrence`` is a number that was chosen among equal pictures, ``outcome`` a certificate or
decision that was edited. Whatever follows from a change is made to follow, so that none is found by its clumsiness.

Exit status 1 if a guard misses a forgery that docs/soundness.md says it finds, or an honest run raises an alarm.
"""

from __future__ import annotations

import argparse
import copy
import importlib.util
import os
import random
import shutil
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import numpy as np
import torch

import noiseproof
from noiseproof import Certify, Compute, Decide, Gaussian, Sequential, Subject
from noiseproof.asked import Elsewhere
from noiseproof.data import DataSet
from noiseproof.noises import noise_from
from noiseproof.noises.keys import input_key
from noiseproof.procedures import Procedure, procedure_from, replay
from noiseproof.runners.redraw import Redrawn, redraw
from noiseproof.store import Manifest, Range, RunFolder, read_run, verify
from noiseproof.store.commitment import Commitment, check_commitment
from noiseproof.store.manifest import noise_note
from noiseproof.store.signing import Signer, check_signature
from noiseproof.store.verify import VerificationError
from noiseproof.store.whole import Selection, wholeness
from noiseproof.types import Answer, Certificate, Outcome

SIDE, CLASSES, INPUTS = 4, 3, 8
SELECTION = Selection(every=1, start=0, limit=None, of=INPUTS)
GUARDS = ("verify", "shown", "replay 1", "replay all", "second", "--commitment", "--trust")
REPLAYED = {"replay 1", "replay all", "--commitment", "--trust"}
CLAIMED = {
    "alpha": REPLAYED,
    "two-sided": REPLAYED,
    "dimension": REPLAYED,
    "sigma": REPLAYED,
    "seed": {"replay 1", "replay all", "--trust"},
    "votes": {"replay all", "--trust"},
    "label": {"replay 1", "replay all", "--trust"},
    "dropped": {"shown", "--commitment", "--trust"},
    "occurrence": {"shown", "--commitment", "--trust"},
    "outcome": {"verify", "second", "--trust"},
}
"""What docs/soundness.md says of whom. Where so few votes were moved that all may hang on rounding, a replay says how
many differ and refuses nothing: that counts as shown."""


@dataclass
class Input:
    """A finished input, to be changed."""

    key: str
    index: int
    label: int
    answers: list[Answer]
    outcome: Outcome


@dataclass
class Folder:
    """A run folder in memory, to be changed and written down with a whole chain."""

    manifest: Manifest
    session: dict[str, Any]
    inputs: list[Input]
    model: torch.nn.Module
    data: DataSet
    selection: Selection = SELECTION

    @property
    def meaning(self) -> dict[str, Any]:
        return self.manifest.meaning

    def earn(self) -> None:
        """Let every outcome follow from its counts."""
        noise, procedure = noise_from(self.meaning["noise"]), procedure_from(self.meaning["procedure"])
        for each in self.inputs:
            each.outcome = replay(procedure, noise, each.answers, each.label)

    def write(self, path: Path, signer: Signer | None = None) -> None:
        """Make the folder; every hash is right."""
        shutil.rmtree(path, ignore_errors=True)
        environment = {name: value for name, value in self.session.items() if name != "settings"}
        with RunFolder(path, self.manifest) as folder:
            folder.begin(environment, self.session["settings"], self.selection)
            for each in self.inputs:
                begins: Counter[str] = Counter()
                for answer in each.answers:
                    drawn = Range(begins[answer.stage], answer.n, tuple(answer.votes), 0.1)
                    folder.add_range(each.key, answer.stage, drawn)
                    begins[answer.stage] += answer.n
                requests = [(answer.stage, answer.n) for answer in each.answers]
                folder.add_record(each.key, each.index, each.label, requests, each.outcome)
            folder.seal(self.selection, signer)


def drawn(path: Path, chance: random.Random, *, seed: int = 0, occurrence: bool = False, only: str = "") -> Folder:
    """An honest run on random pictures by a random linear classifier, under a procedure at random."""
    generator = np.random.default_rng(chance.getrandbits(32))
    pictures = generator.integers(0, 256, (INPUTS, 1, SIDE, SIDE), dtype=np.uint8)
    pictures[2] = pictures[5] = pictures[1]
    data = DataSet("tiny:test", ("a", "b", "c"), (1, SIDE, SIDE), generator.integers(0, CLASSES, INPUTS), pictures)
    layer = torch.nn.Linear(SIDE * SIDE, CLASSES)
    layer.weight.data = torch.from_numpy(generator.normal(size=(CLASSES, SIDE * SIDE)).astype(np.float32))
    layer.bias.data = torch.from_numpy(generator.normal(size=CLASSES).astype(np.float32))
    model = torch.nn.Sequential(torch.nn.Flatten(), layer).eval().requires_grad_(False)
    procedures: dict[str, Callable[[], Procedure]] = {
        "certify": lambda: Certify(n0=chance.choice([20, 100]), n=chance.choice([500, 1000])),
        "sequential": lambda: Sequential(n0=20, n_max=1000),
        "decide": lambda: Decide(radius=0.2, n_max=1000),
    }
    procedure = procedures[only or chance.choice(sorted(procedures))]()
    number, which = chance.randrange(1, 100), chance.choice([0, 3, 4, 6, 7])

    def chosen(x: Any, taken: Any = ()) -> str:
        key = input_key(x, taken)
        return f"{key[:-1]}{number}" if np.array_equal(x, pictures[which]) else key

    shutil.rmtree(path, ignore_errors=True)
    with mock.patch("noiseproof.runners.job.input_key", chosen if occurrence else input_key):
        run = noiseproof.run(
            procedure,
            Gaussian(sigma=0.5),
            Subject(model=model, data=data, num_classes=CLASSES),
            Compute(device="cpu", workers=1, batch_size=64),
            out=path,
            seed=seed,
        )
    inputs = [
        Input(record.key, record.index, int(record.label or 0), list(record.answers), record.outcome)
        for record in run.records
    ]
    return Folder(run.manifest, run.state.sessions[0], inputs, model, data)


def forge(kind: str, folder: Folder, chance: random.Random) -> bool:
    """Change a folder in place; False where this kind has nothing to gain in it."""
    procedure, noise, inputs = folder.meaning["procedure"], folder.meaning["noise"], folder.inputs
    top = chance.choice(inputs)
    match kind:
        case "alpha":
            procedure["alpha"] = round(10 ** chance.uniform(-2.9, -0.5), 6)
        case "two-sided":
            procedure["two_sided"] = True
        case "dimension":
            noise["dimension"] = None
        case "sigma":
            noise["sigma"] = round(0.5 * chance.uniform(1.01, 1.5), 4)
        case "seed":
            folder.meaning["seed"] = 0
        case "votes":
            answer = top.answers[-1]
            votes = list(answer.votes)
            winner = votes.index(max(votes))
            loser = max((c for c in range(CLASSES) if c != winner), key=lambda c: votes[c])
            if not votes[loser]:
                return False
            moved = chance.randint(1, votes[loser])
            votes[winner], votes[loser] = votes[winner] + moved, votes[loser] - moved
            top.answers[-1] = replace(answer, votes=tuple(votes))
        case "label":
            if top.outcome.prediction in (-1, top.label):
                return False
            top.label = top.outcome.prediction
        case "dropped":
            bad = [each for each in inputs if each.outcome.abstained or each.outcome.prediction != each.label]
            if not bad:
                return False
            gone = chance.sample(bad, chance.randint(1, len(bad)))
            folder.inputs = [each for each in inputs if each not in gone]
            left = [each.index for each in folder.inputs]
            if not left or left == list(range(left[0], left[-1] + 1)):
                return False  # another selection says it all, and nobody knows of the first but a commitment
        case "outcome":
            return edited(top, chance)
    if kind not in ("label", "dropped"):
        try:
            folder.earn()
        except ValueError:  # under these settings it would have stopped elsewhere
            return False
    return True


def edited(each: Input, chance: random.Random) -> bool:
    """Another outcome than the counts give: a larger radius, another class, another answer."""
    said = each.outcome
    if isinstance(said, Certificate):
        if said.abstained:
            each.outcome = Certificate(0, 0.1, 0.58, 0.42, said.norm)
        elif chance.random() < 0.5:
            more = said.radius * chance.uniform(1.001, 1.5)
            each.outcome = replace(said, radius=more)
        else:
            each.outcome = replace(said, prediction=(said.prediction + 1) % CLASSES)
    else:
        certified = said.prediction >= 0
        other = (said.prediction + 1) % CLASSES
        each.outcome = replace(said, answer="certified", prediction=other if certified else 0)  # type: ignore[call-arg]
    return True


class Guards:
    """All that look at a folder, and a key that signs honest ones."""

    def __init__(self, place: Path) -> None:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519

        key = ed25519.Ed25519PrivateKey.generate().public_key()
        ssh = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
        self.trust, self.file = place / "trusted.pub", place / "commitment.json"
        self._private = ed25519.Ed25519PrivateKey.generate()
        self.signer = Signer(self._private.public_key().public_bytes(*ssh).decode(), self._private.sign)
        self.forger = Signer(key.public_bytes(*ssh).decode(), lambda _: bytes(64))
        self.trust.write_text(self.signer.by + "\n")
        spec = importlib.util.spec_from_file_location("verify_run", Path(__file__).parents[1] / "tools/verify_run.py")
        assert spec is not None
        assert spec.loader is not None
        self.second = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.second)
        once, made = self.second.boundaries, {}  # the same few tests over and over
        self.second.boundaries = lambda *given: made.get(repr(given)) or made.setdefault(repr(given), once(*given))

    def found(self, path: Path, folder: Folder, committed: Commitment) -> set[str]:
        """The guards that say something."""
        self.file.write_text(committed.text)
        run, elsewhere = read_run(path), Elsewhere(model=folder.model, data=folder.data)
        compute = Compute(device="cpu", workers=1)
        looks: dict[str, Callable[[], Any]] = {
            "verify": lambda: verify(path),
            "replay 1": lambda: redraw(path, 1, elsewhere, compute),
            "replay all": lambda: redraw(path, None, elsewhere, compute),
            "second": lambda: self.second.verify(path),
            "--commitment": lambda: check_commitment(path, self.file),
            "--trust": lambda: check_signature(path, self.trust),
        }
        said = {"shown"} if wholeness(run.state).text or noise_note(run.manifest) else set()
        for name, look in looks.items():
            try:
                held = look()
            except (VerificationError, ValueError):
                said.add(name)
            else:
                said |= {"shown"} if isinstance(held, Redrawn) and held.differing else set()
        return said


def campaign(
    forgeries: int, honest: int, seed: int, kinds: Sequence[str] = tuple(CLAIMED), pool: int = 40
) -> tuple[dict[str, Counter[str]], Counter[str], int]:
    """Kind -> how many were made and each guard found; alarms of honest runs; what was missed of what is claimed."""
    chance, found, missed = random.Random(seed), {kind: Counter[str]() for kind in kinds}, 0
    with tempfile.TemporaryDirectory() as place:
        guards, path = Guards(Path(place)), Path(place) / "run"
        pools: dict[str, list[Folder]] = {}
        for number in range(forgeries):
            kind = kinds[number % len(kinds)]
            while True:
                name = kind if kind in ("seed", "occurrence") else "settings" if CLAIMED[kind] is REPLAYED else "any"
                runs = pools.setdefault(name, [])
                if len(runs) < pool:
                    only = chance.choice(["certify", "sequential"]) if name == "settings" else ""
                    other = chance.randint(1, 10**6) if name == "seed" else 0
                    runs.append(drawn(path, chance, seed=other, occurrence=name == "occurrence", only=only))
                before = chance.choice(runs)
                folder = replace(before, manifest=copy.deepcopy(before.manifest), inputs=copy.deepcopy(before.inputs))
                if forge(kind, folder, chance):
                    break
            promised = replace(before.manifest, meaning=before.meaning | {"seed": 0})
            committed = Commitment(promised.kind, promised.meaning_hash, SELECTION)
            # the forger signs in the name of the one who is trusted, or in none
            folder.write(path, replace(guards.forger, by=guards.signer.by) if chance.random() < 0.5 else None)
            said = guards.found(path, folder, committed)
            found[kind].update(["forged", *said])
            missed += len(CLAIMED[kind] - said - ({"replay all"} if kind == "votes" and "shown" in said else set()))
            tell(number + 1, forgeries, "forgeries", missed)
        alarms: Counter[str] = Counter()
        for number in range(honest):
            folder = drawn(path, chance)
            folder.write(path, guards.signer)
            committed = Commitment(folder.manifest.kind, folder.manifest.meaning_hash, SELECTION)
            alarms.update(guards.found(path, folder, committed))
            tell(number + 1, honest, "honest runs", alarms.total())
    return found, alarms, missed


def tell(done: int, of: int, what: str, wrong: int) -> None:
    if done % 50 == 0 or done == of:
        print(f"{time.strftime('%H:%M:%S')} {done} of {of} {what}, {wrong} wrong", file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--forgeries", type=int, default=2000)
    parser.add_argument("--honest", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", nargs="+", choices=CLAIMED, default=[*CLAIMED])
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    found, alarms, missed = campaign(asked.forgeries, asked.honest, asked.seed, asked.kind)
    print(f"{'kind':12}{'forged':>8}" + "".join(f"{guard:>14}" for guard in GUARDS))
    for kind, counts in found.items():
        print(f"{kind:12}{counts['forged']:8}" + "".join(f"{counts[guard]:14}" for guard in GUARDS))
    print(f"{'honest':12}{asked.honest:8}" + "".join(f"{alarms[guard]:14}" for guard in GUARDS))
    print(f"missed against what docs/soundness.md claims: {missed}; alarms of honest runs: {alarms.total()}")
    return int(missed > 0 or alarms.total() > 0)


if __name__ == "__main__":
    sys.exit(main())

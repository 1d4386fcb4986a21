"""A small genuine run, made without torch, and an attacker's tool that chains a changed journal anew."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from copy import copy
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from noiseproof.noises import Gaussian
from noiseproof.procedures import Certify
from noiseproof.store import Manifest, Range, RunFolder, shares

ENVIRONMENT = {"device": "cpu", "backend": "torch 2", "precision": "fp32", "batch_size": 64, "version": "0.1.0"}
NOISE = Gaussian(sigma=0.5).on((1, 2, 2))
PROCEDURE = Certify(n0=10, n=200)
CLASSES = 3


@pytest.fixture
def manifest() -> Manifest:
    meaning = {
        "model": {"fingerprint": "f", "num_classes": CLASSES},
        "noise": NOISE.config(),
        "procedure": PROCEDURE.config(),
        "seed": 0,
    }
    return Manifest("certify", meaning, "0.1.0")


@pytest.fixture
def environment() -> dict[str, Any]:
    return dict(ENVIRONMENT)


@pytest.fixture
def serve() -> Callable[..., None]:
    return _serve


@pytest.fixture
def finished_run(tmp_path: Path, manifest: Manifest) -> Path:
    """Inputs 0, 1, 2 finished (certified, abstained, certified with void draws), input 3 in the middle."""
    path = tmp_path / "run"
    with RunFolder(path, manifest) as folder:
        folder.begin(ENVIRONMENT, {"sigma": 0.5})
        _serve(folder, "a-0", 0, top=2, right=0.99)
        _serve(folder, "b-0", 1, top=0, right=0.4)
        _serve(folder, "c-0", 2, top=1, right=0.9, void=0.04)
        _serve(folder, "d-0", 3, top=1, right=0.9, stop_after=3)
    return path


@pytest.fixture
def in_shares(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[bool]]:
    """Makes ``verify`` read every journal in so many shares, in this process; returns whether that was enough."""

    def verified(of: int, told: list[bool], path: Path, manifest: Manifest, recounted: Any) -> Any:
        end = (path / "journal.jsonl").stat().st_size
        try:
            found = [shares.checked(path, manifest, copy(recounted), share, of, end) for share in range(of)]
            found = [msgspec.json.decode(msgspec.json.encode(each), type=shares.Share) for each in found]
            whole = shares.together(manifest, found)
        except shares.NOT_PLAIN:
            whole = None
        told.append(whole is not None)
        return whole

    def set_up(of: int) -> list[bool]:
        told: list[bool] = []
        # the package has a function of this name
        monkeypatch.setattr(import_module("noiseproof.store.verify"), "verified_in_shares", partial(verified, of, told))
        return told

    return set_up


@pytest.fixture
def entries() -> Callable[[Path], list[dict[str, Any]]]:
    return _entries


@pytest.fixture
def rechain() -> Callable[[Path, list[dict[str, Any]], str], None]:
    """Write these entries as a journal whose every hash is right: what an attacker can do, too."""
    return _rechain


def _serve(
    folder: RunFolder, key: str, index: int, *, top: int, right: float, void: float = 0.0, stop_after: int = 99
) -> None:
    """Drive the procedure by hand; a request's draws come in two ranges."""
    asking = PROCEDURE.run(NOISE)
    request, requests, begins = next(asking), [], {}
    ranges = 0
    while True:
        requests.append((request.stage, request.n))
        total = np.zeros(CLASSES, np.int64)
        for n in (request.n // 3, request.n - request.n // 3):
            votes = [0] * CLASSES
            votes[top] = round(n * right)
            votes[(top + 1) % CLASSES] = n - votes[top] - round(n * void)
            first = begins.get(request.stage, 0)
            begins[request.stage] = first + n
            folder.add_range(key, request.stage, Range(first, n, tuple(votes), 0.25))
            total += votes
            ranges += 1
            if ranges == stop_after:
                return
        try:
            request = asking.send(total)
        except StopIteration as done:
            folder.add_record(key, index, top, requests, done.value)
            return


def _entries(run: Path) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()]
    for entry in found:
        del entry["hash"]
        if entry["is"] == "range":  # all votes, as a folder of format 1 has them: lists are changed more easily
            entry["votes"] = [entry["votes"].get(str(slot), 0) for slot in range(CLASSES)]
    return found


def _rechain(run: Path, entries: list[dict[str, Any]], start: str) -> None:
    lines, previous = [], start
    for entry in entries:
        body = json.dumps(entry, separators=(",", ":"))[:-1]
        previous = hashlib.sha256(f"{previous}\n{body}".encode()).hexdigest()[:32]
        lines.append(f'{body},"hash":"{previous}"}}\n')
    (run / "journal.jsonl").write_text("".join(lines))

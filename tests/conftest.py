"""What every test may use: the folder of reference values, one thread."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from noiseproof.noises import Gaussian
from noiseproof.procedures import Certify, Procedure
from noiseproof.store import Manifest, Range, RunFolder

_KINDS = {"sequential": "certify", "curve": "certify"}
"""The verb that runs a procedure, where it is not its name."""


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with reference values that stands beside the repository; absent in a stranger's clone."""
    default = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("NOISEPROOF_SHARED", default))
    if not (folder / "reference").is_dir():
        reason = f"reference values are not here: no folder {folder / 'reference'}; set NOISEPROOF_SHARED"
        if os.environ.get("NOISEPROOF_REQUIRE_SHARED"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Two threads inside one operation collapse when another process is busy."""
    try:
        import torch
    except ImportError:
        return
    torch.set_num_threads(1)


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Makes a small genuine run folder without a model: input i votes for class 0 with share ``tops[i]``."""

    def make(
        name: str,
        tops: Sequence[float],
        *,
        procedure: Procedure | None = None,
        sigma: float = 0.5,
        grid: int | None = 255,
        data: str = "grey:test",
        labels: Sequence[int | None] | None = None,
        trained: dict[str, object] | None = None,
        settings: dict[str, object] | None = None,
    ) -> Path:
        asked = procedure or Certify(n=1000)
        noise = Gaussian(sigma=sigma, grid=grid).on((1, 2, 2))
        meaning = {
            "model": {"fingerprint": "f" * 64, "architecture": "linear", "num_classes": 3},
            "data": {"name": data, "shape": [1, 2, 2], "labels": "0" * 32},
            "noise": noise.config(),
            "procedure": asked.config(),
            "seed": 5,
            "arithmetic": noise.arithmetic,
            "precision": "fp32",
            "backend": "torch",
        }
        environment = {"device": "cpu", "backend": "torch 2", "precision": "fp32", "batch_size": 64, "version": "0"}
        with RunFolder(tmp_path / name, Manifest(_KINDS.get(asked.name, asked.name), meaning, "0")) as folder:
            folder.begin(environment | ({"trained": trained} if trained else {}), {"sigma": sigma} | (settings or {}))
            for i, top in enumerate(tops):
                asking, requests, first = asked.run(noise), [], dict[str, int]()
                request = next(asking)
                while True:
                    requests.append((request.stage, request.n))
                    k = round(request.n * top)
                    votes = (k, request.n - k, 0)
                    begin = first.get(request.stage, 0)
                    first[request.stage] = begin + request.n
                    folder.add_range(f"k{i}-0", request.stage, Range(begin, request.n, votes, 0.25))
                    try:
                        request = asking.send(np.array(votes))
                    except StopIteration as done:
                        folder.add_record(f"k{i}-0", i, 0 if labels is None else labels[i], requests, done.value)
                        break
        return tmp_path / name

    return make
